"""
What the simulated device remembers over a restart: one JSON file, mode 0600, replaced atomically.

It holds the LMKs in clear. That is what a simulator is for, and why it announces itself: no key
that protects anything belongs in one.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

import msgspec

from keyferry.crypto.ciphers import Cipher
from keyferry.errors import ConfigurationError
from keyferry.hsm.payshield.lmk import LMKScheme
from keyferry.hsm.payshield.simulator.activities import DEFAULT, check_activity
from keyferry.hsm.payshield.simulator.settings import Settings
from keyferry.hsm.private_file import read_private_file, write_private_file

STATE_VERSION: Final = 1
_KEY_BYTES: Final = {Cipher.AES: 32, Cipher.TDES: 24}


class LMKRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One LMK. A variant LMK is always the public test set and has no key here."""

    id: str
    scheme: LMKScheme
    cipher: Cipher = Cipher.TDES
    key: str = ""  # hex
    comment: str = "simulator"

    def __post_init__(self) -> None:
        if len(self.id) != 2 or not self.id.isdecimal():
            raise ConfigurationError(f"LMK id {self.id[:8]!r}: expected two digits")
        if self.scheme is LMKScheme.KEY_BLOCK:
            try:
                size = len(bytes.fromhex(self.key))
            except ValueError as error:
                raise ConfigurationError(f"key of LMK {self.id}: expected hex digits") from error
            if size != _KEY_BYTES[self.cipher]:
                raise ConfigurationError(
                    f"key of LMK {self.id}: expected {_KEY_BYTES[self.cipher]} bytes"
                )

    def __repr__(self) -> str:
        return f"<LMKRecord {self.id}: {self.scheme.name}>"


class State(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The whole memory of a simulated device."""

    version: int
    serial: str
    lmks: list[LMKRecord]
    old_lmks: list[LMKRecord] = []  # key change storage, by the id of the LMK that replaced them
    settings: Settings = Settings()
    authorised: frozenset[str] = DEFAULT
    user_storage: dict[str, str] = {}  # index, three hex digits: content in hex
    private_keys: dict[str, str] = {}  # index, two digits: the private key field in hex
    restarts: int = 0

    def __repr__(self) -> str:
        return f"<State of {self.serial}: {len(self.lmks)} LMKs>"


def fresh_state() -> State:
    """Return a new device: LMK 00 random (AES-256 key block), LMK 02 the public variant set."""
    return State(
        version=STATE_VERSION,
        serial=f"SIM{secrets.randbelow(10**9):09d}",
        lmks=[
            LMKRecord(
                id="00",
                scheme=LMKScheme.KEY_BLOCK,
                cipher=Cipher.AES,
                key=secrets.token_hex(_KEY_BYTES[Cipher.AES]).upper(),
            ),
            LMKRecord(id="02", scheme=LMKScheme.VARIANT, comment="public test set"),
        ],
    )


def load_state(path: Path) -> State:
    """
    Read a state file, or make a fresh state where there is none.

    Raises:
        ConfigurationError: the file is readable by others, not ours, or of a newer version.
    """
    content = read_private_file(path)
    if content is None:
        return fresh_state()
    try:
        state = msgspec.json.decode(content, type=State)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"state file {path}: {_without_values(error)}") from error
    except ConfigurationError as error:
        raise ConfigurationError(f"state file {path}: {error}", hint=error.hint) from error
    if state.version != STATE_VERSION:
        raise ConfigurationError(
            f"state file {path}: version {state.version}, expected {STATE_VERSION}"
        )
    for activity in state.authorised:
        check_activity(activity)
    if len({record.id for record in state.lmks}) != len(state.lmks):
        raise ConfigurationError(f"state file {path}: an LMK id stands there twice")
    return state


def save_state(path: Path, state: State) -> None:
    """
    Write a state so that a crash leaves the old file or the new one, never half of either.

    Raises:
        ConfigurationError: the file cannot be written there.
    """
    write_private_file(path, msgspec.json.format(msgspec.json.encode(state)))


def _without_values(error: Exception) -> str:
    """Return what a decoder says about types and places; msgspec never quotes values but enums'."""
    return str(error).partition(" - at ")[0] if "Invalid enum" in str(error) else str(error)

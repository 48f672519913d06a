"""What the simulated device remembers over a restart: its MFK, its settings, open challenges."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

import msgspec

from keyferry.crypto.components import odd_parity
from keyferry.errors import ConfigurationError
from keyferry.hsm.atalla.simulator.settings import Settings
from keyferry.hsm.private_file import read_private_file, write_private_file

STATE_VERSION: Final = 1
TEST_MFK: Final = "2ABC3DEF4567018998107645FED3CBA20123456789ABCDEF"
"""The MFK of public simulators and examples; protects nothing."""


class ChallengeRecord(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A public key that waits for two administrators."""

    header: str
    exponent: str  # hex
    modulus: str  # hex
    challenge: str
    answer: str
    expires: float  # seconds since the epoch
    administrators: list[str] = []  # who has approved

    def __repr__(self) -> str:
        return f"<ChallengeRecord {self.challenge}>"


class State(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The whole memory of a simulated device; working keys live at the host."""

    version: int
    serial: str
    mfk: str  # hex
    settings: Settings = Settings()
    challenges: list[ChallengeRecord] = []

    def __repr__(self) -> str:
        return f"<State of {self.serial}>"


def fresh_state(*, test_mfk: bool = False) -> State:
    """Return the memory of an unused device, with a random triple-length MFK or the test one."""
    return State(
        version=STATE_VERSION,
        serial=f"SIM{secrets.token_hex(3).upper()}",
        mfk=TEST_MFK if test_mfk else odd_parity(secrets.token_bytes(24)).hex().upper(),
    )


def load_state(path: Path, *, test_mfk: bool = False) -> State:
    """
    Read a state file, or make a fresh state where there is none.

    Raises:
        ConfigurationError: the file is readable by others, not ours, or of a newer version.
    """
    content = read_private_file(path)
    if content is None:
        return fresh_state(test_mfk=test_mfk)
    try:
        state = msgspec.json.decode(content, type=State)
    except msgspec.MsgspecError as error:
        # msgspec names types and places; its words never hold a value but an enum's.
        raise ConfigurationError(f"state file {path}: {error}") from None
    if state.version != STATE_VERSION:
        raise ConfigurationError(
            f"state file {path}: version {state.version}, expected {STATE_VERSION}"
        )
    try:
        size = len(bytes.fromhex(state.mfk))
    except ValueError:
        size = 0
    if size not in (16, 24):
        raise ConfigurationError(f"state file {path}: the MFK is not 16 or 24 bytes in hex")
    return state


def save_state(path: Path, state: State) -> None:
    """Write the state, mode 0600, so that a crash leaves the old file or the new one."""
    write_private_file(path, msgspec.json.format(msgspec.json.encode(state)))

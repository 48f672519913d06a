"""What the simulated device remembers over a restart, as one JSON document."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Final

import msgspec

from keyferry.crypto.components import odd_parity
from keyferry.errors import ConfigurationError
from keyferry.hsm.futurex.simulator.settings import Settings
from keyferry.hsm.private_file import read_private_file, write_private_file

STATE_VERSION: Final = 1
PMK_BYTES: Final = 32
MFK_BYTES: Final = (16, 24)
_SLOT: Final = re.compile(r"[0-9]{1,6}")


class State(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The whole memory of a simulated device: its major keys in clear, settings, key table."""

    version: int
    serial: str
    pmk: str  # hex, AES-256
    mfk: str = ""  # hex, TDES of two or three parts; empty: not loaded
    settings: Settings = Settings()
    key_table: dict[str, str] = {}  # slot: key block or cryptogram

    def __post_init__(self) -> None:
        _check_hex("pmk", self.pmk, (PMK_BYTES,))
        if self.mfk:
            _check_hex("mfk", self.mfk, MFK_BYTES)
        if not all(_SLOT.fullmatch(slot) for slot in self.key_table):
            raise ConfigurationError("key_table: expected slots of 1 to 6 digits")

    def __repr__(self) -> str:
        return f"<State of {self.serial}>"


def fresh_state(*, mfk: bool = False) -> State:
    """Return a new device: a random PMK; a random three-key MFK too if `mfk`."""
    return State(
        version=STATE_VERSION,
        serial=f"SIM{secrets.randbelow(10**9):09d}",
        pmk=secrets.token_hex(PMK_BYTES).upper(),
        mfk=_random_mfk() if mfk else "",
    )


def load_state(path: Path, *, mfk: bool = False) -> State:
    """
    Read a state file, or make a fresh state where there is none.

    Args:
        path: of the file.
        mfk: load a random MFK where the state has none.

    Raises:
        ConfigurationError: the file is readable by others, not ours, or of a newer version.
    """
    content = read_private_file(path)
    if content is None:
        return fresh_state(mfk=mfk)
    try:
        state = msgspec.json.decode(content, type=State)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"state file {path}: {error}") from error
    if state.version != STATE_VERSION:
        raise ConfigurationError(
            f"state file {path}: version {state.version}, expected {STATE_VERSION}"
        )
    if mfk and not state.mfk:
        state.mfk = _random_mfk()
    return state


def save_state(path: Path, state: State) -> None:
    """Write a state, readable by its owner alone; ConfigurationError where that fails."""
    write_private_file(path, msgspec.json.format(msgspec.json.encode(state)))


def _random_mfk() -> str:
    return odd_parity(secrets.token_bytes(MFK_BYTES[1])).hex().upper()


def _check_hex(name: str, text: str, sizes: tuple[int, ...]) -> None:
    try:
        size = len(bytes.fromhex(text))
    except ValueError:
        size = -1
    if size not in sizes:
        # The text is a key: it is not repeated.
        expected = " or ".join(map(str, sizes))
        raise ConfigurationError(f"{name}: expected {expected} bytes in hex") from None

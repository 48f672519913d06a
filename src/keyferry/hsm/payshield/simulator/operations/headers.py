"""New key block headers in requests, and the rules a header must keep."""

from __future__ import annotations

from typing import Final

from keyferry.crypto.keyblock import OptionalBlock
from keyferry.errors import MalformedKeyBlockError
from keyferry.hsm.payshield.simulator.call import SYNTAX, Call
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError
from keyferry.hsm.values import Values

INVALID_USAGE: Final = "A6"
INVALID_MODE: Final = "A8"

_BOTH: Final = "BDEN"
_MAC: Final = "CGVN"
_DERIVE: Final = "XN"

# Modes by usage: the standard's, and those of the vendor's own usages by what they stand for.
MODES: Final = {
    **dict.fromkeys(("D0", "D2", "21", "22", "23"), _BOTH),
    **dict.fromkeys(("K0", "K1", "51", "52", "53", "54", "55"), _BOTH),
    **dict.fromkeys(("P0", "71", "72", "73"), _BOTH),
    **dict.fromkeys(("B0", "B1", "41", "42", "43"), _DERIVE),
    **dict.fromkeys(("E0", "E1", "E2", "E3", "E4", "E5", "E6"), _DERIVE),
    **dict.fromkeys(("C0", "11", "12", "13"), _MAC),
    **dict.fromkeys(("M0", "M1", "M2", "M3", "M4", "M5", "M6"), _MAC),
    **dict.fromkeys(("V0", "V1", "V2"), _MAC),
}


def require_header(call: Call) -> None:
    """Refuse with 15 unless the request carries the new header a key block LMK needs."""
    if call.values.get("header_mode") is None and call.values.get("header_version") is None:
        raise CommandRefusedError(SYNTAX)


def check_usage(usage: str, mode: str) -> None:
    """Refuse with A6 a usage symmetric keys do not have, with A8 a mode the usage does not."""
    modes = MODES.get(usage)
    if modes is None:
        raise CommandRefusedError(INVALID_USAGE)
    if mode not in modes:
        raise CommandRefusedError(INVALID_MODE)


def header_blocks(values: Values, prefix: str = "header") -> tuple[OptionalBlock, ...]:
    """Return the optional blocks of a request; AC for a malformed one, BC for a repeated id."""
    if values.get(f"{prefix}_blocks") is None:
        return ()
    rows = values.rows(f"{prefix}_blocks")
    identifiers = [row.text("id") for row in rows]
    if len(set(identifiers)) != len(identifiers):
        raise CommandRefusedError("BC")
    if any(identifier in ("PB",) for identifier in identifiers):
        raise CommandRefusedError("AC")  # filling is the device's business
    try:
        return tuple(OptionalBlock(row.text("id"), row.text("data")) for row in rows)
    except MalformedKeyBlockError as error:
        raise CommandRefusedError("AC") from error

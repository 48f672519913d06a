"""
What a key is called on both sides: the AKB header in the HSM, usage and mode in a TR-31 block.

K1, C0 and the choice of M0, M1 and M3 are published by the AWS samples; the rest follows from the
meanings of the letters (inferred).
"""

from __future__ import annotations

from typing import Final

from keyferry.crypto.keyblock import ModeOfUse
from keyferry.crypto.keyblock.akb import AKBHeader

MAC_USAGES: Final = ("M0", "M1", "M3")  # an AKB does not tell which: the caller does

WRAPPING_KEY: Final = AKBHeader.parse("1kDNE000")  # TR-31 and TR-34 key block protection key
KRD_PUBLIC_KEY: Final = AKBHeader.parse("1kREE000")

# By TR-31 usage, the header a new key of it gets.
HEADERS: Final = {
    usage: AKBHeader.parse(text)
    for usage, text in {
        "K1": "1kDNE000",
        "K0": "1KDNE000",
        "P0": "1PUNE000",
        "C0": "1CDNE000",
        "D0": "1DDNE000",
        "M0": "1MDNE000",
        "M1": "1MDNE000",
        "M3": "1MDNE000",
        "V0": "1VUNE000",
        "V1": "1V3NE000",
        "V2": "1VVNE000",
        "E0": "1mENE000",
        "E1": "1mENE00E",
        "E2": "1mENE00M",
        "E3": "1mENE00d",
        "E4": "1mENE00e",
        "B0": "1dDNE000",
    }.items()
}

# By usage letter, or letter and algorithm: the TR-31 usage.
_USAGES: Final = {"k": "K1", "K": "K0", "P": "P0", "C": "C0", "D": "D0", "d": "B0"}
_PIN_VERIFICATION: Final = {"U": "V0", "3": "V1", "V": "V2"}
_EMV: Final = {"0": "E0", "a": "E0", "E": "E1", "M": "E2", "d": "E3", "e": "E4"}

_BOTH: Final = {"N": ModeOfUse.BOTH_DIRECTIONS, "E": ModeOfUse.ENCRYPT, "D": ModeOfUse.DECRYPT}
_CHECKING: Final = {
    "N": ModeOfUse.GENERATE_AND_VERIFY,
    "G": ModeOfUse.GENERATE,
    "V": ModeOfUse.VERIFY,
}
_DERIVING: Final = {"N": ModeOfUse.DERIVE}


def tr31_usages(header: AKBHeader) -> tuple[str, ...]:
    """Return the TR-31 usages a key may be exported as: none, one, or the three of a MAC key."""
    if header.usage == "M":
        return MAC_USAGES
    if header.usage == "V":
        found = _PIN_VERIFICATION.get(header.algorithm)
    elif header.usage == "m":
        found = _EMV.get(header.other)
    else:
        found = _USAGES.get(header.usage)
    return (found,) if found else ()


def tr31_mode(header: AKBHeader) -> ModeOfUse | None:
    """Return the mode of use that byte 3 stands for, or None if it has none for this usage."""
    if header.usage in "kKPD":
        return _BOTH.get(header.mode)
    if header.usage in "CMV":
        return _CHECKING.get(header.mode)
    return _DERIVING.get(header.mode) if header.usage in "md" else None

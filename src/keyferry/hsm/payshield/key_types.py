"""
Key type codes of variant LMKs: a variant digit and the code of an LMK pair, three characters.

The usages beside them are what TR-31 calls the same key, so that both LMK schemes speak of one
thing. Sources: docs/evidence.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

KEY_BLOCK_TYPE: Final = "FFF"  # "use the key block": the code under a key block LMK


@dataclass(frozen=True, slots=True)
class KeyType:
    """One key type of a variant LMK."""

    code: str
    name: str
    usages: tuple[str, ...]  # TR-31 usages of such a key; the first is the one it leaves with
    mode: str = "N"


_TYPES: Final = (
    KeyType("000", "ZMK", ("K0", "K1"), "B"),
    KeyType("100", "ZMK component", ("K0",)),
    KeyType("200", "KML", ("K0",)),
    KeyType("001", "ZPK", ("P0",), "B"),
    KeyType("002", "PVK, TMK or TPK", ("V1", "V2", "V0", "P0", "K0", "K1")),
    KeyType("402", "CVK", ("C0",), "C"),
    KeyType("302", "IKEY", ("B1",), "X"),
    KeyType("003", "TAK", ("M3", "M1", "M0"), "C"),
    KeyType("006", "WWK", ("K0",)),
    KeyType("607", "ZKA master key", ("K0",)),
    KeyType("008", "ZAK", ("M3", "M1", "M0"), "C"),
    KeyType("009", "BDK type 1", ("B0",), "X"),
    KeyType("609", "BDK type 2", ("B0",), "X"),
    KeyType("809", "BDK type 3", ("B0",), "X"),
    KeyType("909", "BDK type 4", ("B0",), "X"),
    KeyType("109", "MK-AC", ("E0",), "X"),
    KeyType("209", "MK-SMI", ("E2",), "X"),
    KeyType("309", "MK-SMC", ("E1",), "X"),
    KeyType("409", "MK-DAC", ("E3",), "X"),
    KeyType("509", "MK-DN", ("E4",), "X"),
    KeyType("709", "MK-CVC3", ("E6",), "X"),
    KeyType("00A", "ZEK", ("D0",), "B"),
    KeyType("00B", "DEK", ("D0",), "B"),
    KeyType("30B", "TEK", ("D0",), "B"),
    KeyType("70D", "TPK", ("P0",), "B"),
    KeyType("80D", "TMK", ("K0", "K1"), "B"),
    KeyType("90D", "TKR", ("P0",), "B"),
)

KEY_TYPES: Final = {key_type.code: key_type for key_type in _TYPES}

# The pair of LMK a two-digit type code names (BU, BW, KA): the codes a plain key of it has.
PAIR_CODES: Final = frozenset({code[1:] for code in KEY_TYPES})

BDK_TYPE_CODES: Final = {"1": "009", "2": "609", "3": "809", "4": "909"}
BDK_USAGES: Final = {"1": ("B0",), "2": ("41",), "3": ("42",), "4": ("43",)}

_BY_USAGE: Final = {
    "B0": "009",
    "B1": "302",
    "C0": "402",
    "D0": "00B",
    "E0": "109",
    "E1": "309",
    "E2": "209",
    "E3": "409",
    "E4": "509",
    "E6": "709",
    "K0": "000",
    "K1": "000",
    "M0": "008",
    "M1": "008",
    "M3": "008",
    "P0": "001",
    "V0": "002",
    "V1": "002",
    "V2": "002",
}


def key_type_for(usage: str) -> str | None:
    """Return the key type code under which a variant LMK keeps keys of a TR-31 usage, if any."""
    return _BY_USAGE.get(usage)


# Thales-only usages have no place outside: what a key of them is called in a TR-31 block.
_LEAVES_AS: Final = {
    "11": "C0",
    "12": "C0",
    "13": "C0",
    "21": "D0",
    "22": "D0",
    "23": "D0",
    "41": "B0",
    "42": "B0",
    "43": "B0",
    "51": "K0",
    "52": "K0",
    "61": "M7",
    "62": "M7",
    "63": "M7",
    "64": "M7",
    "65": "M7",
    "71": "P0",
    "72": "P0",
    "73": "P0",
}


def exported_usage(usage: str) -> str:
    """Return the TR-31 usage a key leaves with (inferred for the Thales-only ones)."""
    return _LEAVES_AS.get(usage, usage)

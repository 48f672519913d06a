"""
What a kind of HSM can do in a key exchange, as rows of data, and what one device says of itself.

Each family has a table of `Capability` rows with the evidence of each, and a function that asks a
device and changes nothing in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from keyferry.hsm.commands import Evidence
from keyferry.keys import KeyAlgorithm

TDES: Final = frozenset({KeyAlgorithm.TDES_2KEY, KeyAlgorithm.TDES_3KEY})
AES: Final = frozenset({KeyAlgorithm.AES_128, KeyAlgorithm.AES_192, KeyAlgorithm.AES_256})
RSA: Final = frozenset({KeyAlgorithm.RSA_2048, KeyAlgorithm.RSA_3072, KeyAlgorithm.RSA_4096})
CURVES: Final = frozenset(
    {KeyAlgorithm.ECC_NIST_P256, KeyAlgorithm.ECC_NIST_P384, KeyAlgorithm.ECC_NIST_P521}
)


class Protocol(StrEnum):
    """How a key travels."""

    TR34 = "tr34"
    TR31 = "tr31"
    ECDH = "ecdh"


class Role(StrEnum):
    """Which side of an exchange a device takes."""

    SENDS = "kdh"
    RECEIVES = "krd"


class MasterKey(StrEnum):
    """What keeps keys outside a device."""

    VARIANT_LMK = "variant LMK"
    TDES_LMK = "TDES key block LMK"
    AES_LMK = "AES key block LMK"
    PMK = "AES-256 PMK"
    TDES_MFK = "TDES MFK"
    AES_MFK = "AES MFK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One protocol in one role under one kind of master key."""

    protocol: Protocol
    role: Role
    master_keys: frozenset[MasterKey]
    commands: tuple[str, ...]
    algorithms: frozenset[KeyAlgorithm]  # of keys that travel
    wrapping: frozenset[KeyAlgorithm]  # RSA keys, curves, or KEKs
    block_versions: str  # letters the device writes or reads; for TR-34 those of the header inside
    options: tuple[str, ...] = ()  # that must be on
    activities: tuple[str, ...] = ()  # that may have to be authorised
    # Block version to the first release seen to write it, where older ones are known to refuse.
    since: tuple[tuple[str, tuple[int, int]], ...] = ()
    evidence: Evidence
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What one device says of itself. What it does not tell is None."""

    family: str
    master_keys: frozenset[MasterKey]  # the one in force; several where it cannot be told
    firmware: str | None = None
    commands: frozenset[str] | None = None  # those that are switched on
    options: frozenset[str] | None = None  # those that are on
    told: tuple[tuple[str, str], ...] = ()  # for people

    @property
    def release(self) -> tuple[int, int] | None:
        """Major and minor release, where the firmware's name tells them (1.14a)."""
        match = re.fullmatch(r"v?([0-9]{1,3})\.([0-9]{1,4})[a-z]?", self.firmware or "")
        return (int(match[1]), int(match[2])) if match else None

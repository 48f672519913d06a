"""
What can be computed under a key of each usage, so that the other side can verify it.

This is what the key allows; which of it a device has a public command for is said by the party, in
`parties/*_proof.py`. All data is made up and the same in every run: nothing of a card or a customer
goes into it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from keyferry.crypto.keyblock import ModeOfUse
from keyferry.keys import KeyAlgorithm, KeyUsage

PAN: Final = "4123456789012345"
EXPIRY: Final = "2912"
SERVICE_CODE: Final = "101"
MESSAGE: Final = b"keyferry proof by use 0123456789"  # whole blocks of every cipher
PIN_DIGITS: Final = 4

# DUKPT: of a TDES BDK with its descriptor as a payShield writes it, and of an AES BDK.
KSN: Final = "FFFF9876543210E00001"
KSN_DESCRIPTOR: Final = "605"
AES_KSN: Final = "123456789012345600000001"

PVKI: Final = "1"
DECIMALIZATION_TABLE: Final = "0123456789012345"
# As a payShield builds it: N stands for the last five of the twelve digits before the check digit.
VALIDATION_DATA: Final = "41234567890" + PAN[-6:-1]
VALIDATION_PATTERN: Final = "41234567890N"

# EMV: the card, its counter, a terminal's data in whole blocks, and what session keys come from.
PSN: Final = "01"
ATC: Final = "0001"
TRANSACTION_DATA: Final = bytes.fromhex(
    "0000000100000000000000000840000000000008402912310012345678180000010300000000000000"
    "00000000000000"
)
SESSION_DATA: Final = "0123456789ABCDEF"
SCRIPT_PIN: Final = "1234"
SCRIPT_PIN_BLOCK: Final = "241234FFFFFFFFFF"  # ISO format 2
TRACK_DATA: Final = "4123456789012345D29121010000000000000F"
UNPREDICTABLE_NUMBER: Final = "00000899"


class ProofKind(StrEnum):
    """What is computed; the value is what people read."""

    CVV = "CVV"
    CSC = "CSC"
    CVC3 = "CVC3"
    DCVV = "dCVV"
    MAC = "MAC"
    TRANSACTION_MAC = "DUKPT MAC"
    TRANSACTION_PIN_BLOCK = "DUKPT PIN block"
    PIN_BLOCK = "PIN block"
    PVV = "PVV"
    IBM_OFFSET = "PIN offset"
    CRYPTOGRAM = "cryptogram"
    ARQC = "ARQC"
    SCRIPT_MAC = "script MAC"
    ARQC_AND_SCRIPT_MAC = "ARQC and script MAC"
    SCRIPT_PIN_BLOCK = "script PIN block"
    KEY_BLOCK = "key block"

    @property
    def companion(self) -> KeyUsage | None:
        """The usage of a second key that both sides need for it, if they need one."""
        return _COMPANIONS.get(self)


_COMPANIONS: Final = {
    ProofKind.PVV: KeyUsage.TR31_P0_PIN_ENCRYPTION_KEY,
    ProofKind.IBM_OFFSET: KeyUsage.TR31_P0_PIN_ENCRYPTION_KEY,
    ProofKind.ARQC_AND_SCRIPT_MAC: KeyUsage.TR31_E0_EMV_MKEY_APP_CRYPTOGRAMS,
}

# By usage: the best proof first. What needs a second key on both sides comes after what does not.
KINDS: Final[dict[str, tuple[ProofKind, ...]]] = {
    "B0": (ProofKind.TRANSACTION_MAC, ProofKind.TRANSACTION_PIN_BLOCK),
    "C0": (ProofKind.CVV, ProofKind.CSC),
    "D0": (ProofKind.CRYPTOGRAM,),
    "E0": (ProofKind.ARQC,),
    "E1": (ProofKind.SCRIPT_PIN_BLOCK,),
    "E2": (ProofKind.SCRIPT_MAC, ProofKind.ARQC_AND_SCRIPT_MAC),
    "E4": (ProofKind.CVC3,),
    "E6": (ProofKind.DCVV,),
    "K0": (ProofKind.KEY_BLOCK,),
    "K1": (ProofKind.KEY_BLOCK,),
    "M0": (ProofKind.MAC,),
    "M1": (ProofKind.MAC,),
    "M3": (ProofKind.MAC,),
    "M6": (ProofKind.MAC,),
    "M7": (ProofKind.MAC,),
    "P0": (ProofKind.PIN_BLOCK,),
    "V1": (ProofKind.IBM_OFFSET,),
    "V2": (ProofKind.PVV,),
}

# MAC usages, and what the API calls their algorithm.
MAC_ALGORITHMS: Final = {
    "M0": "AS2805_4_1",
    "M1": "ISO9797_ALGORITHM1",
    "M3": "ISO9797_ALGORITHM3",
    "M6": "CMAC",
    "M7": "HMAC",
}

_DOUBLE: Final = (KeyAlgorithm.TDES_2KEY,)
_TDES: Final = (KeyAlgorithm.TDES_2KEY, KeyAlgorithm.TDES_3KEY)
_AES: Final = (KeyAlgorithm.AES_128, KeyAlgorithm.AES_192, KeyAlgorithm.AES_256)
# Where the length of the key matters; what is not named takes every key of the usage.
_ALGORITHMS: Final = {
    ProofKind.CVV: _DOUBLE,
    ProofKind.CSC: _TDES,
    ProofKind.CVC3: _DOUBLE,
    ProofKind.DCVV: _DOUBLE,
    ProofKind.TRANSACTION_MAC: (*_DOUBLE, *_AES),
    ProofKind.TRANSACTION_PIN_BLOCK: (*_DOUBLE, *_AES),
    ProofKind.PVV: _TDES,
    ProofKind.IBM_OFFSET: _TDES,
    ProofKind.ARQC: _DOUBLE,
    ProofKind.SCRIPT_MAC: _DOUBLE,
    ProofKind.ARQC_AND_SCRIPT_MAC: _DOUBLE,
    ProofKind.SCRIPT_PIN_BLOCK: _DOUBLE,
}
_MAC_KEYS: Final = {
    "M0": _DOUBLE,
    "M1": _TDES,
    "M3": _TDES,
    # Older HMAC keys are TDES or AES keys by name, and then nothing says which hash is meant.
    "M7": tuple(algorithm for algorithm in KeyAlgorithm if algorithm.is_hmac),
}

# Modes with which one key both makes and checks; with the others one of the sides must refuse.
_BOTH_WAYS: Final = frozenset(
    {
        ModeOfUse.BOTH_DIRECTIONS,
        ModeOfUse.GENERATE_AND_VERIFY,
        ModeOfUse.DERIVE,
        ModeOfUse.NO_RESTRICTIONS,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedKey:
    """A key as one side holds it, and what both sides know of it."""

    handle: str = field(repr=False)  # a key under a master key, an ARN; never a clear key
    usage: str  # the code in a key block, such as `B0`
    algorithms: tuple[KeyAlgorithm, ...]  # more than one where only the family is known
    mode: ModeOfUse
    check_value: str

    @property
    def is_aes(self) -> bool:
        return all(algorithm.is_aes for algorithm in self.algorithms)

    @property
    def is_tdes(self) -> bool:
        return all(algorithm.is_tdes for algorithm in self.algorithms)

    @property
    def is_double(self) -> bool:
        """Whether it is certainly a double-length TDES key."""
        return self.algorithms == _DOUBLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What one side computed; made-up data under a real key, and kept out of representations."""

    kind: ProofKind
    value: str = field(repr=False)  # hex or digits; of a KEK, a key block of a throw-away key
    beside: str = field(default="", repr=False)  # a PIN block, or an ARQC, that goes with it
    check_value: str = ""  # of the throw-away key in a key block


def kinds_of(key: UsedKey) -> tuple[ProofKind, ...]:
    """Return what can be computed under a key and verified under its copy, the best first."""
    if key.mode not in _BOTH_WAYS:
        return ()
    mac_keys = _MAC_KEYS.get(key.usage)
    if mac_keys is not None and not set(key.algorithms) <= set(mac_keys):
        return ()
    return tuple(
        kind
        for kind in KINDS.get(key.usage, ())
        if kind not in _ALGORITHMS or set(key.algorithms) <= set(_ALGORITHMS[kind])
    )


def reason_against(key: UsedKey) -> str:
    """Return why nothing at all can be computed under a key; empty where something can."""
    if key.usage not in KINDS:
        return f"no operation uses a key of usage {key.usage}"
    if key.mode not in _BOTH_WAYS:
        return f"mode of use {key.mode} lets no two sides both compute and verify"
    if kinds_of(key):
        return ""
    if key.usage == "B0":
        return "DUKPT derives from double-length TDES and from AES keys only"
    if len(key.algorithms) > 1:
        return f"whether it is of {' or '.join(key.algorithms)} is not known; state key_algorithm"
    return f"no operation uses {key.algorithms[0]} keys of usage {key.usage}"


def required(companion: UsedKey | None) -> UsedKey:
    """The second key of a proof whose kind has one; ValueError if the caller left it out."""
    if companion is None:
        raise ValueError("a proof of this kind takes a second key")
    return companion

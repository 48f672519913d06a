"""
Which key may do what: usage, algorithm and modes of use for each role of each operation.

The one table of the data plane. A role is what a key does in an operation; its rules are the rows
of the API's list of valid keys. Modes stand as letters, since a key's modes are always exactly one
of the sets a letter stands for: N (NoRestrictions) is written where it is enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Self

from keyferry.crypto.keyblock import ModeOfUse
from keyferry.keys import KeyAlgorithm as Alg
from keyferry.keys import KeyClass, KeyUsage
from keyferry.service.errors import InvalidRequestError

# The words of the real service for a wrong usage and for a wrong mode of use.
NOT_ALLOWED = "KeyUsages not allowed for this operation"

Profile = tuple[KeyClass, KeyUsage, Alg, ModeOfUse]

_TDES2 = frozenset({Alg.TDES_2KEY})
_TDES = frozenset({Alg.TDES_2KEY, Alg.TDES_3KEY})
_AES = frozenset({Alg.AES_128, Alg.AES_192, Alg.AES_256})
_CIPHERS = _TDES | _AES
_BDK = _TDES2 | _AES  # there is no DUKPT with a triple-length TDES key
_HMAC = frozenset(a for a in Alg if a.is_hmac)
_RSA = frozenset(a for a in Alg if a.is_rsa)
_ECC = frozenset(a for a in Alg if a.is_ecc)

_SYMMETRIC = (KeyClass.SYMMETRIC_KEY,)
_PAIR = (KeyClass.ASYMMETRIC_KEY_PAIR,)
_PUBLIC = (KeyClass.ASYMMETRIC_KEY_PAIR, KeyClass.PUBLIC_KEY)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: header codes of the usages, algorithms, letters of the modes of use, classes."""

    usages: tuple[str, ...]
    algorithms: frozenset[Alg]
    modes: str
    classes: tuple[KeyClass, ...] = _SYMMETRIC


class Role(Enum):
    """What a key does in an operation. Source: the service's guide, "valid keys"."""

    # EncryptData, DecryptData, ReEncryptData.
    ENCRYPT_SYMMETRIC = 1, Rule(("D0",), _CIPHERS, "EBN")
    DECRYPT_SYMMETRIC = 2, Rule(("D0",), _CIPHERS, "DBN")
    ENCRYPT_ASYMMETRIC = 3, Rule(("D1",), _RSA, "EB", _PUBLIC)
    DECRYPT_ASYMMETRIC = 4, Rule(("D1",), _RSA, "DB", _PAIR)
    DATA_DUKPT = 5, Rule(("B0",), _BDK, "XN")
    DATA_EMV = 6, Rule(("E1", "E6"), _TDES2, "X")

    # Wrapped keys, in whatever operation takes them: the KEK of a key block, the pair of ECDH, the
    # authority behind the peer's certificate.
    UNWRAP_KEY = 7, Rule(("K0", "K1"), _CIPHERS, "DBN")
    AGREE_ON_KEY = 8, Rule(("K3",), _ECC, "X", _PAIR)
    CERTIFY = 9, Rule(("S0",), _RSA | _ECC, "V", (KeyClass.PUBLIC_KEY,))

    # GenerateCardValidationData, VerifyCardValidationData.
    GENERATE_CVV = 10, Rule(("C0",), _TDES2, "GC")
    VERIFY_CVV = 11, Rule(("C0",), _TDES2, "VC")
    GENERATE_CSC = 12, Rule(("C0",), _TDES, "GC")
    VERIFY_CSC = 13, Rule(("C0",), _TDES, "VC")
    DYNAMIC_CVC = 14, Rule(("E4",), _TDES2, "X")
    DYNAMIC_CVV = 15, Rule(("E6",), _TDES2, "X")
    CARDHOLDER_VALUE = 16, Rule(("E6",), _TDES2, "X")

    # GenerateMac, VerifyMac. An M7 key of a cipher algorithm is from before there were others.
    GENERATE_MAC_1 = 20, Rule(("M1",), _TDES, "GC")
    VERIFY_MAC_1 = 21, Rule(("M1",), _TDES, "VC")
    GENERATE_MAC_3 = 22, Rule(("M3",), _TDES, "GC")
    VERIFY_MAC_3 = 23, Rule(("M3",), _TDES, "VC")
    GENERATE_CMAC = 24, Rule(("M6",), _CIPHERS, "GC")
    VERIFY_CMAC = 25, Rule(("M6",), _CIPHERS, "VC")
    GENERATE_HMAC = 26, Rule(("M7",), _HMAC | _CIPHERS, "GC")
    VERIFY_HMAC = 27, Rule(("M7",), _HMAC | _CIPHERS, "VC")
    GENERATE_MAC_AS2805 = 28, Rule(("M0",), _TDES2, "GC")
    VERIFY_MAC_AS2805 = 29, Rule(("M0",), _TDES2, "VC")
    MAC_EMV = 30, Rule(("E2",), _TDES2, "XN")
    MAC_DUKPT = 31, Rule(("B0",), _BDK, "XN")

    # GenerateMacEmvPinChange.
    SCRIPT_PIN_KEY = 40, Rule(("P0",), _TDES, "DBN")
    SCRIPT_INTEGRITY = 41, Rule(("E2",), _TDES2, "XN")
    SCRIPT_CONFIDENTIALITY = 42, Rule(("E1",), _TDES2, "X")
    SCRIPT_CRYPTOGRAM = 43, Rule(("E0",), _TDES2, "X")

    # GeneratePinData, VerifyPinData, TranslatePinData.
    ENCRYPT_PIN = 50, Rule(("P0",), _CIPHERS, "EBN")
    DECRYPT_PIN = 51, Rule(("P0",), _CIPHERS, "DBN")
    VERIFY_PIN_DUKPT = 52, Rule(("B0",), _BDK, "X")
    TRANSLATE_PIN_DUKPT = 53, Rule(("B0",), _BDK, "XN")
    GENERATE_PVV = 54, Rule(("V2",), _TDES, "GC")
    VERIFY_PVV = 55, Rule(("V2",), _TDES, "VC")
    GENERATE_IBM3624 = 56, Rule(("V1",), _TDES, "GC")
    VERIFY_IBM3624 = 57, Rule(("V1",), _TDES, "VC")
    DECRYPT_PIN_AS2805 = 58, Rule(("P0",), _TDES2, "DBN")

    # GenerateAuthRequestCryptogram, VerifyAuthRequestCryptogram.
    CRYPTOGRAM = 60, Rule(("E0",), _TDES2, "X")

    # TranslateKeyMaterial, GenerateAs2805KekValidation.
    WRAP_KEY = 70, Rule(("K0", "K1"), _CIPHERS, "EBN")
    VALIDATE_KEK = 71, Rule(("K0",), _TDES2, "B")

    rule: Rule
    is_asymmetric: bool

    def __new__(cls, number: int, rule: Rule) -> Self:
        """Hang the rule on the role; the number only tells roles with equal rules apart."""
        role = object.__new__(cls)
        role._value_ = number
        role.rule = rule
        role.is_asymmetric = not rule.algorithms.isdisjoint(_RSA | _ECC)
        return role


def check_eligible(profile: Profile, role: Role) -> None:
    """
    Refuse a key that may not serve in `role`: usage first, then modes of use, then algorithm.

    Raises:
        InvalidRequestError: in the service's words.
    """
    key_class, usage, algorithm, mode = profile
    rule = role.rule
    if usage.code not in rule.usages or key_class not in rule.classes or mode not in rule.modes:
        raise InvalidRequestError(NOT_ALLOWED)
    if algorithm not in rule.algorithms:
        raise InvalidRequestError(f"KeyAlgorithm {algorithm} not allowed for this operation")

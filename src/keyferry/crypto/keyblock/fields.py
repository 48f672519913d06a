"""The codes of a key block header, each with the standard's letter as value."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from keyferry.crypto.ciphers import Cipher

__all__ = ["Algorithm", "BlockVersion", "Exportability", "ModeOfUse"]


class BlockVersion(StrEnum):
    """
    How a block is protected; not which key it holds (X9.143-2021, 6.2; ISO 20038 for E).

    A and C make variants of the KBPK and encrypt, then MAC. B, D and E derive two keys from the
    KBPK and MAC the clear payload; the MAC is the IV.
    """

    cipher: Cipher  # of the KBPK
    mac_bytes: int
    alignment: int  # bytes: ciphertext and optional blocks are whole multiples
    payload_alignment: int  # bytes: the clear payload is padded to a multiple
    is_legacy: bool  # opened, but written only when asked for by name

    A = "A", Cipher.TDES, 4, 8, True
    B = "B", Cipher.TDES, 8, 8, False
    C = "C", Cipher.TDES, 4, 8, True
    D = "D", Cipher.AES, 16, 16, False
    E = "E", Cipher.AES, 16, 1, False

    def __new__(
        cls, letter: str, cipher: Cipher, mac_bytes: int, payload_alignment: int, is_legacy: bool
    ) -> Self:
        """Hang the properties on the letter, so that no second table can disagree."""
        member = str.__new__(cls, letter)
        member._value_ = letter
        member.cipher = cipher
        member.mac_bytes = mac_bytes
        member.alignment = cipher.block_size
        member.payload_alignment = payload_alignment
        member.is_legacy = is_legacy
        return member


class Algorithm(StrEnum):
    """What the wrapped key is a key of (X9.143-2021, 6.3.2; I and J are from ISO 20038)."""

    hidden_bytes: int  # the longest key of the algorithm, which hides the length of shorter ones

    AES = "A", 32
    DES = "D", 24
    ELLIPTIC_CURVE = "E", 0
    HMAC = "H", 64
    RSA = "R", 0
    DSA = "S", 0
    TDES = "T", 24
    HMAC_SHA2 = "I", 64
    HMAC_SHA3 = "J", 64

    def __new__(cls, letter: str, hidden_bytes: int) -> Self:
        """Hang the length that hides shorter keys on the letter."""
        member = str.__new__(cls, letter)
        member._value_ = letter
        member.hidden_bytes = hidden_bytes
        return member


class ModeOfUse(StrEnum):
    """What may be done with the wrapped key (X9.143-2021, 6.3.3). Digits are proprietary."""

    BOTH_DIRECTIONS = "B"  # encrypt and decrypt, wrap and unwrap
    GENERATE_AND_VERIFY = "C"
    DECRYPT = "D"  # decrypt or unwrap only
    ENCRYPT = "E"  # encrypt or wrap only
    GENERATE = "G"
    NO_RESTRICTIONS = "N"
    SIGN = "S"
    SIGN_AND_DECRYPT = "T"
    VERIFY = "V"
    DERIVE = "X"
    CREATE_VARIANTS = "Y"
    PROPRIETARY_0 = "0"
    PROPRIETARY_1 = "1"
    PROPRIETARY_2 = "2"
    PROPRIETARY_3 = "3"
    PROPRIETARY_4 = "4"
    PROPRIETARY_5 = "5"
    PROPRIETARY_6 = "6"
    PROPRIETARY_7 = "7"
    PROPRIETARY_8 = "8"
    PROPRIETARY_9 = "9"


class Exportability(StrEnum):
    """Whether and how the key may leave again (X9.143-2021, 6.3.5)."""

    EXPORTABLE = "E"  # under a KEK, in a trusted form
    SENSITIVE = "S"  # also in untrusted forms, by agreement
    NONE = "N"

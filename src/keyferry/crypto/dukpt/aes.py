"""
DUKPT with an AES base key (ANSI X9.24-3:2017).

The KSN is 12 bytes: four of the BDK's id and four of the derivation id, together the initial key
id, then the transaction counter. Every step derives from a 16-byte block that spells out what
the new key is for.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import NoReturn

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.errors import DataSizeError, KeySizeError, KeyStrengthError

__all__ = [
    "AESBDK",
    "AESPurpose",
    "WorkingKeyType",
    "aes_derivation_key",
    "aes_initial_key",
]

_VERSION = 1
_KEY_DERIVATION = 0x8000
_INITIAL_KEY = 0x8001


class AESPurpose(IntEnum):
    """What a working key is for: the usage indicator (X9.24-3:2017, 6.3.2, tables 2 and 3)."""

    KEY_ENCRYPTION = 0x0002
    PIN_ENCRYPTION = 0x1000
    MAC_GENERATION = 0x2000
    MAC_VERIFICATION = 0x2001
    MAC_BOTH = 0x2002
    DATA_ENCRYPT = 0x3000
    DATA_DECRYPT = 0x3001
    DATA_BOTH = 0x3002


class WorkingKeyType(StrEnum):
    """What kind of key is derived (X9.24-3:2017, 6.2.1 and 6.3.2)."""

    code: int  # the algorithm indicator
    size: int  # bytes
    strength: int  # bits of the AES key it takes at least

    TDES_2KEY = "TDES_2KEY", 0, 16, 128
    TDES_3KEY = "TDES_3KEY", 1, 24, 128
    AES_128 = "AES_128", 2, 16, 128
    AES_192 = "AES_192", 3, 24, 192
    AES_256 = "AES_256", 4, 32, 256
    HMAC_128 = "HMAC_128", 5, 16, 128
    HMAC_192 = "HMAC_192", 5, 24, 192
    HMAC_256 = "HMAC_256", 5, 32, 256

    def __new__(cls, name: str, code: int, size: int, strength: int) -> WorkingKeyType:
        """Hang code, size and strength on the member."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.code = code
        member.size = size
        member.strength = strength
        return member


_AES_BY_SIZE = {
    key_type.size: key_type
    for key_type in (WorkingKeyType.AES_128, WorkingKeyType.AES_192, WorkingKeyType.AES_256)
}


class AESBDK:
    """An AES base derivation key, opened. It does not hand the key out, and does not pickle."""

    __slots__ = ("_key", "_type")

    def __init__(self, bdk: bytes) -> None:
        """Open `bdk`: 16, 24 or 32 bytes; KeySizeError for any other length."""
        self._type = _aes_type(bdk, "AES BDK")
        self._key = CipherKey(Cipher.AES, bdk)

    def __repr__(self) -> str:
        return f"<AESBDK: {self._type.size} bytes>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an opened key is not pickled or copied")

    def initial_key(self, initial_key_id: bytes) -> bytes:
        """
        Return the key a terminal starts with, as long as the BDK.

        Args:
            initial_key_id: 8 bytes, the left part of the KSN.

        Raises:
            DataSizeError: it has another length.

        Source: X9.24-3:2017, 6.3.1. Vectors: dukpt-aes.json.
        """
        if len(initial_key_id) != 8:
            raise DataSizeError(f"AES initial key id of {len(initial_key_id)} bytes: expected 8")
        return _derive(self._key, _INITIAL_KEY, self._type, initial_key_id)

    def derivation_key(self, ksn: bytes) -> bytes:
        """Return the intermediate derivation key of a transaction; `ksn` of 12 bytes."""
        _check_ksn(ksn)
        return aes_derivation_key(self.initial_key(ksn[:8]), ksn)

    def working_key(self, ksn: bytes, purpose: AESPurpose, key_type: WorkingKeyType) -> bytes:
        """
        Return the working key of a transaction for one purpose.

        Args:
            ksn: 12 bytes.
            purpose: usage indicator.
            key_type: kind and length of the result. They enter the derivation: an AES-128 key is
                not the beginning of the AES-256 key. TDES keys get no parity adjustment.

        Raises:
            DataSizeError: `ksn` has another length.
            KeyStrengthError: the key would be stronger than the BDK.

        Source: X9.24-3:2017, 6.3.1 and 6.3.2. Vectors: dukpt-aes.json.
        """
        if key_type.strength > self._type.strength:
            raise KeyStrengthError(f"{key_type} working key from an {self._type} BDK: stronger")
        key = CipherKey(Cipher.AES, self.derivation_key(ksn))
        return _derive(key, purpose, key_type, ksn[4:])


def aes_initial_key(bdk: bytes, initial_key_id: bytes) -> bytes:
    """Return the initial key of a terminal: see `AESBDK.initial_key`."""
    return AESBDK(bdk).initial_key(initial_key_id)


def aes_derivation_key(initial_key: bytes, ksn: bytes) -> bytes:
    """
    Return the intermediate derivation key of one transaction from the terminal's initial key.

    Args:
        initial_key: 16, 24 or 32 bytes.
        ksn: 12 bytes. A counter of zero gives the initial key itself, and one with more than 16
            ones, which no terminal sends, is followed (our choice).

    Raises:
        KeySizeError: `initial_key` has another length.
        DataSizeError: `ksn` has another length.

    Source: X9.24-3:2017, 6.3.3. Vectors: dukpt-aes.json.
    """
    key_type = _aes_type(initial_key, "AES initial key")
    _check_ksn(ksn)
    counter = int.from_bytes(ksn[8:])
    key, reached = initial_key, 0
    for bit in range(31, -1, -1):
        if counter >> bit & 1:
            reached |= 1 << bit
            context = ksn[4:8] + reached.to_bytes(4)
            key = _derive(CipherKey(Cipher.AES, key), _KEY_DERIVATION, key_type, context)
    return key


def _derive(key: CipherKey, usage: int, key_type: WorkingKeyType, context: bytes) -> bytes:
    """Return a key of `key_type`: enciphered derivation data, cut to length (6.3.1, 6.3.2)."""
    tail = usage.to_bytes(2) + key_type.code.to_bytes(2) + (key_type.size * 8).to_bytes(2) + context
    head = bytes([_VERSION])
    if key_type.size == 16:
        return key.encrypt_ecb(head + b"\x01" + tail)
    return key.encrypt_ecb(head + b"\x01" + tail + head + b"\x02" + tail)[: key_type.size]


def _aes_type(key: bytes, name: str) -> WorkingKeyType:
    key_type = _AES_BY_SIZE.get(len(key))
    if key_type is None:
        raise KeySizeError(f"{name} of {len(key)} bytes: expected 16, 24 or 32")
    return key_type


def _check_ksn(ksn: bytes) -> None:
    if len(ksn) != 12:
        raise DataSizeError(f"AES KSN of {len(ksn)} bytes: expected 12")

"""
DUKPT with a double-length TDES base key (ANSI X9.24-1:2009).

The key serial number (KSN) names the terminal and counts its transactions; the host derives from
it and the BDK the key the terminal has for this one transaction.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NoReturn

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.errors import DataSizeError, KeySizeError

__all__ = [
    "TDESBDK",
    "TDESPurpose",
    "tdes_initial_key",
    "tdes_transaction_key",
    "tdes_working_key",
]

_VARIANT_C = 0xC0C0C0C0_00000000_C0C0C0C0_00000000
_COUNTER_BITS = 21


class TDESPurpose(StrEnum):
    """What a working key is for, and its mask on the transaction key (X9.24-1:2009, table A-1)."""

    mask: int
    one_way: bool  # data keys are enciphered under themselves, so that none leads to another

    PIN = "PIN", 0xFF, False
    MAC_REQUEST = "MAC_REQUEST", 0xFF00, False
    MAC_RESPONSE = "MAC_RESPONSE", 0xFF000000, False
    DATA_REQUEST = "DATA_REQUEST", 0xFF0000, True
    DATA_RESPONSE = "DATA_RESPONSE", 0xFF00000000, True

    def __new__(cls, name: str, mask: int, one_way: bool) -> TDESPurpose:
        """Hang the mask, which is the same on both halves, on the member."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.mask = mask << 64 | mask
        member.one_way = one_way
        return member


class TDESBDK:
    """A TDES base derivation key, opened. It does not hand the key out, and does not pickle."""

    __slots__ = ("_left", "_right")

    def __init__(self, bdk: bytes) -> None:
        """Open `bdk`, 16 bytes; KeySizeError for any other length."""
        if len(bdk) != 16:
            raise KeySizeError(f"TDES BDK of {len(bdk)} bytes: expected 16")
        self._left = CipherKey(Cipher.TDES, bdk)
        self._right = CipherKey(Cipher.TDES, (int.from_bytes(bdk) ^ _VARIANT_C).to_bytes(16))

    def __repr__(self) -> str:
        return "<TDESBDK>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an opened key is not pickled or copied")

    def initial_key(self, ksn: bytes) -> bytes:
        """
        Return the 16 bytes a terminal starts with; its counter is not looked at.

        Args:
            ksn: 10 bytes, or the 8 without the leading FFFF.

        Raises:
            DataSizeError: `ksn` has another length.

        Source: X9.24-1:2009, A.6. Vectors: dukpt-tdes.json.
        """
        terminal = (_ksn_number(ksn) >> _COUNTER_BITS << (_COUNTER_BITS - 16)).to_bytes(8)
        return self._left.encrypt_ecb(terminal) + self._right.encrypt_ecb(terminal)

    def transaction_key(self, ksn: bytes) -> bytes:
        """Return the 16 bytes of the transaction's key, before any mask; `ksn` as above."""
        return tdes_transaction_key(self.initial_key(ksn), ksn)

    def working_key(self, ksn: bytes, purpose: TDESPurpose) -> bytes:
        """Return the 16 bytes of the working key for one purpose; `ksn` as above."""
        return tdes_working_key(self.transaction_key(ksn), purpose)


def tdes_initial_key(bdk: bytes, ksn: bytes) -> bytes:
    """Return the initial key (IK, IPEK) of a terminal: see `TDESBDK.initial_key`."""
    return TDESBDK(bdk).initial_key(ksn)


def tdes_transaction_key(initial_key: bytes, ksn: bytes) -> bytes:
    """
    Return the key of one transaction from the terminal's initial key.

    Args:
        initial_key: 16 bytes.
        ksn: 10 bytes, or the 8 without the leading FFFF. A counter of zero, which no terminal
            sends, gives the initial key itself (our choice); more than ten ones, which none
            sends either, are followed.

    Returns:
        16 bytes; PIN, MAC and data keys are made of it by `tdes_working_key`.

    Raises:
        KeySizeError: `initial_key` has another length.
        DataSizeError: `ksn` has another length.

    Source: X9.24-1:2009, A.2 and A.3. Vectors: dukpt-tdes.json.
    """
    if len(initial_key) != 16:
        raise KeySizeError(f"TDES initial key of {len(initial_key)} bytes: expected 16")
    serial = _ksn_number(ksn)
    counter = serial & ((1 << _COUNTER_BITS) - 1)
    register = (serial ^ counter) & ((1 << 64) - 1)
    key = int.from_bytes(initial_key)
    for bit in range(_COUNTER_BITS - 1, -1, -1):
        if counter >> bit & 1:
            register |= 1 << bit
            key = _next_half(key ^ _VARIANT_C, register) << 64 | _next_half(key, register)
    return key.to_bytes(16)


def tdes_working_key(transaction_key: bytes, purpose: TDESPurpose) -> bytes:
    """
    Return the working key a transaction key makes for one purpose; no parity adjustment.

    Source: X9.24-1:2009, A.4.1, table A-1. Vectors: dukpt-tdes.json.
    """
    if len(transaction_key) != 16:
        raise KeySizeError(f"TDES transaction key of {len(transaction_key)} bytes: expected 16")
    variant = (int.from_bytes(transaction_key) ^ purpose.mask).to_bytes(16)
    return CipherKey(Cipher.TDES, variant).encrypt_ecb(variant) if purpose.one_way else variant


def _next_half(key: int, register: int) -> int:
    """Return half a key from a whole one: single DES with the left half, around the right half."""
    right = key & ((1 << 64) - 1)
    left = CipherKey(Cipher.TDES, (key >> 64).to_bytes(8))
    return int.from_bytes(left.encrypt_ecb((register ^ right).to_bytes(8))) ^ right


def _ksn_number(ksn: bytes) -> int:
    if len(ksn) == 8:
        # The register is 80 bits; a shorter KSN is filled with ones on the left.
        return 0xFFFF << 64 | int.from_bytes(ksn)
    if len(ksn) != 10:
        raise DataSizeError(f"TDES KSN of {len(ksn)} bytes: expected 8 or 10")
    return int.from_bytes(ksn)

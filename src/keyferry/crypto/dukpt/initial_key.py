"""Initial keys: what a terminal is loaded with, from the BDK and the serial of the terminal."""

from __future__ import annotations

from typing import Final

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.errors import DataSizeError, KeySizeError

__all__ = ["aes_initial_key", "tdes_initial_key"]

_KSN_BYTES: Final = 10
_COUNTER_BITS: Final = 21
_INITIAL_KEY_ID_BYTES: Final = 8

# XORed into both halves of the BDK for the right half of the initial key (X9.24-1:2009, A.6).
_RIGHT_HALF_MASK: Final = int.from_bytes(bytes.fromhex("C0C0C0C000000000") * 2)

# Key usage "initial key" and the algorithms, as derivation data names them (X9.24-3:2017, 6.3.2).
_INITIAL_KEY_USAGE: Final = bytes.fromhex("8001")
_AES_ALGORITHM: Final = {16: 0x0002, 24: 0x0003, 32: 0x0004}


def tdes_initial_key(bdk: bytes, ksn: bytes) -> bytes:
    """
    Return the initial key of a TDES terminal.

    Args:
        bdk: 16 bytes, clear.
        ksn: 10 bytes; its 21 counter bits are ignored, so any KSN of the terminal will do.

    Returns:
        16 bytes, without parity adjustment.

    Raises:
        KeySizeError: the BDK has another length.
        DataSizeError: the KSN has another length.

    Source: ANSI X9.24-1:2009, A.6. Vectors: dukpt-tdes.json.
    """
    if len(bdk) != 16:
        raise KeySizeError(f"TDES BDK of {len(bdk)} bytes: expected 16")
    if len(ksn) != _KSN_BYTES:
        raise DataSizeError(f"TDES KSN of {len(ksn)} bytes: expected {_KSN_BYTES}")
    serial = (int.from_bytes(ksn) >> _COUNTER_BITS << _COUNTER_BITS).to_bytes(_KSN_BYTES)[:8]
    masked = (int.from_bytes(bdk) ^ _RIGHT_HALF_MASK).to_bytes(16)
    left = CipherKey(Cipher.TDES, bdk).encrypt_ecb(serial)
    return left + CipherKey(Cipher.TDES, masked).encrypt_ecb(serial)


def aes_initial_key(bdk: bytes, initial_key_id: bytes) -> bytes:
    """
    Return the initial key of an AES terminal; it has the size of the BDK.

    Args:
        bdk: 16, 24 or 32 bytes, clear.
        initial_key_id: 8 bytes: BDK id and derivation id, the left of the 12-byte KSN.

    Raises:
        KeySizeError: the BDK has another length.
        DataSizeError: the initial key id has another length.

    Source: ANSI X9.24-3:2017, 6.3. Vectors: dukpt-aes.json.
    """
    size = len(bdk)
    if size not in _AES_ALGORITHM:
        raise KeySizeError(f"AES BDK of {size} bytes: expected 16, 24 or 32")
    if len(initial_key_id) != _INITIAL_KEY_ID_BYTES:
        raise DataSizeError(
            f"initial key id of {len(initial_key_id)} bytes: expected {_INITIAL_KEY_ID_BYTES}"
        )
    # Version 01, block counter, usage, algorithm, bits of the key, and the id: one AES block each.
    kind = _AES_ALGORITHM[size].to_bytes(2) + (8 * size).to_bytes(2)
    blocks = b"".join(
        bytes([0x01, counter]) + _INITIAL_KEY_USAGE + kind + initial_key_id
        for counter in range(1, -(-size // 16) + 1)
    )
    return CipherKey(Cipher.AES, bdk).encrypt_ecb(blocks)[:size]

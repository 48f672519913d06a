"""
Cipher and output feedback (CFB, OFB): block ciphers as stream ciphers (NIST SP 800-38A, 6.3, 6.4).

Data of any length comes out as long as it went in; of the last key stream block only what is
needed is used. The library has all of these but CFB of one bit.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from cryptography.hazmat.decrepit.ciphers.modes import CFB, CFB8, OFB

from keyferry.crypto.ciphers import CipherKey
from keyferry.errors import DataSizeError


class FeedbackMode(StrEnum):
    """How much of a block is fed back."""

    CFB = "CFB"  # a whole block: CFB64 with TDES, CFB128 with AES
    CFB8 = "CFB8"  # a byte
    CFB1 = "CFB1"  # a bit, the most significant of each byte first
    OFB = "OFB"  # a whole block, of the key stream instead of the ciphertext


_MODES: dict[FeedbackMode, Callable[[bytes], CFB | CFB8 | OFB]] = {
    FeedbackMode.CFB: CFB,
    FeedbackMode.CFB8: CFB8,
    FeedbackMode.OFB: OFB,
}


def encrypt_feedback(key: CipherKey, mode: FeedbackMode, data: bytes, iv: bytes) -> bytes:
    """
    Encrypt any number of bytes.

    Args:
        key: TDES or AES.
        mode: CFB1 costs an encryption a bit, a hundred times what the others cost.
        data: of any length.
        iv: one block, also for the modes that feed back less.

    Raises:
        DataSizeError: `iv` is not one block.

    Source: NIST SP 800-38A, 6.3 and 6.4, appendices F.3 and F.4.
    """
    _check_iv(key, iv)
    if mode is FeedbackMode.CFB1:
        return _encrypt_cfb1(key, data, iv)
    context = key.fresh_encryptor(_MODES[mode](iv))
    return context.update(data) + context.finalize()


def decrypt_feedback(key: CipherKey, mode: FeedbackMode, data: bytes, iv: bytes) -> bytes:
    """Decrypt any number of bytes; the inverse of `encrypt_feedback`."""
    _check_iv(key, iv)
    if mode is FeedbackMode.CFB1:
        return _decrypt_cfb1(key, data, iv)
    context = key.fresh_decryptor(_MODES[mode](iv))
    return context.update(data) + context.finalize()


def _encrypt_cfb1(key: CipherKey, data: bytes, iv: bytes) -> bytes:
    size, encrypt = key.block_size, key.encrypt_ecb
    mask = (1 << 8 * size) - 1
    register, clear, out = int.from_bytes(iv), int.from_bytes(data), 0
    for position in range(8 * len(data) - 1, -1, -1):
        # The bit that goes in is the one of the ciphertext.
        bit = encrypt(register.to_bytes(size))[0] >> 7 ^ clear >> position & 1
        register = (register << 1 | bit) & mask
        out = out << 1 | bit
    return out.to_bytes(len(data))


def _decrypt_cfb1(key: CipherKey, data: bytes, iv: bytes) -> bytes:
    """All registers are known beforehand, so that one call encrypts them."""
    size, bits = key.block_size, 8 * len(data)
    mask = (1 << 8 * size) - 1
    history = int.from_bytes(iv + data)
    registers = b"".join(
        (history >> (bits - position) & mask).to_bytes(size) for position in range(bits)
    )
    stream = key.encrypt_ecb(registers)
    key_bits = int("".join("01"[byte >> 7] for byte in stream[::size]) or "0", 2)
    return (int.from_bytes(data) ^ key_bits).to_bytes(len(data))


def _check_iv(key: CipherKey, iv: bytes) -> None:
    if len(iv) != key.block_size:
        raise DataSizeError(f"{key.cipher.name} IV of {len(iv)} bytes: expected {key.block_size}")

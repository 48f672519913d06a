"""
Key check values: a few bytes that tell whether two parties hold the same key.

Shown in hex, usually three bytes. Which method belongs to which key is the business of `keys`.
"""

from __future__ import annotations

import hashlib
import hmac

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.errors import DataSizeError, KeySizeError, UnsupportedAlgorithmError

__all__ = ["aes_legacy_kcv", "cmac_kcv", "hmac_kcv", "public_key_kcv", "tdes_kcv"]

_HMAC_HASHES = {
    "SHA224": hashlib.sha224,
    "SHA256": hashlib.sha256,
    "SHA384": hashlib.sha384,
    "SHA512": hashlib.sha512,
}


def tdes_kcv(key: bytes, *, size: int = 3) -> bytes:
    """
    Return the legacy check value of a TDES key.

    Args:
        key: 8, 16 or 24 bytes, clear; parity bits are not checked.
        size: bytes wanted, 1 to 8.

    Returns:
        The leftmost bytes of 8 zero bytes enciphered with the key.

    Raises:
        KeySizeError: `key` has another length.
        DataSizeError: `size` is out of range.

    Source: ANSI X9.24-1-2017, Annex A. Vectors: kcv.json.
    """
    return _left(CipherKey(Cipher.TDES, key).encrypt_ecb(bytes(8)), size)


def aes_legacy_kcv(key: bytes, *, size: int = 3) -> bytes:
    """
    Return the check value older HSMs show for an AES key: E(zero block), leftmost bytes.

    Args:
        key: 16, 24 or 32 bytes, clear.
        size: bytes wanted, 1 to 16.

    Raises:
        KeySizeError: `key` has another length.
        DataSizeError: `size` is out of range.
    """
    return _left(CipherKey(Cipher.AES, key).encrypt_ecb(bytes(16)), size)


def cmac_kcv(cipher: Cipher, key: bytes, *, size: int = 3) -> bytes:
    """
    Return the leftmost bytes of the CMAC of one zero block.

    Args:
        cipher: AES as a rule; TDES when a caller asks for it.
        key: clear key of that cipher.
        size: bytes wanted, at most one block.

    Raises:
        KeySizeError: `key` has a length the cipher does not know.
        DataSizeError: `size` is out of range.

    Source: ANSI X9.24-1-2017, Annex A. Vectors: kcv.json.
    """
    return _left(CipherKey(cipher, key).cmac(bytes(cipher.block_size)), size)


def hmac_kcv(key: bytes, hash_name: str, *, size: int = 3) -> bytes:
    """
    Return the leftmost bytes of the HMAC of the empty message.

    Args:
        key: any number of bytes but none, clear.
        hash_name: the key's hash: SHA224, SHA256, SHA384 or SHA512; SHA_256 is the same.
        size: bytes wanted, at most one digest.

    Raises:
        KeySizeError: `key` is empty.
        UnsupportedAlgorithmError: `hash_name` is none of the four.
        DataSizeError: `size` is out of range.

    Source: as the AWS sample code computes it. Vectors: kcv.json.
    """
    digest = _HMAC_HASHES.get(hash_name.replace("_", ""))
    if digest is None:
        raise UnsupportedAlgorithmError(
            f"HMAC hash {hash_name[:20]!r}: expected one of {', '.join(_HMAC_HASHES)}"
        )
    if not key:
        raise KeySizeError("HMAC key of 0 bytes: expected at least 1")
    return _left(hmac.digest(key, b"", digest), size)


def public_key_kcv(public_key_der: bytes) -> bytes:
    """
    Return the check value of an RSA or EC key: 4 bytes.

    Args:
        public_key_der: the DER SubjectPublicKeyInfo. What exactly is hashed is not published;
            this is our choice.
    """
    return hashlib.sha1(public_key_der, usedforsecurity=False).digest()[:4]


def _left(value: bytes, size: int) -> bytes:
    if not 1 <= size <= len(value):
        raise DataSizeError(f"check value of {size} bytes: expected 1 to {len(value)}")
    return value[:size]

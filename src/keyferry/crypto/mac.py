"""Message authentication codes of payment messages: ISO/IEC 9797-1, CMAC, HMAC, AS2805."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import NoReturn

from keyferry.crypto.ciphers import CipherKey
from keyferry.crypto.padding import Padding, pad
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import (
    DataSizeError,
    KeySizeError,
    MACVerificationError,
    UnsupportedAlgorithmError,
)

__all__ = ["HMACKey", "as2805_mac", "cbc_mac", "cmac", "retail_mac", "verify_mac"]

_ZERO_BLOCK = bytes(16)
_MAC_MINIMUM = 4  # bytes; ISO 16609 and the API go no lower
_HASHES: dict[str, Callable[..., hashlib._Hash]] = {
    "SHA224": hashlib.sha224,
    "SHA256": hashlib.sha256,
    "SHA384": hashlib.sha384,
    "SHA512": hashlib.sha512,
}


def cbc_mac(key: CipherKey, data: bytes, *, padding: Padding = Padding.METHOD_1) -> bytes:
    """
    Return the MAC of ISO/IEC 9797-1 algorithm 1: the last block of CBC with the whole key.

    Args:
        key: TDES (single DES only as an 8-byte `CipherKey`), or AES.
        data: any bytes; whole blocks, at least one, with `Padding.NONE`.
        padding: how `data` becomes whole blocks.

    Returns:
        One block; the caller keeps the leftmost bytes.

    Raises:
        DataSizeError: `data` is not whole blocks, and nothing pads it.

    Source: ISO/IEC 9797-1:2011, 7.2; X9.9. Vectors: mac.json.
    """
    block_size = key.block_size
    padded = _padded(data, padding, block_size)
    if len(padded) == block_size:
        return key.encrypt_ecb(padded)
    return key.encrypt_cbc(padded, _ZERO_BLOCK[:block_size])[-block_size:]


def retail_mac(key: TDESKey, data: bytes, *, padding: Padding = Padding.METHOD_1) -> bytes:
    """
    Return the MAC of ISO/IEC 9797-1 algorithm 3, the retail MAC of X9.19.

    Args:
        key: 16 or 24 bytes; K3 is K1 in a double-length key.
        data: any bytes; whole blocks, at least one, with `Padding.NONE`.
        padding: how `data` becomes whole blocks.

    Returns:
        8 bytes; the caller keeps the leftmost bytes.

    Raises:
        DataSizeError: `data` is not whole blocks, and nothing pads it.

    Source: ISO/IEC 9797-1:2011, 7.4. Vectors: mac.json.
    """
    padded = _padded(data, padding, 8)
    if len(padded) == 8:
        return key.encrypt_ecb(padded)
    # The output transformation e_K3(d_K2(·)) after the last e_K1 is the whole TDES on that block.
    chained = key.first.encrypt_cbc(padded[:-8], _ZERO_BLOCK[:8])
    last = int.from_bytes(chained[-8:]) ^ int.from_bytes(padded[-8:])
    return key.encrypt_ecb(last.to_bytes(8))


def cmac(key: CipherKey, data: bytes) -> bytes:
    """Return the CMAC of `data`, one block (NIST SP 800-38B, 6.2). Vectors: mac.json."""
    return key.cmac(data)


def as2805_mac(key: TDESKey, data: bytes) -> bytes:
    """Return the 4 bytes of an AS 2805.4.1 MAC: retail MAC, zero padding, left half."""
    return retail_mac(key, data)[:4]


class HMACKey:
    """An HMAC key with its hash (RFC 2104, FIPS 198-1). Shared between threads freely."""

    __slots__ = ("_hash", "_key", "hash_name", "size")

    def __init__(self, key: bytes, hash_name: str) -> None:
        """
        Open a key.

        Args:
            key: at least one byte.
            hash_name: SHA224, SHA256, SHA384 or SHA512; `SHA_256`, as the API writes it, is the
                same.

        Raises:
            UnsupportedAlgorithmError: the hash is none of them.
            KeySizeError: `key` is empty.
        """
        hash_name = hash_name.replace("_", "")
        if hash_name not in _HASHES:
            raise UnsupportedAlgorithmError(
                f"HMAC hash {hash_name[:20]!r}: expected one of {', '.join(_HASHES)}"
            )
        if not key:
            raise KeySizeError("HMAC key of 0 bytes: expected at least 1")
        self._key = bytes(key)
        self._hash = _HASHES[hash_name]
        self.hash_name = hash_name
        self.size = len(key)  # bytes

    def __repr__(self) -> str:
        return f"<HMACKey: {self.hash_name}, {self.size} bytes>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an opened key is not pickled or copied")

    def mac(self, data: bytes) -> bytes:
        """Return the HMAC of `data`, a whole digest. Vectors: mac.json."""
        return hmac.digest(self._key, data, self._hash)


def verify_mac(computed: bytes, mac: bytes) -> None:
    """
    Raise MACVerificationError unless `mac` is the left part of `computed`.

    Args:
        computed: the whole MAC, made here from the message.
        mac: what arrived with the message: 4 bytes at least, so that nobody verifies against
            nothing, and at most all of them.

    Raises:
        DataSizeError: `mac` has a length no MAC of this algorithm has.
    """
    if not _MAC_MINIMUM <= len(mac) <= len(computed):
        raise DataSizeError(f"MAC of {len(mac)} bytes: expected {_MAC_MINIMUM} to {len(computed)}")
    if not hmac.compare_digest(computed[: len(mac)], mac):
        raise MACVerificationError("MAC verification failed")


def _padded(data: bytes, padding: Padding, block_size: int) -> bytes:
    padded = pad(data, padding, block_size=block_size)
    if not padded or len(padded) % block_size:
        raise DataSizeError(
            f"MAC data of {len(data)} bytes: expected whole blocks of {block_size}, at least one"
        )
    return padded

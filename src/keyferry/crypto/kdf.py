"""From an agreed secret to a key: the two derivation functions of the ECDH flows."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF

from keyferry.crypto.digests import digest_named
from keyferry.errors import DataSizeError, KeySizeError

__all__ = ["KeyDerivationFunction", "derive_key"]

# Far above any key, far below what a mistaken size would cost.
_LONGEST_KEY: Final = 1024


class KeyDerivationFunction(StrEnum):
    """The order in which Z and the counter are hashed, under the API's names."""

    NIST_SP800 = "NIST_SP800"  # H(counter ‖ Z ‖ info): SP 800-56A/C one-step, despite the name
    ANSI_X963 = "ANSI_X963"  # H(Z ‖ counter ‖ info)


def derive_key(
    z: bytes, *, kdf: KeyDerivationFunction, hash_name: str, shared_info: bytes, size: int
) -> bytes:
    """
    Derive a key from the shared secret of a key agreement.

    Args:
        z: the shared secret, at the full width of the curve.
        kdf: which function.
        hash_name: SHA256, SHA384 or SHA512.
        shared_info: the bytes both sides agreed on, which the API shows in hex; may be empty.
            Nothing is put before or behind them.
        size: bytes wanted, 1 to 1024.

    Returns:
        The leftmost `size` bytes, without parity adjustment.

    Raises:
        UnsupportedAlgorithmError: another hash.
        KeySizeError: `size` out of range.
        DataSizeError: `z` is empty.

    Source: NIST SP 800-56C r2, 4.1 (hash option); ANSI X9.63, 5.6.3. Vectors: ecdh-kdf.json.
    """
    if not 1 <= size <= _LONGEST_KEY:
        raise KeySizeError(f"derived key of {size} bytes: expected 1 to {_LONGEST_KEY}")
    if not z:
        raise DataSizeError("shared secret of 0 bytes: expected the x coordinate")
    digest = digest_named(hash_name)
    if kdf is KeyDerivationFunction.NIST_SP800:
        return ConcatKDFHash(digest, size, shared_info).derive(z)
    return X963KDF(digest, size, shared_info).derive(z)

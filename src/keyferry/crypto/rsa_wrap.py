"""RSA key cryptograms: a bare key under RSA-OAEP, one hash for label and MGF1, empty label."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import padding, rsa

from keyferry.crypto.digests import digest_named
from keyferry.errors import KeySizeError, RSADecryptionError

__all__ = ["unwrap_oaep", "wrap_oaep"]


def wrap_oaep(public_key: rsa.RSAPublicKey, key: bytes, hash_name: str) -> bytes:
    """
    Wrap a clear key; whether the RSA key is strong enough for it is a rule of `keys`.

    Args:
        public_key: the receiver's.
        key: 1 byte or more, and at most what OAEP has room for.
        hash_name: SHA256, SHA384 or SHA512.

    Returns:
        As many bytes as the modulus has.

    Raises:
        KeySizeError: the key is empty or does not fit.
        UnsupportedAlgorithmError: another hash.

    Source: RFC 8017, 7.1.1.
    """
    digest = digest_named(hash_name)
    room = (public_key.key_size + 7) // 8 - 2 * digest.digest_size - 2
    if not 0 < len(key) <= room:
        raise KeySizeError(
            f"key of {len(key)} bytes: expected 1 to {max(room, 0)} for RSA of"
            f" {public_key.key_size} bits and {digest.name}"
        )
    return public_key.encrypt(key, _oaep(hash_name))


def unwrap_oaep(private_key: rsa.RSAPrivateKey, cryptogram: bytes, hash_name: str) -> bytes:
    """
    Unwrap a key cryptogram. Nothing says who made it: anyone can wrap for a public key.

    Returns:
        The clear key; its length is for the caller to check.

    Raises:
        RSADecryptionError: another key, another hash, or a changed cryptogram.
        UnsupportedAlgorithmError: another hash name.

    Source: RFC 8017, 7.1.2. Vectors: rsa-wrap.json.
    """
    oaep = _oaep(hash_name)
    try:
        key = private_key.decrypt(cryptogram, oaep)
    except ValueError:
        # `from None`: the library's words could tell a wrong length from a wrong padding.
        raise RSADecryptionError("RSA cryptogram does not open") from None
    if not key:
        raise RSADecryptionError("RSA cryptogram does not open")
    return key


def _oaep(hash_name: str) -> padding.OAEP:
    digest = digest_named(hash_name)
    return padding.OAEP(mgf=padding.MGF1(digest), algorithm=digest, label=None)

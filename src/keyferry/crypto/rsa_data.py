"""RSA on data: PKCS #1 v1.5, OAEP, and without padding, for who has padded already."""

from __future__ import annotations

import secrets
from enum import StrEnum

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from keyferry.errors import DataSizeError, RSADecryptionError


class RSAPadding(StrEnum):
    """How data becomes a number below the modulus (RFC 8017, 7), by the API's names."""

    PKCS1 = "PKCS1"
    OAEP_SHA1 = "OAEP_SHA1"  # the same hash for the label, which is empty, and MGF1
    OAEP_SHA256 = "OAEP_SHA256"
    OAEP_SHA512 = "OAEP_SHA512"


_OAEP_HASHES: dict[RSAPadding, hashes.HashAlgorithm] = {
    RSAPadding.OAEP_SHA1: hashes.SHA1(),  # noqa: S303 (of OAEP, where collisions do not matter)
    RSAPadding.OAEP_SHA256: hashes.SHA256(),
    RSAPadding.OAEP_SHA512: hashes.SHA512(),
}


def rsa_encrypt(public_key: rsa.RSAPublicKey, data: bytes, rsa_padding: RSAPadding | None) -> bytes:
    """
    Encrypt for the owner of a key.

    Args:
        public_key: of any size.
        data: at most what the padding leaves room for.
        rsa_padding: None takes `data` as the number itself, big-endian.

    Returns:
        As many bytes as the modulus has.

    Raises:
        DataSizeError: `data` has no room, or is no number below the modulus.

    Source: RFC 8017, 5.1.1, 7.1.1 and 7.2.1.
    """
    size = _modulus_bytes(public_key)
    if rsa_padding is None:
        numbers = public_key.public_numbers()
        value = _number_below(numbers.n, data)
        return pow(value, numbers.e, numbers.n).to_bytes(size)
    room = size - 11
    if rsa_padding is not RSAPadding.PKCS1:
        room = size - 2 * _OAEP_HASHES[rsa_padding].digest_size - 2
    if len(data) > room:
        raise DataSizeError(f"RSA data of {len(data)} bytes: expected at most {max(room, 0)}")
    return public_key.encrypt(data, _scheme(rsa_padding))


def rsa_decrypt(
    private_key: rsa.RSAPrivateKey, data: bytes, rsa_padding: RSAPadding | None
) -> bytes:
    """
    Decrypt; the inverse of `rsa_encrypt`.

    Without padding, all bytes of the modulus come back. With PKCS #1 v1.5 the library answers a
    wrong padding with made-up data instead of an error, so that nobody can ask it (implicit
    rejection): what comes back is not proof that it was encrypted.

    Raises:
        DataSizeError: `data` is not as long as the modulus.
        RSADecryptionError: it does not open. Why is not told.

    Source: RFC 8017, 5.1.2, 7.1.2 and 7.2.2.
    """
    size = _modulus_bytes(private_key)
    if len(data) != size:
        raise DataSizeError(f"RSA ciphertext of {len(data)} bytes: expected {size}")
    if rsa_padding is None:
        return _decrypt_number(private_key, data).to_bytes(size)
    try:
        return private_key.decrypt(data, _scheme(rsa_padding))
    except ValueError:
        # `from None`: the library's words could tell a number too large from a wrong padding.
        raise RSADecryptionError("RSA ciphertext does not decrypt") from None


def _decrypt_number(private_key: rsa.RSAPrivateKey, data: bytes) -> int:
    """
    Raise to the private exponent, which the library does not do without padding.

    Python's arithmetic takes as long as its numbers make it, so it works on a blinded number: the
    time says nothing about `data`, or about the key in relation to it.
    """
    numbers = private_key.private_numbers()
    public = numbers.public_numbers
    value = int.from_bytes(data)
    if value >= public.n:
        raise RSADecryptionError("RSA ciphertext does not decrypt")
    while True:
        blind = secrets.randbelow(public.n - 2) + 2
        try:
            unblind = pow(blind, -1, public.n)
        except ValueError:  # shares a factor with the modulus: never, in practice
            continue
        break
    blinded = value * pow(blind, public.e, public.n) % public.n
    # Chinese remainders (RFC 8017, 5.1.2, step 2b): a quarter of the work.
    first = pow(blinded, numbers.dmp1, numbers.p)
    second = pow(blinded, numbers.dmq1, numbers.q)
    difference = (first - second) * numbers.iqmp % numbers.p
    return (second + numbers.q * difference) * unblind % public.n


def _number_below(modulus: int, data: bytes) -> int:
    value = int.from_bytes(data)
    if value >= modulus:
        raise DataSizeError("RSA data without padding: expected a number below the modulus")
    return value


def _modulus_bytes(key: rsa.RSAPublicKey | rsa.RSAPrivateKey) -> int:
    return (key.key_size + 7) // 8


def _scheme(rsa_padding: RSAPadding) -> padding.PKCS1v15 | padding.OAEP:
    if rsa_padding is RSAPadding.PKCS1:
        return padding.PKCS1v15()
    digest = _OAEP_HASHES[rsa_padding]
    return padding.OAEP(mgf=padding.MGF1(digest), algorithm=digest, label=None)

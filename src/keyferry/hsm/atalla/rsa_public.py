"""The clear key field of an RSA public key: exponent and modulus, each after its length."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from keyferry.errors import MalformedKeyBlockError

_LENGTH_BYTES: Final = 2
PUBLIC_EXPONENT: Final = 65537


def encode_public_key(key: rsa.RSAPublicKey) -> bytes:
    """Return the key field: for RSA-2048 and 65537 `0003 010001 0100 <modulus>`."""
    numbers = key.public_numbers()
    return b"".join(
        len(part).to_bytes(_LENGTH_BYTES, "big") + part
        for part in (unsigned(numbers.e), unsigned(numbers.n))
    )


def decode_public_key(key_field: bytes) -> rsa.RSAPublicKey:
    """
    Read a key field; what follows the modulus is refused.

    Raises:
        MalformedKeyBlockError: its lengths disagree, or the numbers make no RSA key.
    """
    exponent, rest = _take(key_field, 0, "exponent")
    modulus, rest = _take(rest, len(key_field) - len(rest), "modulus")
    if rest:
        raise MalformedKeyBlockError(
            "AKB public key", offset=len(key_field) - len(rest), expected="nothing more"
        )
    return public_key_of(exponent, modulus)


def public_key_of(exponent: bytes, modulus: bytes) -> rsa.RSAPublicKey:
    """
    Return the RSA public key of two big-endian numbers.

    Raises:
        MalformedKeyBlockError: they make no RSA key.
    """
    try:
        return rsa.RSAPublicNumbers(
            int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big")
        ).public_key()
    except ValueError:
        raise MalformedKeyBlockError(
            "AKB public key", offset=0, expected="an RSA exponent and modulus"
        ) from None


def unsigned(number: int) -> bytes:
    """Return a number in as few bytes as it needs."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _take(data: bytes, offset: int, name: str) -> tuple[bytes, bytes]:
    size = int.from_bytes(data[:_LENGTH_BYTES], "big")
    rest = data[_LENGTH_BYTES:]
    if len(data) < _LENGTH_BYTES or not 0 < size <= len(rest):
        raise MalformedKeyBlockError(
            f"AKB public key {name}", offset=offset, expected="a length and as many bytes"
        )
    return rest[:size], rest[size:]

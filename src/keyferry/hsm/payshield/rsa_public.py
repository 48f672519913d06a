"""
RSA public keys as payShield writes them: PKCS#1 `SEQUENCE {INTEGER n, INTEGER e}`.

Encoding 01 writes integers unsigned, which is not DER when the top bit is set; 02 is DER.
Sources: docs/evidence.md.
"""

from __future__ import annotations

from keyferry.errors import HSMFrameError
from keyferry.hsm.fields import element_size

UNSIGNED = "01"
TWOS_COMPLEMENT = "02"


def read_public_key(der: bytes) -> tuple[int, int]:
    """
    Return modulus and exponent of a public key in either encoding.

    Raises:
        HSMFrameError: the bytes are not a sequence of two integers.
    """
    body = _content(der, 0x30)
    if body is None:
        raise _not_a_key(0)
    size = element_size(body)
    modulus = None if size is None else _content(body[:size], 0x02)
    exponent = None if size is None else _content(body[size:], 0x02)
    if not modulus or not exponent or not any(modulus) or not any(exponent):
        raise _not_a_key(len(der) - len(body))
    # Unsigned reading serves both encodings: a leading zero byte changes nothing.
    return int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big")


def modulus_bits(der: bytes) -> int:
    """Return the length of a public key's modulus in bits."""
    return read_public_key(der)[0].bit_length()


def encode_public_key(modulus: int, exponent: int, encoding: str) -> bytes:
    """Write a public key in encoding `01` (unsigned) or `02` (DER)."""
    body = _integer(modulus, encoding) + _integer(exponent, encoding)
    return _element(0x30, body)


def variant_private_bytes(bits: int) -> int:
    """
    Return the bytes of an RSA private key under a variant LMK.

    RSA-2048 has 656 as captured: five parts of half the modulus and 16 bytes more; other sizes
    follow the same rule, filled up to the 8-byte block (inferred).
    """
    half = (bits + 15) // 16
    return -(-(5 * half + 16) // 8) * 8


def _integer(number: int, encoding: str) -> bytes:
    size = (number.bit_length() + 7) // 8
    raw = number.to_bytes(size, "big")
    if encoding == TWOS_COMPLEMENT and raw[0] & 0x80:
        raw = b"\x00" + raw
    return _element(0x02, raw)


def _element(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def _content(element: bytes, tag: int) -> bytes | None:
    size = element_size(element)
    if size is None or size != len(element) or element[0] != tag:
        return None
    head = 2 if element[1] < 0x80 else 2 + (element[1] & 0x7F)
    return element[head:]


def _not_a_key(offset: int) -> HSMFrameError:
    return HSMFrameError(
        f"public key at offset {offset}: expected a sequence of two integers",
        field="public_key",
        offset=offset,
    )

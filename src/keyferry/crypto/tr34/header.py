"""What a token's key block header must be, and what may travel under it."""

from __future__ import annotations

from typing import Final

from keyferry.crypto.keyblock import Algorithm, KeyBlockHeader
from keyferry.crypto.tr34.layouts import ContentCipher
from keyferry.errors import (
    KeyBlockError,
    KeySizeError,
    KeyStrengthError,
    MalformedTokenError,
    UnsupportedAlgorithmError,
)

KEY_BYTES: Final = {Algorithm.TDES: (16, 24), Algorithm.AES: (16, 24, 32)}

# Version letter and length mean nothing in a token, and senders write what they like (D9999,
# A0256). B has the smallest alignment of optional blocks, so it reads what any version may hold.
_FORMAL: Final = "B0000"


def parse_header(header: str, *, offset: int = 0) -> KeyBlockHeader:
    """
    Parse a token's key block header; its version and length are ignored, and come back as B and 0.

    `offset` is where the header stands in the token, for errors.

    Raises:
        MalformedTokenError: not 16 characters of a header, or optional blocks that do not end
            exactly with the text.
    """
    expected = "16 characters or whole optional blocks behind them"
    try:
        parsed, end = KeyBlockHeader.read(_FORMAL + header[len(_FORMAL) :])
    except KeyBlockError as error:
        raise MalformedTokenError(
            "key block header", offset=offset, expected=f"{expected} ({error})"
        ) from None
    if end != len(header):
        raise MalformedTokenError("key block header", offset=offset + end, expected=expected)
    return parsed


def check_header(header: str, *, key_bytes: int, offset: int = 0) -> Algorithm:
    """
    Check a header and that a key of `key_bytes` fits it; return its algorithm.

    Raises:
        MalformedTokenError: as `parse_header`.
        UnsupportedAlgorithmError: a key that is neither TDES nor AES; TR-34 carries no other here.
        KeySizeError: TDES not of 16 or 24 bytes, AES not of 16, 24 or 32.
    """
    algorithm = parse_header(header, offset=offset).algorithm
    sizes = KEY_BYTES.get(algorithm)
    if sizes is None:
        raise UnsupportedAlgorithmError(
            f"TR-34 key block header algorithm {algorithm}: expected T or A"
        )
    if key_bytes not in sizes:
        raise KeySizeError(
            f"key of {key_bytes} bytes under a TR-34 header of algorithm {algorithm}: "
            f"expected {' or '.join(map(str, sizes))}"
        )
    return algorithm


def check_content_cipher(algorithm: Algorithm, content_cipher: ContentCipher) -> None:
    """
    Check that a key does not travel under a weaker content key.

    TDES keys may go under AES-128. Whether AES-192 and AES-256 keys may go under AES-128 and RSA,
    and how strong the KRD's RSA key must be, is policy, and `keyferry.keys.check_strength` has it.

    Raises:
        KeyStrengthError: an AES key under a TDES content key.
    """
    if algorithm is Algorithm.AES and content_cipher is ContentCipher.TDES:
        raise KeyStrengthError("AES key in a TR-34 envelope under TDES: expected aes128-cbc")

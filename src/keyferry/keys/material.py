"""Bytes that make a key: generated ones, and the check of those that arrive."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable

from keyferry.crypto.components import odd_parity
from keyferry.errors import KeyMaterialError
from keyferry.keys.algorithms import KeyAlgorithm

# An HMAC key shorter than 112 bits is weaker than the weakest key the service holds.
HMAC_MINIMUM_BYTES = 14
_TDES_PART_BYTES = 8
_ATTEMPTS = 16


def generate_material(
    algorithm: KeyAlgorithm, random_bytes: Callable[[int], bytes] = os.urandom
) -> bytes:
    """
    Make a fresh symmetric key.

    TDES keys have odd parity and parts that all differ; HMAC keys are as long as their hash.

    Args:
        algorithm: TDES, AES or HMAC.
        random_bytes: source of randomness, called with a number of bytes.

    Raises:
        KeyAttributesError: the algorithm is asymmetric.
        KeyMaterialError: the source of randomness keeps repeating itself.
    """
    size = algorithm.size_bytes
    if not algorithm.is_tdes:
        return random_bytes(size)
    for _ in range(_ATTEMPTS):
        key = odd_parity(random_bytes(size))
        parts = tdes_parts(key)
        if len(set(parts)) == len(parts):
            return key
    raise KeyMaterialError("the source of randomness repeats itself")


def tdes_parts(key: bytes) -> list[bytes]:
    """The 8-byte parts of a TDES key with odd parity set, so that equal DES keys compare equal."""
    adjusted = odd_parity(key)
    return [adjusted[i : i + _TDES_PART_BYTES] for i in range(0, len(adjusted), _TDES_PART_BYTES)]


def check_material(algorithm: KeyAlgorithm, material: bytes) -> None:
    """
    Refuse bytes that are no key of a symmetric algorithm.

    TDES parity is neither required nor changed. A TDES key whose first and second, or second and
    third part are the same DES key is single DES (encrypt and decrypt cancel), which no check
    value shows; it is refused here.

    Raises:
        KeyAttributesError: the algorithm is asymmetric.
        KeyMaterialError: the length does not fit, or the key is degenerate.
    """
    size = algorithm.size_bytes
    if algorithm.is_hmac:
        if len(material) < HMAC_MINIMUM_BYTES:
            raise KeyMaterialError(
                f"{algorithm} key of {len(material)} bytes: expected at least {HMAC_MINIMUM_BYTES}"
            )
        return
    if len(material) != size:
        raise KeyMaterialError(f"{algorithm} key of {len(material)} bytes: expected {size}")
    if algorithm.is_tdes:
        parts = tdes_parts(material)
        if any(left == right for left, right in itertools.pairwise(parts)):
            raise KeyMaterialError(f"degenerate {algorithm} key: two parts are the same DES key")

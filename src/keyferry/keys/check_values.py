"""The check value of a key, as the API shows it."""

from __future__ import annotations

from enum import StrEnum

from keyferry.crypto.check_values import (
    aes_legacy_kcv,
    cmac_kcv,
    hmac_kcv,
    public_key_kcv,
    tdes_kcv,
)
from keyferry.errors import KeyAttributesError
from keyferry.keys.algorithms import KeyAlgorithm


class CheckValueMethod(StrEnum):
    """How a check value is made (API: KeyCheckValueAlgorithm)."""

    ANSI_X9_24 = "ANSI_X9_24"  # one block of zeros, enciphered
    CMAC = "CMAC"  # CMAC of one block of zeros
    HMAC = "HMAC"  # HMAC of the empty message with the key's own hash
    SHA_1 = "SHA_1"  # SHA-1 of the public key


def key_check_value(
    algorithm: KeyAlgorithm, material: bytes, method: str | None = None
) -> tuple[str, str]:
    """
    Compute the check value of a key and name the method it was made by.

    Args:
        algorithm: of the key.
        material: the clear symmetric key, or the DER SubjectPublicKeyInfo of an asymmetric one.
        method: the caller's wish by its API name; None is the algorithm's default. It is ignored
            for asymmetric keys, as clients send any value when they import a certificate.

    Returns:
        Upper-case hex (6 characters, 8 for asymmetric keys), and the API name of the method.

    Raises:
        KeyAttributesError: the method does not go with the algorithm.

    Source: ANSI X9.24-1-2017, Annex A; CMAC and HMAC forms as the service documents them.
    """
    if not algorithm.is_symmetric:
        return public_key_kcv(material).hex().upper(), CheckValueMethod.SHA_1.value
    chosen = _default(algorithm) if method is None else _member(method)
    cipher, hash_name = algorithm.cipher, algorithm.hash_name
    if cipher is not None and chosen is CheckValueMethod.CMAC:
        value = cmac_kcv(cipher, material)
    elif cipher is not None and chosen is CheckValueMethod.ANSI_X9_24:
        value = tdes_kcv(material) if algorithm.is_tdes else aes_legacy_kcv(material)
    elif hash_name is not None and chosen is CheckValueMethod.HMAC:
        value = hmac_kcv(material, hash_name)
    else:
        raise KeyAttributesError(f"KeyCheckValueAlgorithm: {chosen} is not valid for {algorithm}")
    return value.hex().upper(), chosen.value


def check_value_method(algorithm: KeyAlgorithm, method: str | None) -> None:
    """
    Refuse a method that does not go with the algorithm, before there is a key.

    Raises:
        KeyAttributesError: as for `key_check_value`.
    """
    if method is None or not algorithm.is_symmetric:
        return
    chosen = _member(method)
    allowed = (
        {CheckValueMethod.HMAC}
        if algorithm.is_hmac
        else {CheckValueMethod.CMAC, CheckValueMethod.ANSI_X9_24}
    )
    if chosen not in allowed:
        raise KeyAttributesError(f"KeyCheckValueAlgorithm: {chosen} is not valid for {algorithm}")


def _default(algorithm: KeyAlgorithm) -> CheckValueMethod:
    if algorithm.is_tdes:
        return CheckValueMethod.ANSI_X9_24
    return CheckValueMethod.HMAC if algorithm.is_hmac else CheckValueMethod.CMAC


def _member(method: str) -> CheckValueMethod:
    try:
        return CheckValueMethod(method)
    except ValueError:
        raise KeyAttributesError(f"KeyCheckValueAlgorithm: {method!r} is not known") from None

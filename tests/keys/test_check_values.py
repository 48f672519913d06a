"""Check values as the API shows them."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keyferry.errors import KeyAttributesError
from keyferry.keys import KeyAlgorithm, check_value_method, key_check_value

TDES = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
# NIST SP 800-38B, D.1: AES-128 with key 2B7E...; its AES of zeros is the printed L.
AES = bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C")


@pytest.mark.parametrize(
    ("algorithm", "key", "method", "value", "shown"),
    [
        ("TDES_2KEY", TDES, None, "08D7B4", "ANSI_X9_24"),
        ("TDES_2KEY", TDES, "ANSI_X9_24", "08D7B4", "ANSI_X9_24"),
        ("AES_128", AES, "ANSI_X9_24", "7DF76B", "ANSI_X9_24"),
    ],
)
def test_known_check_values(
    algorithm: str, key: bytes, method: str | None, value: str, shown: str
) -> None:
    """Published values come out, and the method's API name with them."""
    assert key_check_value(KeyAlgorithm(algorithm), key, method) == (value, shown)


def test_the_default_of_aes_is_cmac() -> None:
    """AES keys show CMAC unless asked otherwise, as TDES keys do when asked."""
    value, shown = key_check_value(KeyAlgorithm.AES_128, AES)
    assert shown == "CMAC"
    assert (value, shown) == key_check_value(KeyAlgorithm.AES_128, AES, "CMAC")
    assert value != "7DF76B"
    assert key_check_value(KeyAlgorithm.TDES_2KEY, TDES, "CMAC")[1] == "CMAC"
    assert key_check_value(KeyAlgorithm.TDES_2KEY, TDES, "CMAC")[0] != "08D7B4"


@pytest.mark.parametrize("name", ["SHA224", "SHA256", "SHA384", "SHA512"])
def test_hmac_keys_use_their_own_hash_over_nothing(name: str) -> None:
    """The check value is the start of the HMAC of the empty message."""
    key = bytes(range(32))
    expected = hmac.new(key, b"", getattr(hashlib, name.lower())).hexdigest()[:6].upper()
    assert key_check_value(KeyAlgorithm(f"HMAC_{name}"), key) == (expected, "HMAC")


@pytest.mark.parametrize("method", [None, "CMAC", "ANSI_X9_24", "SHA_1", "HMAC"])
def test_public_keys_ignore_the_method(method: str | None) -> None:
    """Clients send any method with a certificate; four bytes of SHA-1 come back."""
    private = ec.derive_private_key(5, ec.SECP256R1())
    der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    expected = hashlib.sha1(der, usedforsecurity=False).hexdigest()[:8].upper()
    assert key_check_value(KeyAlgorithm.ECC_NIST_P256, der, method) == (expected, "SHA_1")
    check_value_method(KeyAlgorithm.ECC_NIST_P256, method)


@pytest.mark.parametrize(
    ("algorithm", "method"),
    [
        ("TDES_2KEY", "HMAC"),
        ("TDES_3KEY", "SHA_1"),
        ("AES_256", "HMAC"),
        ("AES_256", "SHA_1"),
        ("HMAC_SHA256", "CMAC"),
        ("HMAC_SHA256", "ANSI_X9_24"),
        ("HMAC_SHA256", "SHA_1"),
        ("AES_128", "MD5"),
    ],
)
def test_methods_of_another_algorithm_are_refused(algorithm: str, method: str) -> None:
    """The wish is refused before and after there is a key, naming the member."""
    found = KeyAlgorithm(algorithm)
    with pytest.raises(KeyAttributesError, match="KeyCheckValueAlgorithm"):
        check_value_method(found, method)
    with pytest.raises(KeyAttributesError, match="KeyCheckValueAlgorithm"):
        key_check_value(found, bytes(range(found.size_bytes)), method)

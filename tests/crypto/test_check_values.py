"""Check values against the known answers."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from keyferry.crypto.check_values import (
    aes_legacy_kcv,
    cmac_kcv,
    hmac_kcv,
    public_key_kcv,
    tdes_kcv,
)
from keyferry.crypto.ciphers import Cipher
from keyferry.errors import DataSizeError, KeySizeError, UnsupportedAlgorithmError


def compute(case: dict[str, Any], size: int) -> bytes:
    """The check value a case asks for."""
    key, method, algorithm = bytes.fromhex(case["key"]), case["method"], case["algorithm"]
    match method, algorithm:
        case "legacy", "DES":
            return tdes_kcv(key, size=size)
        case "legacy", "AES":
            return aes_legacy_kcv(key, size=size)
        case "cmac", _:
            return cmac_kcv(Cipher.TDES if algorithm == "DES" else Cipher.AES, key, size=size)
        case "hmac", _:
            return hmac_kcv(key, algorithm.removeprefix("HMAC_"), size=size)
    raise AssertionError(f"unknown method {method} for {algorithm}")


@pytest.mark.vectors("kcv", "kcv")
def test_known_check_values(vector: dict[str, Any]) -> None:
    """Every method gives the known value, and refuses the keys that are none."""
    if vector.get("expect") == "error":
        with pytest.raises(KeySizeError):
            compute(vector, 3)
    else:
        expected = bytes.fromhex(vector["kcv"])
        assert compute(vector, len(expected)) == expected


@pytest.mark.parametrize("size", [0, -1, 9])
def test_refuses_sizes_that_no_block_has(size: int) -> None:
    """A TDES check value has 1 to 8 bytes."""
    with pytest.raises(DataSizeError, match="1 to 8"):
        tdes_kcv(bytes(16), size=size)


def test_refuses_other_hashes() -> None:
    """An HMAC check value needs one of the four hashes, and a key."""
    with pytest.raises(UnsupportedAlgorithmError, match="SHA1"):
        hmac_kcv(b"key", "SHA1")
    assert hmac_kcv(b"key", "SHA_256") == hmac_kcv(b"key", "SHA256")
    with pytest.raises(KeySizeError, match="0 bytes"):
        hmac_kcv(b"", "SHA256")


def test_public_keys_are_checked_by_sha1() -> None:
    """Four bytes of SHA-1 over the DER of the public key."""
    assert public_key_kcv(b"der") == hashlib.sha1(b"der", usedforsecurity=False).digest()[:4]

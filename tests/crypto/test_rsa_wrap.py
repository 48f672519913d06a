"""RSA key cryptograms."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from keyferry.crypto.check_values import cmac_kcv, tdes_kcv
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.rsa_wrap import unwrap_oaep, wrap_oaep
from keyferry.errors import KeySizeError, RSADecryptionError, UnsupportedAlgorithmError

SIZES = {"TDES_2KEY": 16, "TDES_3KEY": 24, "AES_128": 16}


@pytest.mark.vectors("rsa-wrap", "unwrap")
def test_known_cryptograms(vector: dict[str, Any], private_keys_of_vectors: dict[str, Any]) -> None:
    """A cryptogram opens to the known key; a bad one is refused, or holds no key of that size."""
    private = load_der_private_key(
        bytes.fromhex(private_keys_of_vectors[vector["private_key"]]), password=None
    )
    hash_name = vector["wrapping_spec"].removeprefix("RSA_OAEP_")
    cryptogram = bytes.fromhex(vector["cryptogram"])
    size = SIZES[vector["algorithm"]]
    if vector.get("expect") == "error":
        if "key of" in vector["name"]:
            # It opens; whether 20 bytes are a key is what the caller knows.
            assert len(unwrap_oaep(private, cryptogram, hash_name)) != size
        else:
            with pytest.raises(RSADecryptionError, match="does not open"):
                unwrap_oaep(private, cryptogram, hash_name)
        return
    key = unwrap_oaep(private, cryptogram, hash_name)
    assert key.hex().upper() == vector["key"]
    kcv = cmac_kcv(Cipher.AES, key) if vector["algorithm"] == "AES_128" else tdes_kcv(key)
    assert kcv.hex().upper() == vector["kcv"]
    assert len(key) == size


@pytest.mark.parametrize("hash_name", ["SHA256", "SHA384", "SHA512", "SHA_256"])
@pytest.mark.parametrize("size", [1, 16, 24, 32])
def test_unwrap_is_the_inverse_of_wrap(
    rsa_2048: rsa.RSAPrivateKey, hash_name: str, size: int
) -> None:
    """What is wrapped for a key opens with it, and fills the modulus."""
    key = bytes(range(size))
    cryptogram = wrap_oaep(rsa_2048.public_key(), key, hash_name)
    assert len(cryptogram) == 256
    assert unwrap_oaep(rsa_2048, cryptogram, hash_name) == key


def test_failures_are_one_error(rsa_2048: rsa.RSAPrivateKey) -> None:
    """Length, padding and hash fail alike, and the library's words do not come along."""
    good = wrap_oaep(rsa_2048.public_key(), bytes(16), "SHA256")
    texts = set()
    for cryptogram, name in (
        (good, "SHA512"),
        (good[:-1], "SHA256"),
        (good + b"\0", "SHA256"),
        (b"", "SHA256"),
        (bytes(256), "SHA256"),
        (b"\xff" * 256, "SHA256"),
        (good[:-1] + bytes([good[-1] ^ 1]), "SHA256"),
    ):
        with pytest.raises(RSADecryptionError) as caught:
            unwrap_oaep(rsa_2048, cryptogram, name)
        texts.add(str(caught.value))
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
    assert texts == {"RSA cryptogram does not open"}


def test_refuses_keys_that_do_not_fit(rsa_2048: rsa.RSAPrivateKey) -> None:
    """OAEP has room for the modulus less two digests and two bytes."""
    public = rsa_2048.public_key()
    assert wrap_oaep(public, bytes(256 - 2 * 64 - 2), "SHA512")
    for size in (0, 256 - 2 * 64 - 1):
        with pytest.raises(KeySizeError, match=f"key of {size} bytes"):
            wrap_oaep(public, bytes(size), "SHA512")
    with pytest.raises(UnsupportedAlgorithmError, match="MD5"):
        wrap_oaep(public, bytes(16), "MD5")
    with pytest.raises(UnsupportedAlgorithmError, match="MD5"):
        unwrap_oaep(rsa_2048, bytes(256), "MD5")


def test_an_empty_cryptogram_holds_no_key(rsa_2048: rsa.RSAPrivateKey) -> None:
    """OAEP can carry nothing at all; that is no key either."""
    nothing = rsa_2048.public_key().encrypt(
        b"", padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    )
    with pytest.raises(RSADecryptionError):
        unwrap_oaep(rsa_2048, nothing, "SHA256")

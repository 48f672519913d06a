"""RSA on data: against the library, its limits, and how it fails."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from keyferry.crypto.rsa_data import RSAPadding, rsa_decrypt, rsa_encrypt
from keyferry.errors import DataSizeError, RSADecryptionError

ROOM = {
    RSAPadding.PKCS1: 245,
    RSAPadding.OAEP_SHA1: 214,
    RSAPadding.OAEP_SHA256: 190,
    RSAPadding.OAEP_SHA512: 126,
}


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize("how", [*RSAPadding, None])
@pytest.mark.parametrize("size", [1, 16, 126])
def test_there_and_back(key: rsa.RSAPrivateKey, how: RSAPadding | None, size: int) -> None:
    """Without padding, zeros come back in front."""
    data = bytes(range(1, size + 1))
    encrypted = rsa_encrypt(key.public_key(), data, how)
    assert len(encrypted) == 256
    back = rsa_decrypt(key, encrypted, how)
    assert back == (data if how is not None else data.rjust(256, b"\0"))


@pytest.mark.parametrize("how", RSAPadding)
def test_room(key: rsa.RSAPrivateKey, how: RSAPadding) -> None:
    """What the padding leaves of the modulus, and no byte more."""
    full = bytes(ROOM[how])
    assert rsa_decrypt(key, rsa_encrypt(key.public_key(), full, how), how) == full
    with pytest.raises(DataSizeError):
        rsa_encrypt(key.public_key(), full + b"\0", how)


@pytest.mark.parametrize("how", RSAPadding)
def test_the_library_reads_what_we_write(key: rsa.RSAPrivateKey, how: RSAPadding) -> None:
    """And the other way round."""
    scheme: padding.PKCS1v15 | padding.OAEP = padding.PKCS1v15()
    if how is not RSAPadding.PKCS1:
        digest = {"1": hashes.SHA1(), "6": hashes.SHA256(), "2": hashes.SHA512()}[how[-1]]
        scheme = padding.OAEP(padding.MGF1(digest), digest, None)
    assert key.decrypt(rsa_encrypt(key.public_key(), b"data", how), scheme) == b"data"
    assert rsa_decrypt(key, key.public_key().encrypt(b"data", scheme), how) == b"data"


def test_numbers_without_padding(key: rsa.RSAPrivateKey) -> None:
    """The private operation is the power the key's numbers say; the modulus is no number of it."""
    numbers = key.private_numbers()
    n = numbers.public_numbers.n
    for value in (0, 1, 2, n - 1, n // 3):
        data = value.to_bytes(256)
        expected = pow(value, numbers.d, n).to_bytes(256)
        assert rsa_decrypt(key, data, None) == expected
        assert rsa_encrypt(key.public_key(), expected, None) == data
    for value in (n, n + 1, (1 << 2048) - 1):
        with pytest.raises(DataSizeError):
            rsa_encrypt(key.public_key(), value.to_bytes(256), None)
        with pytest.raises(RSADecryptionError):
            rsa_decrypt(key, value.to_bytes(256), None)


@pytest.mark.parametrize("how", [*RSAPadding, None])
@pytest.mark.parametrize("size", [0, 255, 257])
def test_ciphertext_is_as_long_as_the_modulus(
    key: rsa.RSAPrivateKey, how: RSAPadding | None, size: int
) -> None:
    """Anything else is not looked at."""
    with pytest.raises(DataSizeError):
        rsa_decrypt(key, bytes(size), how)


def test_failures_are_one(key: rsa.RSAPrivateKey) -> None:
    """OAEP: another hash, a changed bit, too large a number: the same error and words."""
    good = rsa_encrypt(key.public_key(), b"data", RSAPadding.OAEP_SHA256)
    other = rsa.generate_private_key(65537, 2048)
    words = set()
    for private, data, how in (
        (key, good, RSAPadding.OAEP_SHA1),
        (key, good[:-1] + bytes([good[-1] ^ 1]), RSAPadding.OAEP_SHA256),
        (key, b"\xff" * 256, RSAPadding.OAEP_SHA256),
        (other, bytes(256), RSAPadding.OAEP_SHA256),
    ):
        with pytest.raises(RSADecryptionError) as caught:
            rsa_decrypt(private, data, how)
        assert caught.value.__cause__ is None
        words.add(str(caught.value))
    assert len(words) == 1


def test_pkcs1_failures_do_not_fail(key: rsa.RSAPrivateKey) -> None:
    """
    A padding that does not hold gives made-up data (implicit rejection), the same each time.

    Were it refused, whoever submits ciphertexts could decrypt others by the answers.
    """
    good = rsa_encrypt(key.public_key(), b"data", RSAPadding.PKCS1)
    changed = good[:-1] + bytes([good[-1] ^ 1])
    first = rsa_decrypt(key, changed, RSAPadding.PKCS1)
    assert first == rsa_decrypt(key, changed, RSAPadding.PKCS1)
    assert first != b"data"

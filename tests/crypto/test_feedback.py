"""Feedback modes against the published examples, a second implementation, and themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.feedback import FeedbackMode, decrypt_feedback, encrypt_feedback
from keyferry.errors import DataSizeError

AES = bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C")
TDES = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
IV = bytes(range(16))
PLAIN = bytes.fromhex("6BC1BEE22E409F96E93D7E117393172AAE2D8A571E03AC9C9EB76FAC45AF8E51")


@pytest.mark.parametrize(
    ("mode", "plain", "expected"),
    [
        # NIST SP 800-38A, F.3.1, F.3.7, F.3.13 and F.4.1.
        (FeedbackMode.CFB1, PLAIN[:2], "68B3"),
        (FeedbackMode.CFB8, PLAIN[:18], "3B79424C9C0DD436BACE9E0ED4586A4F32B9"),
        (
            FeedbackMode.CFB,
            PLAIN,
            "3B3FD92EB72DAD20333449F8E83CFB4AC8A64537A0B3A93FCDE3CDAD9F1CE58B",
        ),
        (
            FeedbackMode.OFB,
            PLAIN,
            "3B3FD92EB72DAD20333449F8E83CFB4A7789508D16918F03F53C52DAC54ED825",
        ),
    ],
)
def test_published_examples(mode: FeedbackMode, plain: bytes, expected: str) -> None:
    """AES-128, both directions."""
    key = CipherKey(Cipher.AES, AES)
    encrypted = bytes.fromhex(expected)
    assert encrypt_feedback(key, mode, plain, IV) == encrypted
    assert decrypt_feedback(key, mode, encrypted, IV) == plain


def by_the_book(key: CipherKey, data: bytes, iv: bytes, bits: int) -> bytes:
    """CFB with segments of `bits`, written from the standard's equations, bit by bit."""
    size = 8 * key.block_size
    register = "".join(f"{byte:08b}" for byte in iv)
    plain = "".join(f"{byte:08b}" for byte in data)
    out = ""
    for start in range(0, len(plain), bits):
        block = key.encrypt_ecb(int(register, 2).to_bytes(key.block_size))
        stream = "".join(f"{byte:08b}" for byte in block)[:bits]
        segment = plain[start : start + bits]
        cipher = "".join(str(int(a) ^ int(b)) for a, b in zip(segment, stream, strict=False))
        out += cipher
        register = (register + cipher)[-size:]
    return int(out, 2).to_bytes(len(data)) if out else b""


@given(data=st.binary(max_size=40), seed=st.binary(min_size=16, max_size=16), aes=st.booleans())
def test_cfb_by_the_book(data: bytes, seed: bytes, aes: bool) -> None:
    """Both ciphers, whatever the length."""
    key = CipherKey(Cipher.AES if aes else Cipher.TDES, AES if aes else TDES)
    iv = seed[: key.block_size]
    for mode, bits in ((FeedbackMode.CFB1, 1), (FeedbackMode.CFB8, 8)):
        assert encrypt_feedback(key, mode, data, iv) == by_the_book(key, data, iv, bits)


@pytest.mark.parametrize("mode", FeedbackMode)
@given(data=st.binary(max_size=100), aes=st.booleans())
def test_there_and_back(mode: FeedbackMode, data: bytes, aes: bool) -> None:
    """What goes in comes out, as long as it was."""
    key = CipherKey(Cipher.AES if aes else Cipher.TDES, AES if aes else TDES)
    iv = IV[: key.block_size]
    encrypted = encrypt_feedback(key, mode, data, iv)
    assert len(encrypted) == len(data)
    assert decrypt_feedback(key, mode, encrypted, iv) == data


@pytest.mark.parametrize("mode", FeedbackMode)
@pytest.mark.parametrize("size", [0, 8, 15, 17])
def test_iv_is_one_block(mode: FeedbackMode, size: int) -> None:
    """Also for the modes that feed back less."""
    key = CipherKey(Cipher.AES, AES)
    for run in (encrypt_feedback, decrypt_feedback):
        with pytest.raises(DataSizeError):
            run(key, mode, b"data", bytes(size))

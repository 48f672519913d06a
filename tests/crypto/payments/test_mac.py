"""MACs and paddings: known values, the shape of each algorithm, refusals."""

from __future__ import annotations

import copy
import hashlib
import hmac
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.mac import HMACKey, as2805_mac, cbc_mac, cmac, retail_mac, verify_mac
from keyferry.crypto.padding import Padding, pad
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import (
    DataSizeError,
    KeySizeError,
    MACVerificationError,
    UnsupportedAlgorithmError,
)

KEY = TDESKey(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
LONG_KEY = TDESKey(bytes.fromhex("0123456789ABCDEFFEDCBA98765432101122334455667788"))
AES = CipherKey(Cipher.AES, bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C"))
# The message AWS documents: 34 bytes.
MESSAGE = bytes.fromhex("3B313038383439303031303733393431353D32343038323236303030373030303F33")

FIXED = settings(derandomize=True, deadline=None, max_examples=150)
messages = st.binary(max_size=100)


def test_known_macs() -> None:
    """Each algorithm gives the value computed for the documented message."""
    assert cbc_mac(KEY, MESSAGE).hex().upper() == "2CEEDC2A69A9DCA6"
    assert retail_mac(KEY, MESSAGE).hex().upper() == "897BB49284AA6216"
    assert retail_mac(LONG_KEY, MESSAGE).hex().upper() == "01F5CF120358BA61"
    assert cmac(KEY, MESSAGE).hex().upper() == "9FDD6FE2C7176E1F"
    assert cmac(AES, MESSAGE).hex().upper() == "82385FE971C205CA9523EA2614745EB1"
    digest = "AFDB3413BECCA488DFABB8695881B1D16B630743B870790312FC347C694FE30A"
    assert HMACKey(bytes(range(32)), "SHA256").mac(MESSAGE).hex().upper() == digest


def test_as2805_mac() -> None:
    """AS 2805.4.1 is the left half of a retail MAC."""
    assert as2805_mac(KEY, bytes.fromhex("EF4C27E7573F18ED")).hex().upper() == "39A4AF85"


@FIXED
@given(st.binary(min_size=1, max_size=64).filter(lambda key: len(key) > 0), messages)
@pytest.mark.parametrize("name", ["SHA224", "SHA256", "SHA384", "SHA512"])
def test_hmac_is_the_library_s(name: str, key: bytes, message: bytes) -> None:
    """HMAC agrees with the interpreter's own."""
    expected = hmac.new(key, message, getattr(hashlib, name.lower())).digest()
    assert HMACKey(key, name).mac(message) == expected


@FIXED
@given(messages, st.sampled_from([Padding.METHOD_1, Padding.METHOD_2, Padding.METHOD_3]))
def test_retail_mac_by_its_definition(message: bytes, padding: Padding) -> None:
    """CBC with K1, then decipherment with K2 and encipherment with K3, as the standard draws it."""
    whole = pad(message, padding, block_size=8)
    for key, parts in ((KEY, (0, 1, 0)), (LONG_KEY, (0, 1, 2))):
        raw = bytes.fromhex("0123456789ABCDEFFEDCBA98765432101122334455667788")
        first, second, third = (
            CipherKey(Cipher.TDES, raw[8 * part : 8 * part + 8]) for part in parts
        )
        last = first.encrypt_cbc(whole, bytes(8))[-8:]
        expected = third.encrypt_ecb(second.decrypt_ecb(last))
        assert retail_mac(key, message, padding=padding) == expected


@FIXED
@given(messages, st.sampled_from([Padding.METHOD_1, Padding.METHOD_2, Padding.METHOD_3]))
def test_cbc_mac_by_its_definition(message: bytes, padding: Padding) -> None:
    """The last block of CBC over the padded message, with TDES and AES."""
    for key in (KEY, AES):
        whole = pad(message, padding, block_size=key.block_size)
        expected = key.encrypt_cbc(whole, bytes(key.block_size))[-key.block_size :]
        assert cbc_mac(key, message, padding=padding) == expected


@FIXED
@given(messages)
def test_padding_method_2_is_unique(message: bytes) -> None:
    """The padding of method 2 comes off again, and always adds something."""
    padded = pad(message, Padding.METHOD_2, block_size=8)
    assert len(padded) % 8 == 0
    assert 1 <= len(padded) - len(message) <= 8
    assert padded.rstrip(b"\0")[:-1] == message


@FIXED
@given(messages, st.sampled_from([8, 16]))
def test_padding_methods_1_and_3(message: bytes, block_size: int) -> None:
    """Method 1 fills with zeros to at least one block; method 3 puts the length in front."""
    padded = pad(message, Padding.METHOD_1, block_size=block_size)
    assert len(padded) == max(-(-len(message) // block_size), 1) * block_size
    assert padded == message.ljust(len(padded), b"\0")
    length = (8 * len(message)).to_bytes(block_size, "big")
    assert pad(message, Padding.METHOD_3, block_size=block_size) == length + padded
    assert pad(message, Padding.NONE, block_size=block_size) == message


@pytest.mark.parametrize("message", [b"", b"1", bytes(7), bytes(9), bytes(17)])
def test_unaligned_data_needs_padding(message: bytes) -> None:
    """Without padding, data must be whole blocks, at least one."""
    for call in (retail_mac, cbc_mac):
        with pytest.raises(DataSizeError):
            call(KEY, message, padding=Padding.NONE)


@FIXED
@given(messages, st.integers(4, 8), st.integers(0, 63))
def test_only_the_mac_verifies(message: bytes, size: int, bit: int) -> None:
    """The MAC verifies at every length from 4 bytes on; one flipped bit, and it does not."""
    computed = retail_mac(KEY, message)
    mac = computed[:size]
    verify_mac(computed, mac)
    flipped = (int.from_bytes(mac) ^ 1 << bit % (8 * size)).to_bytes(size)
    with pytest.raises(MACVerificationError, match=r"^MAC verification failed$"):
        verify_mac(computed, flipped)


@pytest.mark.parametrize("size", [0, 1, 3, 9, 16])
def test_mac_length_is_checked(size: int) -> None:
    """Nothing verifies against fewer than 4 bytes, or more than the algorithm makes."""
    with pytest.raises(DataSizeError):
        verify_mac(bytes(8), bytes(size))


@FIXED
@given(messages, messages)
def test_other_message_has_another_mac(message: bytes, other: bytes) -> None:
    """With method 2, two messages do not share a MAC."""
    if message != other:
        assert retail_mac(KEY, message, padding=Padding.METHOD_2) != retail_mac(
            KEY, other, padding=Padding.METHOD_2
        )


@pytest.mark.parametrize("size", [0, 7, 8, 15, 17, 23, 25, 32])
def test_key_size_is_checked(size: int) -> None:
    """A key with a first part to use alone has 16 or 24 bytes."""
    with pytest.raises(KeySizeError, match=f"of {size} bytes"):
        TDESKey(bytes(size))


def test_hmac_key_is_checked_and_stays_inside() -> None:
    """An HMAC key has bytes and a known hash, and does not come out by accident."""
    with pytest.raises(KeySizeError):
        HMACKey(b"", "SHA256")
    with pytest.raises(UnsupportedAlgorithmError, match="MD5"):
        HMACKey(b"key", "MD5")
    key = HMACKey(b"\xabcd", "SHA256")
    assert repr(key) == "<HMACKey: SHA256, 3 bytes>"
    assert HMACKey(b"\xabcd", "SHA_256").mac(b"") == key.mac(b"")
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_first_part_alone() -> None:
    """The first part of a key is single DES with K1, and stays inside."""
    single = CipherKey(Cipher.TDES, bytes.fromhex("0123456789ABCDEF"))
    assert KEY.first.encrypt_ecb(b"12345678") == single.encrypt_ecb(b"12345678")
    assert KEY.first is KEY.first
    for spread in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            spread(TDESKey(bytes(16)))

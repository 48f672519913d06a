"""TDES DUKPT: the standard's example, the terminal's way to the same keys, refusals."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.dukpt import (
    TDESBDK,
    TDESPurpose,
    tdes_initial_key,
    tdes_transaction_key,
    tdes_working_key,
)
from keyferry.errors import DataSizeError, KeySizeError

BDK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
KSN = bytes.fromhex("FFFF9876543210E00001")

FIXED = settings(derandomize=True, deadline=None, max_examples=60)
keys = st.binary(min_size=16, max_size=16)
ksns = st.binary(min_size=10, max_size=10)


def test_example_of_the_standard() -> None:
    """X9.24-1:2009, A.4: initial key, transaction key and every working key."""
    bdk = TDESBDK(BDK)
    assert bdk.initial_key(KSN).hex().upper() == "6AC292FAA1315B4D858AB3A3D7D5933A"
    assert bdk.transaction_key(KSN).hex().upper() == "042666B49184CFA368DE9628D0397BC9"
    assert {
        purpose.value: bdk.working_key(KSN, purpose).hex().upper() for purpose in TDESPurpose
    } == {
        "PIN": "042666B49184CF5C68DE9628D0397B36",
        "MAC_REQUEST": "042666B4918430A368DE9628D03984C9",
        "MAC_RESPONSE": "042666B46E84CFA368DE96282F397BC9",
        "DATA_REQUEST": "448D3F076D8304036A55A3D7E0055A78",
        "DATA_RESPONSE": "AD7BFC8B06AD3A08A560B4105CF8D9E5",
    }


def test_short_ksn_is_filled_with_ones() -> None:
    """Eight bytes stand for ten that begin with FFFF."""
    bdk = TDESBDK(BDK)
    assert bdk.initial_key(KSN[2:]) == bdk.initial_key(KSN)
    assert bdk.transaction_key(KSN[2:]) == bdk.transaction_key(KSN)


@FIXED
@given(keys, ksns)
def test_key_comes_from_the_key_of_the_counter_without_its_last_one(key: bytes, ksn: bytes) -> None:
    """As a terminal makes them: each key from the one whose counter lacks the lowest one bit."""
    bdk = TDESBDK(key)
    number = int.from_bytes(ksn)
    counter = number & 0x1FFFFF
    if counter == 0:
        assert bdk.transaction_key(ksn) == bdk.initial_key(ksn)
        return
    parent = bdk.transaction_key((number & ~(counter & -counter)).to_bytes(10))
    register = ksn[2:]
    masked = bytes(
        a ^ b for a, b in zip(parent, bytes.fromhex("C0C0C0C000000000") * 2, strict=True)
    )

    def half(source: bytes) -> bytes:
        left, right = source[:8], source[8:]
        block = bytes(a ^ b for a, b in zip(register, right, strict=True))
        out = CipherKey(Cipher.TDES, left).encrypt_ecb(block)
        return bytes(a ^ b for a, b in zip(out, right, strict=True))

    assert bdk.transaction_key(ksn) == half(masked) + half(parent)


@FIXED
@given(keys, ksns)
def test_functions_and_handle_agree(key: bytes, ksn: bytes) -> None:
    """From BDK or initial key, by handle or function, the keys are the same."""
    bdk = TDESBDK(key)
    initial = tdes_initial_key(key, ksn)
    assert initial == bdk.initial_key(ksn)
    transaction = tdes_transaction_key(initial, ksn)
    assert transaction == bdk.transaction_key(ksn)
    for purpose in TDESPurpose:
        assert tdes_working_key(transaction, purpose) == bdk.working_key(ksn, purpose)


@FIXED
@given(keys, ksns, st.integers(0, 79))
def test_every_bit_of_the_ksn_counts(key: bytes, ksn: bytes, bit: int) -> None:
    """A transaction with another KSN has another key; the initial key ignores the counter."""
    bdk = TDESBDK(key)
    other = (int.from_bytes(ksn) ^ 1 << bit).to_bytes(10)
    assert (bdk.initial_key(ksn) == bdk.initial_key(other)) == (bit < 21)
    assert bdk.transaction_key(ksn) != bdk.transaction_key(other)


def test_working_keys_differ() -> None:
    """No two purposes share a key."""
    bdk = TDESBDK(BDK)
    assert len({bdk.working_key(KSN, purpose) for purpose in TDESPurpose}) == len(TDESPurpose)


@pytest.mark.parametrize("size", [0, 7, 9, 11, 12])
def test_ksn_size_is_checked(size: int) -> None:
    """A KSN has 8 or 10 bytes."""
    for call in (TDESBDK(BDK).initial_key, TDESBDK(BDK).transaction_key):
        with pytest.raises(DataSizeError, match=f"KSN of {size} bytes"):
            call(bytes(size))
    with pytest.raises(DataSizeError):
        tdes_transaction_key(BDK, bytes(size))


@pytest.mark.parametrize("size", [0, 8, 15, 24, 32])
def test_key_size_is_checked(size: int) -> None:
    """Every TDES DUKPT key has 16 bytes."""
    with pytest.raises(KeySizeError):
        TDESBDK(bytes(size))
    with pytest.raises(KeySizeError):
        tdes_transaction_key(bytes(size), KSN)
    with pytest.raises(KeySizeError):
        tdes_working_key(bytes(size), TDESPurpose.PIN)


def test_bdk_stays_inside() -> None:
    """An opened BDK does not print, pickle or copy."""
    bdk = TDESBDK(BDK)
    assert repr(bdk) == "<TDESBDK>"
    for spread in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            spread(bdk)

"""DUKPT initial keys."""

from __future__ import annotations

from typing import Any

import pytest

from keyferry.crypto.dukpt import aes_initial_key, tdes_initial_key
from keyferry.errors import DataSizeError, KeyferryError, KeySizeError

BDK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")


@pytest.mark.vectors("dukpt-tdes", "initial_key")
def test_known_tdes_initial_keys(vector: dict[str, Any]) -> None:
    """The initial key is the known one; bad lengths are refused."""
    bdk, ksn = bytes.fromhex(vector["bdk"]), bytes.fromhex(vector["ksn"])
    if vector.get("expect") == "error":
        with pytest.raises(KeyferryError):
            tdes_initial_key(bdk, ksn)
    else:
        assert tdes_initial_key(bdk, ksn).hex().upper() == vector["ik"]


@pytest.mark.vectors("dukpt-aes", "initial_key")
def test_known_aes_initial_keys(vector: dict[str, Any]) -> None:
    """The initial key is the known one, as long as the BDK; bad lengths are refused."""
    bdk, key_id = bytes.fromhex(vector["bdk"]), bytes.fromhex(vector["initial_key_id"])
    if vector.get("expect") == "error":
        with pytest.raises(KeyferryError):
            aes_initial_key(bdk, key_id)
    else:
        assert aes_initial_key(bdk, key_id).hex().upper() == vector["ik"]


def test_the_counter_does_not_matter() -> None:
    """All 21 counter bits are ignored, and no other bit is."""
    first = tdes_initial_key(BDK, bytes.fromhex("FFFF9876543210E00000"))
    assert tdes_initial_key(BDK, bytes.fromhex("FFFF9876543210FFFFFF")) == first
    assert tdes_initial_key(BDK, bytes.fromhex("FFFF9876543210C00000")) != first


@pytest.mark.parametrize("size", [0, 8, 24, 32])
def test_refuses_other_tdes_bdks(size: int) -> None:
    """A TDES BDK has 16 bytes."""
    with pytest.raises(KeySizeError, match=f"BDK of {size} bytes"):
        tdes_initial_key(bytes(size), bytes(10))


def test_refuses_other_lengths_of_serials() -> None:
    """A TDES KSN has 10 bytes (8 without the leading FFFF), an initial key id 8."""
    for size in (0, 7, 9, 11, 12):
        with pytest.raises(DataSizeError):
            tdes_initial_key(BDK, bytes(size))
    for size in (0, 7, 9, 12):
        with pytest.raises(DataSizeError):
            aes_initial_key(BDK, bytes(size))
    with pytest.raises(KeySizeError):
        aes_initial_key(bytes(17), bytes(8))

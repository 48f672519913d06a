"""AES DUKPT: the published supplement, the derivation by hand, refusals."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.dukpt import (
    AESBDK,
    AESPurpose,
    WorkingKeyType,
    aes_derivation_key,
    aes_initial_key,
)
from keyferry.errors import DataSizeError, KeySizeError, KeyStrengthError

BDK = bytes.fromhex("FEDCBA9876543210F1F1F1F1F1F1F1F1")
KSN = bytes.fromhex("123456789012345600000001")

FIXED = settings(derandomize=True, deadline=None, max_examples=60)
keys = st.sampled_from([16, 24, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
ksns = st.binary(min_size=12, max_size=12)


@pytest.mark.parametrize(
    ("purpose", "key_type", "key"),
    [
        ("PIN_ENCRYPTION", "AES_128", "AF8CB133A78F8DC2D1359F18527593FB"),
        ("MAC_GENERATION", "AES_128", "A2DC23DE6FDE0824A2BC321E08E4B8B7"),
        ("MAC_VERIFICATION", "AES_128", "DBB463945B286C07CD3AD82EE96FD9C9"),
        ("MAC_BOTH", "AES_128", "85675439D18D7F1158BD8E3EAA3D502B"),
        ("DATA_ENCRYPT", "AES_128", "A35C412EFD41FDB98B69797C02DCD08F"),
        ("DATA_DECRYPT", "AES_128", "16292C6EA8F64C5420A0584BFBC577BE"),
        ("DATA_BOTH", "AES_128", "A308E080DD15A1B741F1721BF67DE11C"),
        ("PIN_ENCRYPTION", "TDES_2KEY", "630C706D9546E47D4449313F61C4D4AB"),
        ("PIN_ENCRYPTION", "TDES_3KEY", "EA8B3F37EB9B15831167EF2977FD8762D9B5913F35766F6A"),
    ],
)
def test_published_working_keys(purpose: str, key_type: str, key: str) -> None:
    """The supplement's working keys come out."""
    made = AESBDK(BDK).working_key(KSN, AESPurpose[purpose], WorkingKeyType(key_type))
    assert made.hex().upper() == key


def test_published_initial_and_derivation_key() -> None:
    """So do the keys on the way to them."""
    initial = aes_initial_key(BDK, KSN[:8])
    assert initial.hex().upper() == "1273671EA26AC29AFA4D1084127652A1"
    assert aes_derivation_key(initial, KSN).hex().upper() == "4F21B565BAD9835E112B6465635EAE44"


def test_longer_keys() -> None:
    """A longer BDK gives longer keys, and the shorter ones are not their beginnings."""
    bdk = AESBDK(BDK + BDK)
    long = bdk.working_key(KSN, AESPurpose.PIN_ENCRYPTION, WorkingKeyType.AES_256)
    short = bdk.working_key(KSN, AESPurpose.PIN_ENCRYPTION, WorkingKeyType.AES_128)
    assert long.hex().upper() == "8C1AB7BEE973829E30242E0BBBDD4946D540C98FC1B5BDCF94790001A23FD502"
    assert short.hex().upper() == "09C9C432966811D6B2C3336BAC1B1202"
    bdk = AESBDK((BDK + BDK)[:24])
    assert (
        bdk.working_key(KSN, AESPurpose.PIN_ENCRYPTION, WorkingKeyType.AES_192).hex().upper()
        == "C5043EDC7F2C001097974D40FF82A050B64A1AB27879F3DB"
    )


def derive(key: bytes, usage: int, algorithm: int, size: int, context: bytes) -> bytes:
    """Derive as the standard draws it, block by block."""
    opened, out = CipherKey(Cipher.AES, key), b""
    for count in (1, 2):
        data = (
            bytes([1, count])
            + usage.to_bytes(2)
            + algorithm.to_bytes(2)
            + (8 * size).to_bytes(2)
            + context
        )
        out += opened.encrypt_ecb(data)
    return out[:size]


@FIXED
@given(keys, ksns, st.sampled_from(AESPurpose), st.sampled_from(WorkingKeyType))
def test_derivation_by_hand(
    bdk: bytes, ksn: bytes, purpose: AESPurpose, key_type: WorkingKeyType
) -> None:
    """Initial key, one derivation per one bit of the counter, working key."""
    size = len(bdk)
    own = {16: 2, 24: 3, 32: 4}[size]
    key = derive(bdk, 0x8001, own, size, ksn[:8])
    assert AESBDK(bdk).initial_key(ksn[:8]) == key
    counter = int.from_bytes(ksn[8:])
    reached = 0
    for place in reversed(range(32)):
        if counter & 1 << place:
            reached += 1 << place
            key = derive(key, 0x8000, own, size, ksn[4:8] + reached.to_bytes(4))
    assert AESBDK(bdk).derivation_key(ksn) == key
    if key_type.size > size and not key_type.value.startswith("TDES"):
        with pytest.raises(KeyStrengthError):
            AESBDK(bdk).working_key(ksn, purpose, key_type)
        return
    expected = derive(key, int(purpose), key_type.code, key_type.size, ksn[4:])
    assert AESBDK(bdk).working_key(ksn, purpose, key_type) == expected


@pytest.mark.parametrize(
    ("size", "refused"),
    [
        (16, {"AES_192", "AES_256", "HMAC_192", "HMAC_256"}),
        (24, {"AES_256", "HMAC_256"}),
        (32, set()),
    ],
)
def test_working_key_is_not_stronger_than_the_bdk(size: int, refused: set[str]) -> None:
    """What a BDK may derive is a matter of strength, not of length: TDES always."""
    bdk = AESBDK(bytes(size))
    for key_type in WorkingKeyType:
        if key_type in refused:
            with pytest.raises(KeyStrengthError, match="stronger"):
                bdk.working_key(KSN, AESPurpose.DATA_BOTH, key_type)
        else:
            key = bdk.working_key(KSN, AESPurpose.DATA_BOTH, key_type)
            assert len(key) == key_type.size


def test_counter_of_zero_is_the_initial_key() -> None:
    """No terminal sends it; it is taken as no step."""
    ksn = KSN[:8] + bytes(4)
    assert AESBDK(BDK).derivation_key(ksn) == AESBDK(BDK).initial_key(KSN[:8])


@pytest.mark.parametrize("size", [0, 8, 10, 11, 13])
def test_ksn_size_is_checked(size: int) -> None:
    """A KSN has 12 bytes, an initial key id 8."""
    with pytest.raises(DataSizeError, match=f"KSN of {size} bytes"):
        AESBDK(BDK).derivation_key(bytes(size))
    with pytest.raises(DataSizeError):
        AESBDK(BDK).working_key(bytes(size), AESPurpose.PIN_ENCRYPTION, WorkingKeyType.AES_128)
    with pytest.raises(DataSizeError):
        aes_derivation_key(BDK, bytes(size))
    with pytest.raises(DataSizeError):
        AESBDK(BDK).initial_key(bytes(size + 9))


@pytest.mark.parametrize("size", [0, 8, 15, 17, 33])
def test_key_size_is_checked(size: int) -> None:
    """A BDK is an AES key."""
    with pytest.raises(KeySizeError):
        AESBDK(bytes(size))
    with pytest.raises(KeySizeError):
        aes_derivation_key(bytes(size), KSN)


def test_bdk_stays_inside() -> None:
    """An opened BDK does not print, pickle or copy."""
    bdk = AESBDK(BDK)
    assert repr(bdk) == "<AESBDK: 16 bytes>"
    for spread in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            spread(bdk)

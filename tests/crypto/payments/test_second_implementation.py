"""
The payment algorithms against psec over random inputs.

psec has no DUKPT; there its bare TDES and AES carry an independent way through the standard. It
leaves out the second pass of a CVV, and pads a PAN of 12 digits not at all: both are noted below.
"""

from __future__ import annotations

import psec
import pytest
from cryptography.utils import CryptographyDeprecationWarning
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.crypto.card_verification import cvv
from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.dukpt import AESBDK, TDESBDK, AESPurpose, TDESPurpose, WorkingKeyType
from keyferry.crypto.mac import cbc_mac, retail_mac
from keyferry.crypto.padding import Padding, pad
from keyferry.crypto.pin_block import (
    PINBlockFormat,
    decode_pin_block,
    decrypt_pin_block,
    encode_pin_block,
    encrypt_pin_block,
)
from keyferry.crypto.pin_verification import ibm3624_offset, ibm3624_pin_from_offset, visa_pvv
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import KeyferryError

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{CryptographyDeprecationWarning.__module__}.CryptographyDeprecationWarning"
)

FIXED = settings(derandomize=True, deadline=None, max_examples=150)
SOAK = settings(derandomize=True, deadline=None, max_examples=5_000)
keys = st.binary(min_size=16, max_size=16)
aes_keys = st.sampled_from([16, 24, 32]).flatmap(
    lambda size: st.binary(min_size=size, max_size=size)
)
pins = st.text("0123456789", min_size=4, max_size=12)
pans = st.text("0123456789", min_size=13, max_size=19)
expiries = st.text("0123456789", min_size=4, max_size=4)
codes = st.text("0123456789", min_size=3, max_size=3)
paddings = st.sampled_from([Padding.METHOD_1, Padding.METHOD_2, Padding.METHOD_3])


@FIXED
@given(keys, pans, expiries, codes)
def test_cvv(key: bytes, pan: str, expiry: str, code: str) -> None:
    """The CVV is psec's, or begins with it where psec stops after its one pass."""
    value = cvv(TDESKey(key), pan=pan, expiry=expiry, service_code=code)
    assert len(value) == 3
    assert value.startswith(psec.cvv.generate_cvv(key, pan, expiry, code))


@FIXED
@given(keys, pans, st.sampled_from("0123456"), pins)
def test_pvv(key: bytes, pan: str, pvki: str, pin: str) -> None:
    """The PVV is psec's, which wants the four digits that count."""
    opened = CipherKey(Cipher.TDES, key)
    expected = psec.pin.generate_visa_pvv(key, pvki, pin[:4], pan)
    assert visa_pvv(opened, pan=pan, pvki=pvki, pin=pin) == expected


@FIXED
@given(keys, st.text("0123456789", min_size=16, max_size=16), pans, pins)
def test_ibm3624(key: bytes, table: str, pan: str, pin: str) -> None:
    """PIN and offset are psec's."""
    opened, size = CipherKey(Cipher.TDES, key), min(len(pan), 16)
    data = pan[:size].ljust(16, "F")
    expected = psec.pin.generate_ibm3624_offset(key, table, pin, pan, 0, size, "F")
    offset = ibm3624_offset(opened, decimalization_table=table, validation_data=data, pin=pin)
    assert offset == expected
    assert pin == psec.pin.generate_ibm3624_pin(key, table, offset, pan, 0, size, "F")
    assert pin == ibm3624_pin_from_offset(
        opened, decimalization_table=table, validation_data=data, offset=offset
    )


@FIXED
@given(keys, pans, pins)
def test_pin_blocks_of_8_bytes(key: bytes, pan: str, pin: str) -> None:
    """Formats 0, 2 and 3: each opens what the other made."""
    opened = CipherKey(Cipher.TDES, key)
    block = encrypt_pin_block(opened, PINBlockFormat.ISO_0, pin, pan)
    clear = psec.pinblock.encode_pinblock_iso_0(pin, pan)
    assert block == psec.des.encrypt_tdes_ecb(key, clear)
    assert encode_pin_block(PINBlockFormat.ISO_2, pin) == psec.pinblock.encode_pinblock_iso_2(pin)
    block = encrypt_pin_block(opened, PINBlockFormat.ISO_3, pin, pan)
    clear = psec.des.decrypt_tdes_ecb(key, block)
    assert psec.pinblock.decode_pinblock_iso_3(clear, pan) == pin
    theirs = psec.des.encrypt_tdes_ecb(key, psec.pinblock.encode_pinblock_iso_3(pin, pan))
    assert decrypt_pin_block(opened, PINBlockFormat.ISO_3, theirs, pan) == pin


@FIXED
@given(aes_keys, st.text("0123456789", min_size=1, max_size=19), pins)
def test_pin_blocks_of_16_bytes(key: bytes, pan: str, pin: str) -> None:
    """Format 4: each opens what the other made, for every length of PAN."""
    opened = CipherKey(Cipher.AES, key)
    block = encrypt_pin_block(opened, PINBlockFormat.ISO_4, pin, pan)
    assert psec.pinblock.decipher_pinblock_iso_4(key, block, pan) == pin
    theirs = psec.pinblock.encipher_pinblock_iso_4(key, pin, pan)
    assert decrypt_pin_block(opened, PINBlockFormat.ISO_4, theirs, pan) == pin


DECODERS = {
    PINBlockFormat.ISO_0: psec.pinblock.decode_pinblock_iso_0,
    PINBlockFormat.ISO_3: psec.pinblock.decode_pinblock_iso_3,
}


def refusals_agree(pin_format: PINBlockFormat, block: bytes, pan: str) -> None:
    try:
        theirs: str | None = DECODERS[pin_format](block, pan)
    except ValueError:
        theirs = None
    try:
        ours: str | None = decode_pin_block(pin_format, block, pan)
    except KeyferryError:
        ours = None
    assert ours == theirs


@st.composite
def nearly_blocks(draw: st.DrawFn) -> tuple[PINBlockFormat, bytes, str]:
    """Return a block with a nibble or two changed, so that refusals are near."""
    pin_format = draw(st.sampled_from(sorted(DECODERS)))
    pan = draw(pans)
    block = int.from_bytes(encode_pin_block(pin_format, draw(pins), pan))
    for _ in range(draw(st.integers(0, 2))):
        block ^= draw(st.integers(0, 15)) << 4 * draw(st.integers(0, 15))
    return pin_format, block.to_bytes(8), pan


@FIXED
@given(nearly_blocks())
def test_refusals(case: tuple[PINBlockFormat, bytes, str]) -> None:
    """What one refuses the other refuses, and what opens holds the same PIN."""
    refusals_agree(*case)


@pytest.mark.soak
@SOAK
@given(nearly_blocks())
def test_fuzz_refusals(case: tuple[PINBlockFormat, bytes, str]) -> None:
    """The long form of the same."""
    refusals_agree(*case)


@FIXED
@given(keys, st.binary(max_size=200), paddings, st.sampled_from([8, 16]))
def test_macs(key: bytes, data: bytes, padding: Padding, block_size: int) -> None:
    """Both MAC algorithms and all paddings are psec's."""
    number = int(padding.value)
    expected = psec.mac.generate_retail_mac(key[:8], key[8:], data, number)
    assert retail_mac(TDESKey(key), data, padding=padding) == expected
    expected = psec.mac.generate_cbc_mac(key, data, number)
    assert cbc_mac(CipherKey(Cipher.TDES, key), data, padding=padding) == expected
    expected = psec.mac.generate_cbc_mac(key, data, number, algorithm=psec.mac.Algorithm.AES)
    assert cbc_mac(CipherKey(Cipher.AES, key), data, padding=padding) == expected
    padder = (psec.mac.pad_iso_1, psec.mac.pad_iso_2, psec.mac.pad_iso_3)[number - 1]
    assert pad(data, padding, block_size=block_size) == padder(data, block_size)


def xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def terminal_key(bdk: bytes, ksn: bytes) -> bytes:
    """Return the transaction key as the chain of keys a terminal goes through, over psec's TDES."""
    variant = bytes.fromhex("C0C0C0C000000000C0C0C0C000000000")
    register = bytearray(ksn)
    counter = [(place, 1 << bit) for place in (7, 8, 9) for bit in (7, 6, 5, 4, 3, 2, 1, 0)][3:]
    for place, bit in counter:
        register[place] &= ~bit & 0xFF
    start = bytes(register[:8])
    key = psec.des.encrypt_tdes_ecb(bdk, start)
    key += psec.des.encrypt_tdes_ecb(xor(bdk, variant), start)
    for place, bit in counter:
        if ksn[place] & bit:
            register[place] |= bit
            halves = []
            for source in (xor(key, variant), key):
                block = xor(bytes(register[2:]), source[8:])
                halves.append(xor(psec.des.encrypt_tdes_ecb(source[:8], block), source[8:]))
            key = b"".join(halves)
    return key


@FIXED
@given(keys, st.binary(min_size=10, max_size=10))
def test_dukpt_tdes(bdk: bytes, ksn: bytes) -> None:
    """Transaction, PIN and data keys are those of the independent way."""
    key = terminal_key(bdk, ksn)
    opened = TDESBDK(bdk)
    assert opened.transaction_key(ksn) == key
    pin_key = xor(key, bytes.fromhex("00000000000000FF" * 2))
    assert opened.working_key(ksn, TDESPurpose.PIN) == pin_key
    variant = xor(key, bytes.fromhex("0000000000FF0000" * 2))
    data_key = psec.des.encrypt_tdes_ecb(variant, variant)
    assert opened.working_key(ksn, TDESPurpose.DATA_REQUEST) == data_key


@FIXED
@given(st.binary(min_size=16, max_size=16), st.binary(min_size=12, max_size=12))
def test_dukpt_aes(bdk: bytes, ksn: bytes) -> None:
    """The PIN key of an AES-128 BDK is that of the independent way, over psec's AES."""
    key = psec.aes.encrypt_aes_ecb(bdk, bytes.fromhex("0101800100020080") + ksn[:8])
    counter = bytearray(4)
    for index in range(32):
        bit = 0x80 >> index % 8
        if ksn[8 + index // 8] & bit:
            counter[index // 8] |= bit
            data = bytes.fromhex("0101800000020080") + ksn[4:8] + bytes(counter)
            key = psec.aes.encrypt_aes_ecb(key, data)
    expected = psec.aes.encrypt_aes_ecb(key, bytes.fromhex("0101100000020080") + ksn[4:])
    opened = AESBDK(bdk)
    made = opened.working_key(ksn, AESPurpose.PIN_ENCRYPTION, WorkingKeyType.AES_128)
    assert made == expected

"""AS2805 working keys, KEK validation and session keys."""

from __future__ import annotations

from typing import Any

import pytest

from keyferry.crypto.as2805 import (
    KEKVariant,
    ValidationMask,
    decrypt_working_key,
    encrypt_working_key,
    kek_validation_request,
    kek_validation_response,
    session_pin_key,
)
from keyferry.crypto.check_values import tdes_kcv
from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.components import has_odd_parity
from keyferry.errors import DataSizeError, KeySizeError

KEK = bytes.fromhex("BCC737A40220E3AD6D5D3ED394B0CEA4")


@pytest.mark.vectors("as2805", "working_key")
def test_known_working_keys(vector: dict[str, Any]) -> None:
    """A working key encrypts to the known cryptogram, and back."""
    kek, key = bytes.fromhex(vector["kek"]), bytes.fromhex(vector["key"])
    variant = KEKVariant(vector["variant"])
    cryptogram = encrypt_working_key(kek, variant, key)
    assert cryptogram.hex().upper() == vector["cryptogram"]
    assert decrypt_working_key(kek, variant, cryptogram) == key
    assert tdes_kcv(key).hex().upper() == vector["kcv"]


@pytest.mark.vectors("as2805", "kek_validation_response")
def test_known_validations(vector: dict[str, Any]) -> None:
    """The answer to a validation is the known one, and the one its initiator expects."""
    kek = bytes.fromhex(vector["kek"])
    send = bytes.fromhex(vector["random_key_send"])
    expected = bytes.fromhex(vector["random_key_receive"])
    assert kek_validation_response(kek, send) == expected
    random_key = bytes.fromhex(vector["random_key"])
    assert kek_validation_request(
        kek, random_key_bytes=len(random_key), random_bytes=lambda _: random_key
    ) == (send, expected)


@pytest.mark.vectors("as2805", "session_pin_key")
def test_known_session_pin_keys(vector: dict[str, Any]) -> None:
    """KPE is the known one, and so is the PIN block under it."""
    kpe = session_pin_key(bytes.fromhex(vector["kpp"]), vector["stan"], vector["amount"])
    assert kpe.hex().upper() == vector["kpe"]
    block = CipherKey(Cipher.TDES, kpe).encrypt_ecb(bytes.fromhex(vector["pin_block"]))
    assert block.hex().upper() == vector["encrypted_pin_block"]


@pytest.mark.parametrize("variant", list(KEKVariant))
@pytest.mark.parametrize("size", [16, 24])
def test_variants_keep_keys_apart(variant: KEKVariant, size: int) -> None:
    """A cryptogram opens only under the variant it was made for; KEKs may be triple."""
    key = bytes(range(size))
    for kek in (KEK, KEK + KEK[:8][::-1]):
        cryptogram = encrypt_working_key(kek, variant, key)
        opened = [
            other for other in KEKVariant if decrypt_working_key(kek, other, cryptogram) == key
        ]
        assert opened == [variant]


@pytest.mark.parametrize("mask", list(ValidationMask))
@pytest.mark.parametrize("size", [8, 16, 24])
def test_both_nodes_agree(mask: ValidationMask, size: int) -> None:
    """What the initiator expects is what the partner answers; another KEK answers otherwise."""
    send, expected = kek_validation_request(KEK, random_key_bytes=size, mask=mask)
    assert len(send) == size
    assert kek_validation_response(KEK, send, mask=mask) == expected
    assert kek_validation_response(KEK[::-1], send, mask=mask) != expected


def test_a_random_key_has_odd_parity() -> None:
    """Whatever the source of randomness gives."""
    send, _ = kek_validation_request(KEK, random_bytes=bytes)
    under_mask = bytes(byte ^ 0x82 for byte in KEK)
    assert has_odd_parity(CipherKey(Cipher.TDES, under_mask).decrypt_cbc(send, bytes(8)))


def test_refuses_other_lengths() -> None:
    """Keys have 16 or 24 bytes, random keys 8 too, numbers their digits."""
    variant = KEKVariant.PIN_ENCRYPTION_KEY_VARIANT_28
    for kek, key in ((KEK[:8], KEK), (KEK, KEK[:8]), (KEK, b""), (KEK * 2, KEK)):
        with pytest.raises(KeySizeError):
            encrypt_working_key(kek, variant, key)
        with pytest.raises(KeySizeError):
            decrypt_working_key(kek, variant, key)
    for size in (0, 7, 12, 32):
        with pytest.raises(KeySizeError, match="random key"):
            kek_validation_request(KEK, random_key_bytes=size)
        with pytest.raises(KeySizeError, match="random key"):
            kek_validation_response(KEK, bytes(size))
    with pytest.raises(DataSizeError, match="random key"):
        kek_validation_request(KEK, random_bytes=lambda _: b"short")
    with pytest.raises(KeySizeError, match="KPP"):
        session_pin_key(KEK[:8], "000438", "000000000328")
    for stan, amount in (
        ("00438", "000000000328"),
        ("00043A", "000000000328"),
        ("000438", "328"),
        ("\u0660" * 6, "000000000328"),
    ):
        with pytest.raises(DataSizeError, match="digits"):
            session_pin_key(KEK, stan, amount)

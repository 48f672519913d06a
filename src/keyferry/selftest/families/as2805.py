"""The ops of as2805.json: working keys, KEK validation, session PIN keys."""

from __future__ import annotations

from keyferry.crypto.as2805 import (
    KEKVariant,
    ValidationMask,
    decrypt_working_key,
    encrypt_working_key,
    kek_validation_response,
    session_pin_key,
)
from keyferry.crypto.check_values import tdes_kcv
from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.selftest.case import Case
from keyferry.selftest.compare import Leading, Value

_VARIANTS = {variant.value: variant for variant in KEKVariant}


def working_key(case: Case) -> dict[str, Value]:
    """Encrypt a working key under a variant of the KEK, and decrypt it again."""
    kek, key = case.hex("kek"), case.hex("key")
    variant = case.choice("variant", _VARIANTS)
    cryptogram = encrypt_working_key(kek, variant, key)
    return {
        "cryptogram": cryptogram,
        "key": decrypt_working_key(kek, variant, cryptogram),
        "kcv": Leading(tdes_kcv(key, size=8)),
    }


def validation_response(case: Case) -> dict[str, Value]:
    """Answer a KEK validation; the random key inside is opened too."""
    kek, random_key_send = case.hex("kek"), case.hex("random_key_send")
    mask = ValidationMask.VARIANT_MASK_82.send
    masked = bytes(byte ^ mask[index % len(mask)] for index, byte in enumerate(kek))
    return {
        "random_key": CipherKey(Cipher.TDES, masked).decrypt_cbc(random_key_send, bytes(8)),
        "random_key_receive": kek_validation_response(kek, random_key_send),
    }


def session_key(case: Case) -> dict[str, Value]:
    """Derive the PIN key of a transaction and encrypt a clear PIN block under it."""
    kpe = session_pin_key(case.hex("kpp"), case.text("stan"), case.text("amount"))
    encrypted = CipherKey(Cipher.TDES, kpe).encrypt_ecb(case.hex("pin_block"))
    return {"kpe": kpe, "encrypted_pin_block": encrypted}


OPS = {
    "working_key": working_key,
    "kek_validation_response": validation_response,
    "session_pin_key": session_key,
}

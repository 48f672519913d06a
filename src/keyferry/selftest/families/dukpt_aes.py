"""The ops of dukpt-aes.json: keys of a transaction, and what is done with them."""

from __future__ import annotations

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.dukpt import AESBDK, AESPurpose, WorkingKeyType, aes_derivation_key
from keyferry.crypto.pin_block import PINBlockFormat, decrypt_pin_block, encrypt_pin_block
from keyferry.selftest.case import Case
from keyferry.selftest.compare import Leading, Value

_PURPOSES = {purpose.name.lower(): purpose for purpose in AESPurpose}
_KEY_TYPES = {key_type.value: key_type for key_type in WorkingKeyType}


def _working_key(case: Case, purpose: AESPurpose) -> bytes:
    key_type = case.choice("key_type", _KEY_TYPES)
    return AESBDK(case.hex("bdk")).working_key(case.hex("ksn"), purpose, key_type)


def _opened(case: Case, purpose: AESPurpose) -> CipherKey:
    cipher = Cipher.AES if case.text("key_type").startswith("AES") else Cipher.TDES
    return CipherKey(cipher, _working_key(case, purpose))


def initial_key(case: Case) -> dict[str, Value]:
    """Derive the key a terminal starts with."""
    return {"ik": AESBDK(case.hex("bdk")).initial_key(case.hex("initial_key_id"))}


def derivation_key(case: Case) -> dict[str, Value]:
    """Derive the intermediate key of a transaction from the initial key."""
    return {"derivation_key": aes_derivation_key(case.hex("ik"), case.hex("ksn"))}


def working_key(case: Case) -> dict[str, Value]:
    """Derive one working key of a transaction."""
    return {"working_key": _working_key(case, case.choice("usage", _PURPOSES))}


def pin_block4(case: Case) -> dict[str, Value]:
    """Encrypt a format 4 PIN block under the PIN key."""
    block = encrypt_pin_block(
        _opened(case, AESPurpose.PIN_ENCRYPTION),
        PINBlockFormat.ISO_4,
        case.text("pin"),
        case.text("pan"),
        fill=case.text("random"),
    )
    return {"encrypted_pin_block": block}


def pin_block0(case: Case) -> dict[str, Value]:
    """Encrypt a format 0 PIN block under a TDES PIN key."""
    key = _opened(case, AESPurpose.PIN_ENCRYPTION)
    block = encrypt_pin_block(key, PINBlockFormat.ISO_0, case.text("pin"), case.text("pan"))
    return {"encrypted_pin_block": block}


def pin_block4_decrypt(case: Case) -> dict[str, Value]:
    """Open a format 4 PIN block under the PIN key."""
    key, block = _opened(case, AESPurpose.PIN_ENCRYPTION), case.hex("encrypted_pin_block")
    return {"pin": decrypt_pin_block(key, PINBlockFormat.ISO_4, block, case.text("pan"))}


def mac(case: Case) -> dict[str, Value]:
    """Compute a CMAC."""
    key = _opened(case, case.choice("usage", _PURPOSES))
    return {"mac": Leading(key.cmac(case.hex("data")))}


def encrypt(case: Case) -> dict[str, Value]:
    """Encrypt data in CBC."""
    key = _opened(case, case.choice("usage", _PURPOSES))
    return {"ciphertext": key.encrypt_cbc(case.hex("plaintext"), case.hex("iv"))}


OPS = {
    "initial_key": initial_key,
    "derivation_key": derivation_key,
    "working_key": working_key,
    "pin_block4": pin_block4,
    "pin_block0": pin_block0,
    "pin_block4_decrypt": pin_block4_decrypt,
    "cmac": mac,
    "encrypt": encrypt,
}

"""The ops of dukpt-tdes.json: keys of a transaction, and what is done with them."""

from __future__ import annotations

from collections.abc import Callable

from keyferry.crypto.dukpt import TDESBDK, TDESPurpose, tdes_transaction_key
from keyferry.crypto.mac import cmac, retail_mac
from keyferry.crypto.pin_block import PINBlockFormat, decrypt_pin_block, encrypt_pin_block
from keyferry.crypto.tdes_key import TDESKey
from keyferry.selftest.case import Case
from keyferry.selftest.compare import Leading, Value

_MAC_PURPOSES = {"request": TDESPurpose.MAC_REQUEST, "response": TDESPurpose.MAC_RESPONSE}
_DATA_PURPOSES = {"request": TDESPurpose.DATA_REQUEST, "response": TDESPurpose.DATA_RESPONSE}
_MACS: dict[str, Callable[[TDESKey, bytes], bytes]] = {"retail": retail_mac, "cmac": cmac}


def _working_key(case: Case, purpose: TDESPurpose) -> TDESKey:
    return TDESKey(TDESBDK(case.hex("bdk")).working_key(case.hex("ksn"), purpose))


def initial_key(case: Case) -> dict[str, Value]:
    """Derive the key a terminal starts with."""
    return {"ik": TDESBDK(case.hex("bdk")).initial_key(case.hex("ksn"))}


def transaction_key(case: Case) -> dict[str, Value]:
    """Derive the key of a transaction from the BDK."""
    return {"transaction_key": TDESBDK(case.hex("bdk")).transaction_key(case.hex("ksn"))}


def transaction_key_from_ik(case: Case) -> dict[str, Value]:
    """Derive the key of a transaction from the initial key."""
    return {"transaction_key": tdes_transaction_key(case.hex("ik"), case.hex("ksn"))}


def working_keys(case: Case) -> dict[str, Value]:
    """Derive every working key of a transaction."""
    bdk, ksn = TDESBDK(case.hex("bdk")), case.hex("ksn")
    return {
        f"{purpose.value.lower()}_key": bdk.working_key(ksn, purpose) for purpose in TDESPurpose
    }


def pin_block(case: Case) -> dict[str, Value]:
    """Encrypt a format 0 PIN block under the PIN key."""
    key = _working_key(case, TDESPurpose.PIN)
    block = encrypt_pin_block(key, PINBlockFormat.ISO_0, case.text("pin"), case.text("pan"))
    return {"encrypted_pin_block": block}


def pin_block_decrypt(case: Case) -> dict[str, Value]:
    """Open a format 0 PIN block under the PIN key."""
    key, block = _working_key(case, TDESPurpose.PIN), case.hex("encrypted_pin_block")
    return {"pin": decrypt_pin_block(key, PINBlockFormat.ISO_0, block, case.text("pan"))}


def mac(case: Case) -> dict[str, Value]:
    """Compute a MAC in one direction."""
    key = _working_key(case, case.choice("direction", _MAC_PURPOSES))
    return {"mac": Leading(case.choice("algorithm", _MACS)(key, case.hex("data")))}


def encrypt(case: Case) -> dict[str, Value]:
    """Encrypt data in one direction."""
    key = _working_key(case, case.choice("direction", _DATA_PURPOSES))
    plaintext = case.hex("plaintext")
    if case.choice("mode", {"ECB": True, "CBC": False}):
        case.has("iv")  # written with every case, meant for CBC
        return {"ciphertext": key.encrypt_ecb(plaintext)}
    return {"ciphertext": key.encrypt_cbc(plaintext, case.hex("iv"))}


OPS = {
    "initial_key": initial_key,
    "transaction_key": transaction_key,
    "transaction_key_from_ik": transaction_key_from_ik,
    "working_keys": working_keys,
    "pin_block": pin_block,
    "pin_block_decrypt": pin_block_decrypt,
    "mac": mac,
    "encrypt": encrypt,
}

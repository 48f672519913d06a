"""10, 11, 13, 1A, 11B, 7E: keys of the host, under the MFK or under a KEK."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Final

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.components import odd_parity
from keyferry.crypto.keyblock.akb import MFK, AKBHeader
from keyferry.errors import KeyBlockAuthenticationError, MalformedKeyBlockError
from keyferry.hsm.atalla.simulator.call import (
    EXECUTION,
    HEADER,
    KEY_LENGTH,
    USAGE,
    VALUE,
    Call,
    OpenedKey,
    Result,
    handles,
)
from keyferry.hsm.atalla.simulator.outcome import CommandRefusedError

KEY_BYTES: Final = {"S": 8, "D": 16, "T": 24}
EVERY_USAGE: Final = "ABCDGIJKMPTVcdikmn"
EVERY_MODE: Final = "NEDGV"
FREE_KEK: Final = "0"
WORKING_KEY_IMPORT: Final = "I"


def new_material(length: str) -> bytes:
    """Return a random DES key of single, double or triple length, with odd parity."""
    return odd_parity(os.urandom(KEY_BYTES[length]))


@handles("10")
def generate(call: Call) -> Result:
    """Make a key, and wrap it under the MFK and on demand under a KEK."""
    header = call.header("header")
    if header.usage not in EVERY_USAGE or header.algorithm == "R":
        raise CommandRefusedError(VALUE, "header")
    material = new_material(call.values.text("length"))
    answer: dict[str, object] = {
        "new_key": call.wrap(header, material),
        "check_digits": call.check_digits(material),
    }
    if call.values.get("kek") is not None:
        kek = call.long_key("kek", "K", modes="NE")
        _check_not_weaker(kek, material)
        answer["new_key_under_kek"] = MFK(kek.material).wrap(header, material)
    return answer


@handles("11")
def export(call: Call) -> Result:
    """Bring a key from the MFK under a KEK, as an AKB."""
    kek = call.long_key("kek", "K", modes="NE")
    key = call.key("key", EVERY_USAGE, modes=EVERY_MODE)
    _check_export(call, kek, key)
    return {
        "exported_key": MFK(kek.material).wrap(key.header, key.material),
        "check_digits": call.check_digits(key.material),
    }


@handles("13")
def import_akb(call: Call) -> Result:
    """Bring a key from under a KEK under the MFK."""
    kek = call.long_key("kek", "K", modes="ND")
    try:
        opened = MFK(kek.material).unwrap(call.values.text("key_under_kek"))
    except KeyBlockAuthenticationError as error:
        raise CommandRefusedError(EXECUTION, "key_under_kek") from error
    except MalformedKeyBlockError as error:
        raise CommandRefusedError(VALUE, "key_under_kek") from error
    _check_import(call, opened.header, "key_under_kek")
    return {
        "new_key": call.wrap(opened.header, opened.key),
        "check_digits": call.check_digits(opened.key),
    }


@handles("1A")
def export_cryptogram(call: Call) -> Result:
    """Encrypt a key under a KEK, without a header; ECB, as variant 0 leaves the KEK alone."""
    kek = call.long_key("kek", "K", modes="NE")
    key = call.key("key", EVERY_USAGE, modes=EVERY_MODE)
    _check_export(call, kek, key)
    return {
        "exported_cryptogram": CipherKey(Cipher.TDES, kek.material).encrypt_ecb(key.material),
        "check_digits": call.check_digits(key.material),
    }


@handles("11B")
def import_cryptogram(call: Call) -> Result:
    """Take in a key that came without a header; the KEK's own says what it becomes."""
    kek = call.long_key("kek", EVERY_USAGE, modes=EVERY_MODE)
    if kek.header.special != WORKING_KEY_IMPORT:
        raise CommandRefusedError(HEADER, "kek")
    cryptogram = call.values.raw("cryptogram")
    if len(cryptogram) not in KEY_BYTES.values():
        raise CommandRefusedError(KEY_LENGTH, "cryptogram")
    header = replace(kek.header, special=FREE_KEK)
    _check_import(call, header, "kek")
    material = CipherKey(Cipher.TDES, kek.material).decrypt_ecb(cryptogram)
    return {"new_key": call.wrap(header, material), "check_digits": call.check_digits(material)}


@handles("7E")
def check_digits(call: Call) -> Result:
    """Compute check digits: 4 by method S, 6 by method V."""
    key = call.key("key", EVERY_USAGE, modes=EVERY_MODE)
    method = call.values.text("method")
    full = call.check_digits(key.material)
    return {"shown_method": method, "check_digits": full[:4] if method == "S" else full}


def _check_export(call: Call, kek: OpenedKey, key: OpenedKey) -> None:
    call.check_may_leave(key, "key")
    if key.header.usage in "Kk":
        call.check_e2()
    _check_not_weaker(kek, key.material)


def _check_import(call: Call, header: AKBHeader, name: str) -> None:
    if header.usage not in call.device.settings.e0:
        raise CommandRefusedError(USAGE, name)


def _check_not_weaker(kek: OpenedKey, material: bytes) -> None:
    if len(kek.material) < len(material):
        raise CommandRefusedError(KEY_LENGTH, "kek")

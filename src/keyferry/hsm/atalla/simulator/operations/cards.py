"""5D, 5E, 97, 98, 99, 39B: card values, data, MACs."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from keyferry.crypto.card_verification import cvv, verify_cvv
from keyferry.crypto.mac import cbc_mac, retail_mac
from keyferry.errors import CardDataVerificationError
from keyferry.hsm.atalla.simulator.call import (
    KEY_LENGTH,
    LENGTH,
    Call,
    OpenedKey,
    Result,
    handles,
)
from keyferry.hsm.atalla.simulator.outcome import CommandRefusedError

CVV_DIGITS: Final = 8
_EXPIRY_AND_SERVICE_CODE: Final = 7
_HMAC_HASHES: Final = {"2": hashlib.sha256, "h": hashlib.sha1}


@handles("5D")
def generate_cvv(call: Call) -> Result:
    """Return eight digits, of which cards carry the first three."""
    key = call.long_key("kcvv", "C", modes="NG")
    pan, expiry, service_code = _card(call)
    value = cvv(key.tdes, pan=pan, expiry=expiry, service_code=service_code, size=CVV_DIGITS)
    return {"new_cvv": value, "check_digits": call.check_digits(key.material)}


@handles("5E")
def check_cvv(call: Call) -> Result:
    """Verify a card value, with as many digits as it has."""
    key = call.long_key("kcvv", "C", modes="NV")
    pan, expiry, service_code = _card(call)
    try:
        verify_cvv(
            key.tdes, call.values.text("cvv"), pan=pan, expiry=expiry, service_code=service_code
        )
    except CardDataVerificationError:
        verdict = "N"
    else:
        verdict = "Y"
    return {"verdict": verdict, "check_digits": call.check_digits(key.material)}


def _card(call: Call) -> tuple[str, str, str]:
    data = call.values.text("card_data")
    return data[:-_EXPIRY_AND_SERVICE_CODE], data[-7:-3], data[-3:]


@handles("97")
def encrypt_or_decrypt(call: Call) -> Result:
    """Encrypt or decrypt whole blocks: CBC from zeros (the mode is inferred)."""
    direction = call.values.text("direction")
    opened = call.key("dek", "D", modes="N" + direction)
    data = _data(call)
    if len(data) % 8:
        raise CommandRefusedError(LENGTH, "data")
    key = opened.cipher
    result = (key.encrypt_cbc if direction == "E" else key.decrypt_cbc)(data, bytes(8))
    return {
        "shown_direction": direction,
        "shown_mode": call.values.text("cipher_mode"),
        "check_digits": call.check_digits(opened.material),
        "shown_iv_kind": call.values.text("iv_kind"),
        "shown_form": call.values.text("data_form"),
        "new_length": 2 * len(result),
        "new_data": result,
        "items": (),
    }


@handles("98")
def generate_mac(call: Call) -> Result:
    """Return a MAC of eight bytes in groups of four digits."""
    key, mac = _mac(call, "NG")
    return {
        "shown_algorithm": call.values.text("algorithm"),
        "new_mac": grouped(mac),
        "check_digits": call.check_digits(key.material),
        "items": (),
    }


@handles("99")
def verify_mac(call: Call) -> Result:
    """Verify the left part of a MAC: four bytes at least."""
    key, mac = _mac(call, "NV")
    given = call.values.text("mac").replace(" ", "").upper()
    if not 8 <= len(given) <= 16:
        raise CommandRefusedError(LENGTH, "mac")
    same = hmac.compare_digest(mac.hex().upper()[: len(given)].encode(), given.encode())
    return {
        "shown_algorithm": call.values.text("algorithm"),
        "verdict": "Y" if same else "N",
        "check_digits": call.check_digits(key.material),
        "items": (),
    }


def _mac(call: Call, modes: str) -> tuple[OpenedKey, bytes]:
    opened = call.key("mac_key", "M", modes=modes)
    data = _data(call)
    if call.values.text("algorithm") == "1":
        return opened, cbc_mac(opened.cipher, data)
    if len(opened.material) < 16:
        raise CommandRefusedError(KEY_LENGTH, "mac_key")
    return opened, retail_mac(opened.tdes, data)


def _data(call: Call) -> bytes:
    data = call.values.raw("data")
    # Whether the length counts bytes or the digits that carry them is not certain.
    if call.values.number("length") not in (len(data), 2 * len(data)):
        raise CommandRefusedError(LENGTH, "length")
    return data


@handles("39B")
def generate_hmac(call: Call) -> Result:
    """Return the HMAC under a key that may be spread over two AKBs."""
    code = call.values.text("hash")
    algorithms = "2" if code == "2" else "H"
    key = call.key("hmac_key", "M", modes="NG", algorithms=algorithms).material
    if call.values.get("second_part") is not None:
        key += call.key("second_part", "M", modes="NG", algorithms=algorithms).material
    digest = _HMAC_HASHES[code]
    size = call.device.settings.check_digits
    return {
        "new_mac": hmac.digest(key, call.values.raw("data"), digest),
        "check_digits": hmac.digest(key, b"", digest).hex().upper()[:size],
    }


def grouped(mac: bytes) -> str:
    """Return bytes in groups of four hex digits, separated by blanks."""
    text = mac.hex().upper()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))

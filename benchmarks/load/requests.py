"""The requests the benchmarks send, signed."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.load.filled_store import KnownKey
from benchmarks.load.signed import signed, signed_data
from keyferry.crypto.card_verification import cvv
from keyferry.crypto.pin_block import PINBlockFormat, encrypt_pin_block
from keyferry.crypto.tdes_key import TDESKey

AES_PEK = {
    "KeyUsage": "TR31_P0_PIN_ENCRYPTION_KEY",
    "KeyClass": "SYMMETRIC_KEY",
    "KeyAlgorithm": "AES_256",
    "KeyModesOfUse": {"Encrypt": True, "Decrypt": True, "Wrap": True, "Unwrap": True},
}


def verify_requests(url: str, keys: Sequence[KnownKey], count: int) -> list[bytes]:
    """VerifyCardValidationData: CVVs that verify, each of another card, the keys in turns."""
    opened = [TDESKey(key.material) for key in keys]
    requests = []
    for number in range(count):
        key, pan = number % len(keys), f"{5432_1012_0000_0000 + number * 7919}"
        attributes = {"CardVerificationValue1": {"CardExpiryDate": "1228", "ServiceCode": "101"}}
        body = {
            "KeyIdentifier": keys[key].arn,
            "PrimaryAccountNumber": pan,
            "VerificationAttributes": attributes,
            "ValidationData": cvv(opened[key], pan=pan, expiry="1228", service_code="101"),
        }
        requests.append(signed_data(url, "/cardvalidationdata/verify", body))
    return requests


def translate_requests(url: str, keys: Sequence[KnownKey], count: int) -> list[bytes]:
    """TranslatePinData from one PEK to another, ISO format 0 to 3, each of another card."""
    incoming, outgoing = keys[0], keys[1]
    opened = TDESKey(incoming.material)
    requests = []
    for number in range(count):
        pan = f"{5432_1012_0000_0000 + number * 7919}"
        block = encrypt_pin_block(opened, PINBlockFormat.ISO_0, f"{number:04d}"[-4:], pan)
        body = {
            "IncomingKeyIdentifier": incoming.arn,
            "OutgoingKeyIdentifier": outgoing.arn,
            "IncomingTranslationAttributes": {"IsoFormat0": {"PrimaryAccountNumber": pan}},
            "OutgoingTranslationAttributes": {"IsoFormat3": {"PrimaryAccountNumber": pan}},
            "EncryptedPinBlock": block.hex().upper(),
        }
        requests.append(signed_data(url, "/pindata/translate", body))
    return requests


def create_requests(url: str, count: int) -> list[bytes]:
    """CreateKey of an AES-256 PIN encryption key."""
    body = {"KeyAttributes": AES_PEK, "Exportable": True}
    return [signed(url, "CreateKey", body) for _ in range(count)]

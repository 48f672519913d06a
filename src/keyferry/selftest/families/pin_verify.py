"""The ops of pin-verify.json: IBM 3624 and Visa PVV."""

from __future__ import annotations

from typing import TypedDict

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.pin_verification import (
    ibm3624_natural_pin,
    ibm3624_offset,
    ibm3624_pin_from_offset,
    verify_ibm3624,
    verify_visa_pvv,
    visa_pvv,
)
from keyferry.selftest.case import Case
from keyferry.selftest.compare import Value


class _IBM3624Inputs(TypedDict):
    decimalization_table: str
    validation_data: str


class _VisaInputs(TypedDict):
    pan: str
    pvki: str
    pin: str


def _pvk(case: Case) -> CipherKey:
    return CipherKey(Cipher.TDES, case.hex("pvk"))


def _ibm3624(case: Case) -> _IBM3624Inputs:
    return {
        "decimalization_table": case.text("decimalization_table"),
        "validation_data": case.text("validation_data"),
    }


def _visa(case: Case) -> _VisaInputs:
    return {"pan": case.text("pan"), "pvki": case.text("pvki"), "pin": case.text("pin")}


def natural_pin(case: Case) -> dict[str, Value]:
    """Derive the natural PIN."""
    size = case.number("pin_length")
    return {"pin": ibm3624_natural_pin(_pvk(case), **_ibm3624(case), size=size)}


def pin_from_offset(case: Case) -> dict[str, Value]:
    """Add an offset to the natural PIN."""
    offset = case.text("offset")
    return {"pin": ibm3624_pin_from_offset(_pvk(case), **_ibm3624(case), offset=offset)}


def offset_of_pin(case: Case) -> dict[str, Value]:
    """Find the offset of a chosen PIN."""
    pin = case.text("pin")
    return {"offset": ibm3624_offset(_pvk(case), **_ibm3624(case), pin=pin)}


def ibm3624_verify(case: Case) -> dict[str, Value]:
    """Verify a PIN by its offset."""
    offset, pin = case.text("offset"), case.text("pin")
    verify_ibm3624(_pvk(case), **_ibm3624(case), offset=offset, pin=pin)
    return {}


def pvv(case: Case) -> dict[str, Value]:
    """Compute a PVV."""
    return {"pvv": visa_pvv(_pvk(case), **_visa(case))}


def pvv_verify(case: Case) -> dict[str, Value]:
    """Verify a PIN by its PVV."""
    verify_visa_pvv(_pvk(case), **_visa(case), pvv=case.text("pvv"))
    return {}


OPS = {
    "ibm3624_natural_pin": natural_pin,
    "ibm3624_pin_from_offset": pin_from_offset,
    "ibm3624_offset": offset_of_pin,
    "ibm3624_verify": ibm3624_verify,
    "visa_pvv": pvv,
    "visa_pvv_verify": pvv_verify,
}

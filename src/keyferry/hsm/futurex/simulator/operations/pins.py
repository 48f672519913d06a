"""TPIN, EPIN, CPIN, VPIN, GPIN, GOFF: PINs in ISO format 0, and Visa PVVs."""

from __future__ import annotations

import os
from typing import Final

from keyferry.crypto.digits import random_digits
from keyferry.crypto.pin_block import PINBlockFormat, decrypt_pin_block, encrypt_pin_block
from keyferry.crypto.pin_verification import verify_visa_pvv, visa_pvv
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import PINBlockError, PINVerificationError
from keyferry.hsm.futurex.refusals import INVALID, USAGE_VIOLATION
from keyferry.hsm.futurex.simulator.call import Call, Result, handles
from keyferry.hsm.futurex.simulator.key_halves import open_halves
from keyferry.hsm.futurex.simulator.mfk import PEK_MODIFIER, PVK_MODIFIER
from keyferry.hsm.futurex.simulator.outcome import Answer, CommandRefusedError, Status

_ISO_0: Final = PINBlockFormat.ISO_0
_PEK_USAGES: Final = ("P0",)
_PVK_USAGES: Final = ("V2",)
_DECRYPT: Final = "BD"
_ENCRYPT: Final = "BE"
# The tokens hold no check digit, and neither ISO format 0 nor the PVV looks at it.
_NO_CHECK_DIGIT: Final = "0"


@handles("TPIN")
def translate(call: Call) -> Result:
    """Put a PIN under another key; the format stays."""
    incoming = _pek(call, "pek", "AX", _DECRYPT)
    outgoing = _pek(call, "new_pek", "BT", _ENCRYPT)
    pin = _open_pin(call, incoming)
    if pin is None:
        return Answer(status=Status.SANITY)
    return Answer({"new_pin_block": _seal_pin(call, outgoing, pin)}, Status.YES)


@handles("EPIN")
def encrypt(call: Call) -> Result:
    """Put a clear PIN under a key."""
    pek = _pek(call, "pek", "AX", _ENCRYPT)
    block = _seal_pin(call, pek, call.values.text("pin"))
    return Answer({"new_pin_block": block}, Status.YES)


@handles("CPIN")
def decrypt(call: Call) -> Result:
    """Hand out a clear PIN, which a device in PCI-HSM mode never does."""
    if call.settings.pci_hsm:
        raise CommandRefusedError(USAGE_VIOLATION, "AX")
    pin = _open_pin(call, _pek(call, "pek", "AX", _DECRYPT))
    if pin is None:
        return Answer(status=Status.SANITY)
    return Answer({"new_pin": pin}, Status.YES)


@handles("VPIN")
def verify(call: Call) -> Result:
    """Verify a PIN by its PVV. Which methods BF tells apart is not public: it is always PVV."""
    pek, pvk = _pek(call, "pek", "AX", _DECRYPT), _pvk(call, "CV")
    pin = _open_pin(call, pek)
    if pin is None:
        return Answer(status=Status.SANITY)
    try:
        verify_visa_pvv(
            pvk,
            pan=_pvv_pan(call),
            pvki=call.values.text("pvki"),
            pin=pin,
            pvv=call.values.text("pvv"),
        )
    except PINVerificationError:
        return Answer(status=Status.NO)
    return Answer(status=Status.YES)


@handles("GPIN")
def generate(call: Call) -> Result:
    """Draw a PIN; return it under a key, with its PVV."""
    size = int(call.values.text("pin_length"))
    if not 4 <= size <= 12:
        raise CommandRefusedError(INVALID, "CM")
    pek, pvk = _pek(call, "new_pek", "BT", _ENCRYPT), _pvk(call, "CG")
    pin = random_digits(size, random_bytes=os.urandom)
    answer = {"new_pin_block": _seal_pin(call, pek, pin), "new_pvv": _pvv(call, pvk, pin)}
    return Answer(answer, Status.YES)


@handles("GOFF")
def make_pvv(call: Call) -> Result:
    """Return the PVV of a PIN the cardholder chose; W where the PIN is a single digit repeated."""
    pek, pvk = _pek(call, "pek", "AX", _DECRYPT), _pvk(call, "CG")
    pin = _open_pin(call, pek)
    if pin is None:
        return Answer(status=Status.SANITY)
    if len(set(pin)) == 1:
        return Answer(status=Status.WEAK)
    return Answer({"new_pvv": _pvv(call, pvk, pin)}, Status.YES)


def _pek(call: Call, name: str, tag: str, modes: str) -> TDESKey:
    key = call.open(name, tag, modifier=PEK_MODIFIER)
    key.require(_PEK_USAGES, modes)
    return key.tdes


def _pvk(call: Call, modes: str) -> TDESKey:
    key = open_halves(call, ("pvk_left", "CA"), ("pvk_right", "CB"), modifier=PVK_MODIFIER)
    key.require(_PVK_USAGES, modes)
    return key.tdes


def _open_pin(call: Call, pek: TDESKey) -> str | None:
    """Return the PIN, or None where the block does not open."""
    try:
        return decrypt_pin_block(pek, _ISO_0, call.values.raw("pin_block"), _pan(call))
    except PINBlockError:
        return None


def _seal_pin(call: Call, pek: TDESKey, pin: str) -> bytes:
    return encrypt_pin_block(pek, _ISO_0, pin, _pan(call))


def _pvv(call: Call, pvk: TDESKey, pin: str) -> str:
    return visa_pvv(pvk, pan=_pvv_pan(call), pvki=call.values.text("pvki"), pin=pin)


def _pan(call: Call) -> str:
    return call.values.text("pan_digits") + _NO_CHECK_DIGIT


def _pvv_pan(call: Call) -> str:
    return call.values.text("partial_pan") + _NO_CHECK_DIGIT

"""30, 31, 335, 3E, 32, 37: PIN blocks and PIN verification."""

from __future__ import annotations

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.dukpt import TDESBDK, TDESPurpose
from keyferry.crypto.pin_block import PINBlockFormat, decrypt_pin_block, encrypt_pin_block
from keyferry.crypto.pin_verification import (
    ibm3624_offset,
    pad_validation_data,
    verify_ibm3624,
    verify_visa_pvv,
    visa_pvv,
)
from keyferry.errors import PaymentDataError, PINBlockError, PINVerificationError
from keyferry.hsm.atalla.commands.pins import IBM3624
from keyferry.hsm.atalla.simulator.call import KEY_LENGTH, VALUE, Call, Result, handles
from keyferry.hsm.atalla.simulator.outcome import CommandRefusedError

ANSI = PINBlockFormat.ISO_0
NOT_SANE = "S"


def _pan(digits: str) -> str:
    """Return a PAN from the digits a command carries: all but the check digit, which follows."""
    return digits + "0"


def pin_key(call: Call, name: str, modes: str) -> CipherKey:
    """Open a PIN encryption key of any length."""
    return call.key(name, "P", modes=modes).cipher


@handles("30")
def encrypt_pin(call: Call) -> Result:
    """Put a clear PIN into an ANSI block under a key."""
    key = pin_key(call, "kpe", "NE")
    pin, pan = call.values.text("pin"), _pan(call.values.text("pan12"))
    return {"new_block": encrypt_pin_block(key, ANSI, pin, pan)}


@handles("31")
def translate(call: Call) -> Result:
    """Bring a PIN block from one key to another."""
    incoming, outgoing = pin_key(call, "kpe_in", "ND"), pin_key(call, "kpe_out", "NE")
    pan = call.values.text("pan12")
    return _translated(call, incoming, outgoing, pan, pan)


@handles("335")
def translate_pan(call: Call) -> Result:
    """Bring a PIN block to another key and another PAN."""
    incoming, outgoing = pin_key(call, "kpe_in", "ND"), pin_key(call, "kpe_out", "NE")
    return {
        **_translated(
            call,
            incoming,
            outgoing,
            call.values.text("pan12_in"),
            call.values.text("pan12_out"),
        ),
        **_digits(call, "P"),
    }


@handles("3E")
def translate_dukpt(call: Call) -> Result:
    """Bring a PIN block from or to a DUKPT key; a side without a serial number has a plain key."""
    incoming, outgoing = _side(call, "in", "ND"), _side(call, "out", "NE")
    return {
        **_translated(
            call,
            incoming,
            outgoing,
            call.values.text("pan12_in"),
            call.values.text("pan12_out"),
        ),
        **_digits(call, "Pd"),
    }


def _side(call: Call, side: str, modes: str) -> CipherKey:
    ksn = call.values.maybe(f"ksn_{side}", str)
    if ksn is None:
        return pin_key(call, f"kpe_{side}", modes)
    name = f"kpe_{side}"
    bdk = call.key(name, "d")
    if len(bdk.material) != 16:
        raise CommandRefusedError(KEY_LENGTH, name)
    if len(ksn) not in (16, 20):
        raise CommandRefusedError(VALUE, f"ksn_{side}")
    working = TDESBDK(bdk.material).working_key(bytes.fromhex(ksn), TDESPurpose.PIN)
    return CipherKey(Cipher.TDES, working)


def _digits(call: Call, usages: str) -> Result:
    return {
        f"digits_{side}": call.check_digits(call.key(f"kpe_{side}", usages, modes="NED").material)
        for side in ("in", "out")
    }


def _translated(
    call: Call, incoming: CipherKey, outgoing: CipherKey, pan_in: str, pan_out: str
) -> Result:
    try:
        pin = decrypt_pin_block(incoming, ANSI, call.values.raw("block"), _pan(pan_in))
    except PINBlockError:
        return {"sanity": "N"}
    return {"new_block": encrypt_pin_block(outgoing, ANSI, pin, _pan(pan_out)), "sanity": "Y"}


@handles("32")
def verify_pin(call: Call) -> Result:
    """Verify the PIN of a block by IBM 3624 or by PVV."""
    return {"verdict": _verdict(call)}


@handles("37")
def change_pin(call: Call) -> Result:
    """Verify the old PIN, then make offset or PVV of the new one."""
    verdict = _verdict(call)
    if verdict != "Y":
        return {"verdict": verdict}
    try:
        pin = _pin(call, "changed_block")
    except PINBlockError:
        return {"verdict": NOT_SANE}
    return {"verdict": verdict, "new_value": _reference_value(call, pin)}


def _pin(call: Call, name: str) -> str:
    key = pin_key(call, "kpe", "ND")
    return decrypt_pin_block(key, ANSI, call.values.raw(name), _pan(call.values.text("pan12")))


def _verdict(call: Call) -> str:
    kpv, table, data = _verification(call)
    try:
        pin = _pin(call, "block")
    except PINBlockError:
        return NOT_SANE
    try:
        if call.values.text("method") == IBM3624:
            size = int(call.values.text("check_length"))
            offset = call.values.text("offset")
            if not 4 <= size <= len(offset):
                raise CommandRefusedError(VALUE, "check_length")
            if len(pin) < size:
                return "N"
            verify_ibm3624(
                kpv,
                decimalization_table=table,
                validation_data=data,
                offset=offset[:size],
                pin=pin[:size],
            )
        else:
            verify_visa_pvv(
                kpv,
                pan=_pan(call.values.text("pan11")),
                pvki=call.values.text("pvki"),
                pin=pin,
                pvv=call.values.text("pvv"),
            )
    except PINVerificationError:
        return "N"
    return "Y"


def _reference_value(call: Call, pin: str) -> str:
    kpv, table, data = _verification(call)
    if call.values.text("method") == IBM3624:
        return ibm3624_offset(kpv, decimalization_table=table, validation_data=data, pin=pin)
    return visa_pvv(
        kpv, pan=_pan(call.values.text("pan11")), pvki=call.values.text("pvki"), pin=pin
    )


def _verification(call: Call) -> tuple[CipherKey, str, str]:
    """Return the PIN verification key, and for IBM 3624 conversion table and validation data."""
    if call.values.text("method") != IBM3624:
        return _key(call, "UV"), "", ""
    table = call.values.text("conversion_table")
    if "," in table:
        material = call.key("conversion_table", "n", algorithms="C").material
        table = material.hex().upper()
    pad = call.values.text("pad")
    try:
        data = pad_validation_data(call.values.text("validation_data"), pad)
    except PaymentDataError as error:
        raise CommandRefusedError(VALUE, "validation_data") from error
    if len(table) != 16 or not table.isdecimal():
        raise CommandRefusedError(VALUE, "conversion_table")
    return _key(call, "U3"), table, data


def _key(call: Call, algorithms: str) -> CipherKey:
    return call.key("kpv", "V", modes="NV", algorithms=algorithms).cipher

"""JA BA NG JC JE JG BG QK: PINs under the LMK; LO: decimalisation tables to a new LMK."""

from __future__ import annotations

import secrets
from typing import Final

from keyferry.crypto.ciphers import CipherKey
from keyferry.hsm.payshield.simulator.call import SYNTAX, Call, Result, handles
from keyferry.hsm.payshield.simulator.decimalisation import check_table, open_table, seal_table
from keyferry.hsm.payshield.simulator.key_roles import (
    ENCRYPT,
    ZPK,
    cipher_key,
    pin_key_role,
    ready,
)
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError
from keyferry.hsm.payshield.simulator.pin_blocks import (
    PIN_LENGTH,
    account_of,
    pan_of,
    read_block,
    write_block,
)
from keyferry.hsm.payshield.simulator.pin_under_lmk import PinUnderLMK

DEFAULT_LENGTH: Final = 4
PAN12: Final = 12
REFERENCE_DIGITS: Final = 12


def pins(call: Call) -> PinUnderLMK:
    """Return what seals and opens PINs under the LMK in force; made once for each."""
    place = ("PINs", call.lmk.identifier)
    found = call.device.opened_keys.get(place, PinUnderLMK)
    if found is None:
        found = PinUnderLMK(call.lmk, call.settings)
        call.device.opened_keys.put(place, found)
    return found


def seal(call: Call, pin: str, account: str) -> str:
    """Return a PIN under the LMK; refused with 24 where it is longer than the device is set to."""
    if not 4 <= len(pin) <= call.settings.pin_length:
        raise CommandRefusedError(PIN_LENGTH)
    return pins(call).seal(pin, account)


@handles("JA")
def generate_pin(call: Call) -> Result:
    """Generate a PIN and return it under the LMK, bound to the account number."""
    account, length = _account_and_length(call)
    if not 4 <= length <= call.settings.pin_length:
        raise CommandRefusedError(PIN_LENGTH)
    pin = "".join(secrets.choice("0123456789") for _ in range(length))
    return {"pin": seal(call, pin, account)}


def _account_and_length(call: Call) -> tuple[str, int]:
    """Return 12 digits of the account number and the PIN length, from either form."""
    account = call.values.text("account")
    length = call.values.maybe("pin_length", str)
    if length is not None:
        # A whole account number: the 12 rightmost digits without the check digit.
        return (account if len(account) == PAN12 else account[-13:-1]), int(length)
    if len(account) == PAN12:
        return account, DEFAULT_LENGTH
    if len(account) == PAN12 + 2:
        return account[:PAN12], int(account[PAN12:])
    raise CommandRefusedError(SYNTAX)


@handles("BA")
def encrypt_clear_pin(call: Call) -> Result:
    """Return a clear PIN under the LMK."""
    pin = call.values.text("clear_pin").rstrip("F")
    if not pin.isdecimal():
        raise CommandRefusedError(SYNTAX)
    return {"sealed_pin": seal(call, pin, call.values.text("account"))}


@handles("NG")
def decrypt_pin(call: Call) -> Result:
    """Return a clear PIN and the reference number of the request; needs its own activity."""
    if not call.device.has_activity("pin.clear.host"):
        raise CommandRefusedError("17")
    account = call.values.text("account")
    pin = pins(call).open(call.values.text("pin"), account)
    width = call.settings.pin_length + 1
    # What a device calls the reference number is not public: the account number under the LMK.
    reference = PinUnderLMK.reference(call.lmk, account)
    return {"clear_pin_and_reference": pin.ljust(width, "F") + reference}


@handles("JC", "JE")
def from_block(call: Call) -> Result:
    """Return the PIN of a block under TPK or ZPK, now under the LMK."""
    terminal = call.command.code == "JC"
    role = pin_key_role(call, terminal=terminal)
    key = ready(call, "tpk" if terminal else "zpk", role, cipher_key, CipherKey)
    values = call.values
    pin = read_block(key, values.text("format"), values.text("block"), pan_of(values))
    return {"sealed_pin": seal(call, pin, account_of(values))}


@handles("JG")
def to_block(call: Call) -> Result:
    """Return a PIN under the LMK, now in a block under a ZPK."""
    key = ready(call, "zpk", ZPK.for_(ENCRYPT), cipher_key, CipherKey)
    values = call.values
    pin = pins(call).open(values.text("pin"), account_of(values))
    return {"block": write_block(key, values.text("format"), pin, pan_of(values))}


@handles("BG")
def to_the_new_lmk(call: Call) -> Result:
    """Return a PIN that stood under the old LMK, now under the LMK; 33 where no old one is."""
    account = call.values.text("account")
    old = PinUnderLMK(call.device.lmks.old(call.lmk.identifier), call.settings)
    pin = old.open(call.values.text("pin"), account)
    return {"sealed_pin": seal(call, pin, account)}


@handles("QK")
def change_account(call: Call) -> Result:
    """Return a PIN under the LMK, bound to another account number."""
    values = call.values
    pin = pins(call).open(values.text("pin"), values.text("old_account"))
    return {"sealed_pin": seal(call, pin, values.text("new_account"))}


@handles("LO")
def table_to_the_new_lmk(call: Call) -> Result:
    """Return a decimalisation table that was enciphered under the old LMK, now under the LMK."""
    old = call.device.lmks.old(call.lmk.identifier)
    table = check_table(open_table(old, call.values.text("table")))
    return {"new_table": seal_table(call.lmk, table)}

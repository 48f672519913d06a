"""DA EA DC EC BC BE DE BK DG FW EE CU DU: PINs verified, PVVs and IBM offsets made."""

from __future__ import annotations

from hmac import compare_digest
from typing import Final

from keyferry.crypto.ciphers import CipherKey
from keyferry.crypto.pin_verification import visa_pvv
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import PaymentDataError
from keyferry.hsm.payshield.simulator.call import SECOND_KEY, SYNTAX, Call, Result, handles
from keyferry.hsm.payshield.simulator.ibm_offset import IBMPIN
from keyferry.hsm.payshield.simulator.key_roles import (
    GENERATE,
    PVK_IBM,
    PVK_VISA,
    TPK,
    KeyRole,
    cipher_key,
    double_key,
    pin_key_role,
    ready,
)
from keyferry.hsm.payshield.simulator.operations.pins import pins, seal
from keyferry.hsm.payshield.simulator.outcome import Answer, CommandRefusedError
from keyferry.hsm.payshield.simulator.pin_blocks import (
    PIN_LENGTH,
    account_of,
    pan_of,
    read_block,
)

MISMATCH: Final = "01"
_EITHER: Final = KeyRole("PIN key", ("001", "002", "70D"), ("P0", "71", "72"), TPK.modes)


def terminal_or_zone_pin(call: Call, *, terminal: bool) -> str:
    """Return the PIN of the block in a request under its TPK or ZPK."""
    name = "tpk" if terminal else "zpk"
    key = ready(call, name, pin_key_role(call, terminal=terminal), cipher_key, CipherKey)
    return _pin(call, key)


def _typed_key(call: Call) -> CipherKey:
    return ready(
        call, "key", _EITHER, cipher_key, CipherKey, key_type=call.values.text("key_type").upper()
    )


def _pin(call: Call, key: CipherKey, block: str = "block") -> str:
    values = call.values
    return read_block(key, values.text("format"), values.text(block), pan_of(values))


def visa_pvk(call: Call, modes: str = PVK_VISA.modes) -> TDESKey:
    """Return the PVK pair of a request."""
    role = PVK_VISA.for_(modes)
    return ready(call, "pvk", role, double_key, TDESKey, parity_code=SECOND_KEY)


def ibm(call: Call, modes: str = PVK_IBM.modes) -> IBMPIN:
    """Return the IBM verification that a request describes."""
    role = PVK_IBM.for_(modes)
    key = ready(call, "pvk", role, cipher_key, CipherKey, parity_code=SECOND_KEY)
    return IBMPIN(call, key)


def pvv_of(key: TDESKey, account: str, pvki: str, pin: str) -> str:
    """Return a PVV for 12 digits of an account number; refused with 15 where PVKI is none."""
    try:
        return visa_pvv(key, pan=f"{account}0", pvki=pvki, pin=pin)
    except PaymentDataError as error:
        raise CommandRefusedError(SYNTAX) from error


def verify_pvv(call: Call, pin: str, key: TDESKey) -> None:
    """Answer 01 unless the PVV of the request is the PIN's."""
    values = call.values
    account = values.maybe("verification_account", str) or account_of(values)
    if not compare_digest(pvv_of(key, account, values.text("pvki"), pin), values.text("pvv")):
        raise CommandRefusedError(MISMATCH)


def verify_offset(call: Call, pin: str, verification: IBMPIN) -> None:
    """Answer 01 unless the offset of the request leads to the PIN."""
    if not verification.matches(pin, call.values.text("offset")):
        raise CommandRefusedError(MISMATCH)


@handles("DA", "EA")
def verify_by_offset(call: Call) -> Result:
    """Verify a PIN by IBM offset."""
    pin = terminal_or_zone_pin(call, terminal=call.command.code == "DA")
    verification = ibm(call)
    if len(pin) > call.values.number("max_pin_length"):
        raise CommandRefusedError(PIN_LENGTH)
    verify_offset(call, pin, verification)
    return Answer({}, verification.code)


@handles("DC", "EC")
def verify_by_pvv(call: Call) -> Result:
    """Verify a PIN by PVV."""
    pin = terminal_or_zone_pin(call, terminal=call.command.code == "DC")
    verify_pvv(call, pin, visa_pvk(call))
    return {}


@handles("BC", "BE")
def compare_pins(call: Call) -> Result:
    """Compare the PIN of a block with one under the LMK."""
    pin = terminal_or_zone_pin(call, terminal=call.command.code == "BC")
    if not compare_digest(pin, pins(call).open(call.values.text("pin"), account_of(call.values))):
        raise CommandRefusedError(MISMATCH)
    return {}


@handles("DE")
def offset_of_pin(call: Call) -> Result:
    """Return the IBM offset of a PIN under the LMK."""
    key = ready(call, "pvk", PVK_IBM.for_(GENERATE), cipher_key, CipherKey)
    verification = IBMPIN(call, key)
    pin = pins(call).open(call.values.text("pin"), account_of(call.values))
    return Answer({"new_offset": verification.offset(pin)}, verification.code)


@handles("BK")
def offset_of_block(call: Call) -> Result:
    """Return the IBM offset of the PIN of a block."""
    key = _typed_key(call)
    verification = ibm(call, GENERATE)
    return Answer({"new_offset": verification.offset(_pin(call, key))}, verification.code)


@handles("DG")
def pvv_of_pin(call: Call) -> Result:
    """Return the PVV of a PIN under the LMK."""
    key = ready(call, "pvk", PVK_VISA.for_(GENERATE), double_key, TDESKey)
    account = account_of(call.values)
    pin = pins(call).open(call.values.text("pin"), account)
    return {"new_pvv": pvv_of(key, account, call.values.text("pvki"), pin)}


@handles("FW")
def pvv_of_block(call: Call) -> Result:
    """Return the PVV of the PIN of a block."""
    key = _typed_key(call)
    pvk = visa_pvk(call, GENERATE)
    pin = _pin(call, key)
    return {"new_pvv": pvv_of(pvk, account_of(call.values), call.values.text("pvki"), pin)}


@handles("EE")
def pin_from_offset(call: Call) -> Result:
    """Return the PIN an IBM offset leads to, under the LMK."""
    key = ready(call, "pvk", PVK_IBM.for_(GENERATE), cipher_key, CipherKey)
    verification = IBMPIN(call, key)
    pin = verification.pin(call.values.text("offset"))
    sealed = seal(call, pin, account_of(call.values))
    return Answer({"sealed_pin": sealed}, verification.code)


@handles("CU")
def change_by_pvv(call: Call) -> Result:
    """Verify a PIN by PVV and return the PVV of the new PIN."""
    key = _typed_key(call)
    pvk = visa_pvk(call, "CN")  # it verifies and generates
    verify_pvv(call, _pin(call, key), pvk)
    new = _pin(call, key, "new_block")
    return {"new_pvv": pvv_of(pvk, account_of(call.values), call.values.text("pvki"), new)}


@handles("DU")
def change_by_offset(call: Call) -> Result:
    """Verify a PIN by IBM offset and return the offset of the new PIN."""
    key = _typed_key(call)
    verification = ibm(call, "CN")
    verify_offset(call, _pin(call, key), verification)
    new = _pin(call, key, "new_block")
    return Answer({"new_offset": verification.offset(new)}, verification.code)

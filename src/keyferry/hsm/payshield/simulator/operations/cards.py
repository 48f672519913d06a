"""CW, CY and RY: card verification values."""

from __future__ import annotations

from typing import Final

from keyferry.crypto.card_verification import CSCVersion, amex_csc, check_card_value, cvv
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import CardDataVerificationError, PaymentDataError
from keyferry.hsm.payshield.simulator.call import SYNTAX, Call, Result, handles
from keyferry.hsm.payshield.simulator.key_roles import CVK, GENERATE, KeyRole, double_key, ready
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError
from keyferry.hsm.values import Values

MISMATCH: Final = "01"
_GENERATES: Final = CVK.for_(GENERATE)
_CSCK: Final = KeyRole("CSCK", ("402",), ("C0", "11"), "CGVN")
_SIZES: Final = (5, 4, 3)
_VERIFY: Final = "4"


def _value(key: TDESKey, values: Values) -> str:
    try:
        return cvv(
            key,
            pan=values.text("pan"),
            expiry=values.text("expiry"),
            service_code=values.text("service_code"),
        )
    except PaymentDataError as error:
        raise CommandRefusedError(SYNTAX) from error


@handles("CW")
def generate_cvv(call: Call) -> Result:
    """Return the CVV; the service code decides of which kind."""
    return {"new_cvv": _value(ready(call, "cvk", _GENERATES, double_key, TDESKey), call.values)}


@handles("CY")
def verify_cvv(call: Call) -> Result:
    """Answer 01 unless the CVV is right."""
    key = ready(call, "cvk", CVK, double_key, TDESKey)
    _check(_value(key, call.values), call.values.text("cvv"))
    return {}


@handles("RY")
def amex_codes(call: Call) -> Result:
    """Return the three card security codes, or answer 01 unless all three are right."""
    key = ready(call, "csck", _CSCK, double_key, TDESKey)
    values = call.values
    service_code = values.maybe("service_code", str)
    try:
        codes = {
            size: amex_csc(
                key,
                # A shorter account number is filled with zeros on the left.
                pan=values.text("account").lstrip("0"),
                expiry=values.text("expiry"),
                version=CSCVersion.V1 if service_code is None else CSCVersion.V2,
                service_code=service_code or "",
                size=size,
            )
            for size in _SIZES
        }
    except PaymentDataError as error:
        raise CommandRefusedError(SYNTAX) from error
    if values.text("mode") != _VERIFY:
        return {f"new_csc_{size}": code for size, code in codes.items()}
    shown = "".join(values.text(f"csc_{size}") for size in _SIZES)
    _check("".join(codes[size] for size in _SIZES), shown)
    return {}


def _check(expected: str, shown: str) -> None:
    try:
        check_card_value(expected, shown)
    except CardDataVerificationError as error:
        raise CommandRefusedError(MISMATCH) from error

"""JA: generate a random PIN."""

from __future__ import annotations

import secrets
from typing import Final

from keyferry.hsm.payshield.simulator.call import SYNTAX, Call, Result, handles
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError
from keyferry.hsm.payshield.simulator.pin_under_lmk import PinUnderLMK

DEFAULT_LENGTH: Final = 4
PIN_LENGTH: Final = "24"
PAN12: Final = 12


@handles("JA")
def generate_pin(call: Call) -> Result:
    """Generate a PIN and return it under the LMK, bound to the account number."""
    account, length = _account_and_length(call)
    if not 4 <= length <= call.settings.pin_length:
        raise CommandRefusedError(PIN_LENGTH)
    pin = "".join(secrets.choice("0123456789") for _ in range(length))
    return {"pin": PinUnderLMK(call.lmk, call.settings).seal(pin, account)}


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

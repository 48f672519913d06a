"""Card verification: CW and CY (CVV, CVV2, iCVV: the service code decides), RY (Amex CSC)."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Evidence
from keyferry.hsm.fields import DIGITS, Constant, Fields, Run, choice, digits
from keyferry.hsm.groups import When, equals
from keyferry.hsm.payshield.commands.pin_fields import VERIFICATION, command
from keyferry.hsm.payshield.key_field import KeyField

_CVK: Final = KeyField("cvk", bare=32)
_CARD: Final[Fields] = (
    Run("pan", DIGITS, 1, 19),
    Constant("delimiter", b";"),
    digits("expiry", 4),
    digits("service_code", 3),
)
_CODES: Final = ("csc_5", "csc_4", "csc_3")

CW: Final = command(
    "CW",
    "generate CVV",
    (_CVK, *_CARD),
    (digits("new_cvv", 3),),
    source="thalessimulatorlibrary, Payshield_test",
    evidence=(Evidence.VECTOR, Evidence.CLIENT),
    varying=("pan", "expiry", "service_code"),
)

CY: Final = command(
    "CY",
    "verify CVV",
    (_CVK, digits("cvv", 3), *_CARD),
    source="thalessimulatorlibrary, Payshield_test",
    evidence=(Evidence.CLIENT, Evidence.SIMULATOR),
    errors=VERIFICATION,
    varying=("cvv", "pan", "expiry", "service_code"),
)

RY: Final = command(
    "RY",
    "calculate or verify Amex CSC",
    (
        choice("mode", "3", "4", reply="03"),
        choice("flag", "0", "2", reply="04"),
        KeyField("csck", bare=32),
        digits("account", 19),
        digits("expiry", 4),
        When(equals("flag", "2"), (digits("service_code", 3),)),
        When(equals("mode", "4"), tuple(digits(name, int(name[-1])) for name in _CODES)),
    ),
    (When(equals("mode", "3"), tuple(digits(f"new_{name}", int(name[-1])) for name in _CODES)),),
    source="thalessimulatorlibrary",
    evidence=(Evidence.SIMULATOR,),
    errors={**VERIFICATION, "03": "invalid mode", "04": "invalid flag"},
)

COMMANDS: Final = (CW, CY, RY)

"""GCVV, GCVC, VCVV, VCVC: card verification values, one algorithm for both schemes."""

from __future__ import annotations

from typing import Final

from keyferry.crypto.card_verification import CVV2_SERVICE_CODE, cvv, verify_cvv
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import CardDataVerificationError, PaymentDataError
from keyferry.hsm.futurex.refusals import INVALID, MISSING
from keyferry.hsm.futurex.simulator.call import Call, Result, handles
from keyferry.hsm.futurex.simulator.key_halves import open_halves
from keyferry.hsm.futurex.simulator.mfk import CVK_MODIFIER
from keyferry.hsm.futurex.simulator.outcome import Answer, CommandRefusedError, Status

_USAGES: Final = ("C0",)
_TAGS: Final = {
    "PAN": "AV",
    "expiry date": "FA",
    "service code": "FB",
    "card verification value": "FC",
}


@handles("GCVV", "GCVC")
def generate(call: Call) -> Result:
    """Make the value of the track; with FT also the printed one."""
    cvk = _cvk(call, "CG")
    asked_cvv2 = call.values.get("ask_cvv2") is not None
    service_code = call.values.maybe("service_code", str)
    if service_code is None and not asked_cvv2:
        raise CommandRefusedError(MISSING, "FB")
    answer: dict[str, object] = {}
    if service_code is not None:
        answer["new_cvv"] = _make(call, cvk, service_code)
    if asked_cvv2:
        answer["new_cvv2"] = _make(call, cvk, CVV2_SERVICE_CODE)
    return answer


@handles("VCVV", "VCVC")
def verify(call: Call) -> Result:
    """Verify the value of the track (FC) or the printed one (FT), exactly one of them."""
    cvk = _cvk(call, "CV")
    value, value2 = call.values.maybe("cvv", str), call.values.maybe("cvv2", str)
    if (value is None) is (value2 is None):
        raise CommandRefusedError(MISSING if value is None else INVALID, "FC")
    service_code = call.values.maybe("service_code", str)
    if value is not None and service_code is None:
        raise CommandRefusedError(MISSING, "FB")
    try:
        verify_cvv(
            cvk,
            value or value2 or "",
            pan=call.values.text("pan"),
            expiry=call.values.text("expiry"),
            service_code=(service_code or "") if value is not None else CVV2_SERVICE_CODE,
        )
    except CardDataVerificationError:
        return Answer(status=Status.NO)
    except PaymentDataError as error:
        raise CommandRefusedError(INVALID, _TAGS.get(error.field, "AV")) from None
    return Answer(status=Status.YES)


def _cvk(call: Call, modes: str) -> TDESKey:
    key = open_halves(call, ("cvk_left", "CA"), ("cvk_right", "CB"), modifier=CVK_MODIFIER)
    key.require(_USAGES, modes)
    return key.tdes


def _make(call: Call, cvk: TDESKey, service_code: str) -> str:
    try:
        return cvv(
            cvk,
            pan=call.values.text("pan"),
            expiry=call.values.text("expiry"),
            service_code=service_code,
        )
    except PaymentDataError as error:
        raise CommandRefusedError(INVALID, _TAGS.get(error.field, "AV")) from None

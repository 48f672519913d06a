"""The ops of cvv.json: card verification values."""

from __future__ import annotations

from typing import TypedDict

from keyferry.crypto.card_verification import cvv, dcvv, verify_cvv
from keyferry.crypto.tdes_key import TDESKey
from keyferry.selftest.case import Case
from keyferry.selftest.compare import Value
from keyferry.selftest.families.emv_keys import icc_master_key


class _Card(TypedDict):
    pan: str
    expiry: str
    service_code: str


def _card(case: Case) -> _Card:
    return {
        "pan": case.text("pan"),
        "expiry": case.text("expiry"),
        "service_code": case.text("service_code"),
    }


def make(case: Case) -> dict[str, Value]:
    """Compute a CVV of 3 digits, or as many as the case wants."""
    size = case.number("digits") if case.has("digits") else 3
    return {"cvv": cvv(TDESKey(case.hex("cvk")), **_card(case), size=size)}


def verify(case: Case) -> dict[str, Value]:
    """Verify a CVV."""
    case.has("digits")
    verify_cvv(TDESKey(case.hex("cvk")), case.text("cvv"), **_card(case))
    return {}


def dynamic(case: Case) -> dict[str, Value]:
    """Compute a dCVV; the files leave the PAN sequence number at 00."""
    key = TDESKey(icc_master_key(case, psn="00"))
    return {"dcvv": dcvv(key, **_card(case), atc=case.text("atc"))}


OPS = {"cvv": make, "verify": verify, "dcvv": dynamic}

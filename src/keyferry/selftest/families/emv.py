"""The ops of emv.json: keys, cryptograms, scripts, CVC3."""

from __future__ import annotations

from keyferry.crypto.card_verification import cvc3, cvc3_from_iv
from keyferry.crypto.check_values import tdes_kcv
from keyferry.crypto.emv import (
    EMV2000_FRAMING,
    MASTERCARD_FRAMING,
    VISA_FRAMING,
    arpc_method1,
    arpc_method2,
    generate_arqc,
    make_pin_change,
    script_mac,
    verify_arqc,
    visa_pin_block,
)
from keyferry.crypto.padding import Padding
from keyferry.crypto.pin_block import PINBlockFormat, encode_pin_block
from keyferry.crypto.tdes_key import TDESKey
from keyferry.selftest.case import Case
from keyferry.selftest.compare import Leading, Value
from keyferry.selftest.families.emv_keys import icc_master_key, session_key

_PADDINGS = {"80": Padding.METHOD_2, "00": Padding.METHOD_1}
_FRAMINGS = {"visa": VISA_FRAMING, "mastercard": MASTERCARD_FRAMING, "emv": EMV2000_FRAMING}
# Written with whole transactions, whether the scheme takes them or not.
_TRANSACTION = ("atc", "arqc", "unpredictable_number", "diversifier")


def _opened(case: Case, member: str = "issuer_master_key") -> TDESKey:
    for unused in _TRANSACTION:
        case.has(unused)
    return TDESKey(session_key(case, icc_master_key(case, member)))


def card_key(case: Case) -> dict[str, Value]:
    """Derive the key of a card."""
    key = icc_master_key(case)
    return {"icc_master_key": key, "icc_kcv": Leading(tdes_kcv(key, size=8))}


def transaction_key(case: Case) -> dict[str, Value]:
    """Derive a session key."""
    return {"session_key": session_key(case, case.hex("icc_master_key"))}


def arqc(case: Case) -> dict[str, Value]:
    """Make a cryptogram."""
    padding = case.choice("padding", _PADDINGS)
    return {"arqc": generate_arqc(_opened(case), case.hex("data"), padding=padding)}


def arqc_verify(case: Case) -> dict[str, Value]:
    """Verify a cryptogram; what was verified is compared too."""
    key, data, padding = _opened(case), case.hex("data"), case.choice("padding", _PADDINGS)
    verify_arqc(key, case.hex("arqc"), data, padding=padding)
    return {"arqc": generate_arqc(key, data, padding=padding)}


def arpc1(case: Case) -> dict[str, Value]:
    """Answer a cryptogram with a response code."""
    return {"arpc": arpc_method1(_opened(case), arqc=case.hex("arqc_in"), arc=case.hex("arc"))}


def arpc2(case: Case) -> dict[str, Value]:
    """Answer a cryptogram with a card status update."""
    answer = arpc_method2(
        _opened(case),
        arqc=case.hex("arqc_in"),
        csu=case.hex("csu"),
        proprietary_data=case.hex("proprietary_data"),
    )
    return {"arpc": answer}


def command_mac(case: Case) -> dict[str, Value]:
    """Protect a script."""
    return {"mac": Leading(script_mac(_opened(case), case.hex("data")))}


def pin_change(case: Case) -> dict[str, Value]:
    """Make a PIN change script."""
    master_key, pin = icc_master_key(case, "cryptogram_master_key"), case.text("pin")
    if case.choice("pin_block_format", {"visa": True, "iso2": False}):
        current_pin = case.text("current_pin") if case.has("current_pin") else None
        block = visa_pin_block(master_key, pin, current_pin=current_pin)
    else:
        case.has("current_pin")
        block = encode_pin_block(PINBlockFormat.ISO_2, pin)
    change = make_pin_change(
        confidentiality_key=_opened(case, "confidentiality_master_key"),
        integrity_key=_opened(case, "integrity_master_key"),
        pin_block=block,
        framing=case.choice("encryption", _FRAMINGS),
        header=case.hex("command_header") + case.hex("mac_prefix"),
    )
    return {
        "pin_block": block,
        "encrypted_data": change.encrypted_pin_block,
        "mac": Leading(change.mac),
    }


def dynamic_code(case: Case) -> dict[str, Value]:
    """Compute a CVC3: all five digits, and as many of the rightmost as the case shows."""
    key = TDESKey(icc_master_key(case))
    number, atc = case.hex("unpredictable_number"), case.hex("atc")
    if case.has("track_iv"):
        iv = case.hex("track_iv")
        digits = cvc3_from_iv(key, iv=iv, unpredictable_number=number, atc=atc)
    else:
        digits = cvc3(key, track=case.hex("track"), unpredictable_number=number, atc=atc)
    size = len(case.text("cvc3")) if case.has("cvc3") else 5
    return {"cvc3_5": digits, "cvc3": digits[-size:]}


OPS = {
    "icc_master_key": card_key,
    "session_key": transaction_key,
    "arqc": arqc,
    "verify_arqc": arqc_verify,
    "arpc_method1": arpc1,
    "arpc_method2": arpc2,
    "script_mac": command_mac,
    "pin_change": pin_change,
    "cvc3": dynamic_code,
}

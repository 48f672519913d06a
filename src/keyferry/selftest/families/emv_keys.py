"""Card and session keys as the files name their schemes: for emv.json and cvv.json."""

from __future__ import annotations

from keyferry.crypto.emv import (
    MasterKeyOption,
    common_diversifier,
    derive_common_session_key,
    derive_emv2000_session_key,
    derive_icc_master_key,
    derive_visa_script_key,
)
from keyferry.crypto.tdes_key import TDESKey
from keyferry.selftest.case import Case

_OPTIONS = {option.value: option for option in MasterKeyOption}


def icc_master_key(case: Case, member: str = "issuer_master_key", *, psn: str = "") -> bytes:
    """Derive the key of a card from the issuer's, which is `member`; `psn` is read if not given."""
    return derive_icc_master_key(
        TDESKey(case.hex(member)),
        pan=case.text("pan"),
        psn=psn or case.text("psn"),
        option=case.choice("option", _OPTIONS),
    )


def session_key(case: Case, master_key: bytes) -> bytes:
    """Derive the key of a transaction or script from the card's, by the scheme of the case."""
    scheme = case.text("scheme")
    if scheme == "none":
        return master_key
    if scheme == "raw_common":
        return derive_common_session_key(master_key, case.hex("diversifier"))
    if scheme == "common_arqc":
        return derive_common_session_key(master_key, case.hex("arqc"))
    atc = case.hex("atc")
    if scheme == "common":
        return derive_common_session_key(master_key, common_diversifier(atc))
    if scheme == "mastercard":
        number = case.hex("unpredictable_number")
        return derive_common_session_key(master_key, common_diversifier(atc, number))
    if scheme == "visa_sm":
        return derive_visa_script_key(master_key, atc)
    if scheme == "emv2000":
        height, branch, iv = case.number("height"), case.number("branch"), case.hex("iv")
        return derive_emv2000_session_key(master_key, atc, height=height, branch=branch, iv=iv)
    raise case.refuse("scheme", "a scheme of session keys we know")

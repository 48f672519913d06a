"""KQ and KW: application cryptograms verified, and answered."""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest
from typing import Final

from keyferry.crypto.ciphers import CipherKey
from keyferry.crypto.emv import (
    MasterKeyOption,
    arpc_method1,
    arpc_method2,
    common_diversifier,
    derive_common_session_key,
    derive_emv2000_session_key,
    derive_icc_master_key,
    derive_visa_script_key,
    generate_arqc,
    script_mac,
)
from keyferry.crypto.padding import Padding
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import PaymentDataError
from keyferry.hsm.payshield.commands.emv import METHOD_1, METHOD_2
from keyferry.hsm.payshield.simulator.call import SECOND_KEY, SYNTAX, Call, Result, handles
from keyferry.hsm.payshield.simulator.key_roles import MK_AC, MK_SMI, KeyRole, double_key, ready
from keyferry.hsm.payshield.simulator.outcome import Answer, CommandRefusedError
from keyferry.hsm.values import Values

MISMATCH: Final = "01"
INVALID_MODE: Final = "03"
VISA, MCHIP, AMEX = "0", "1", "2"
_ARPC_ONLY: Final = "2"
_TREES: Final = {"0": (16, 2), "1": (8, 4)}  # height and branches of the EMV2000 tree
_ARPC_BYTES: Final = 8
_CSK_B: Final = "3"


def _card_key(call: Call, name: str, role: KeyRole, option: MasterKeyOption, code: str) -> bytes:
    key: CipherKey = ready(call, name, role, double_key, TDESKey, parity_code=code)
    account = call.values.raw("pan_psn").hex()
    if not account.isdecimal():
        raise CommandRefusedError(SYNTAX)
    if option is MasterKeyOption.B:
        account = account.lstrip("0")
    try:
        return derive_icc_master_key(key, pan=account[:-2], psn=account[-2:], option=option)
    except PaymentDataError as error:
        raise CommandRefusedError(SYNTAX) from error


def _padding(data: bytes, otherwise: Padding) -> Padding:
    """Return how transaction data is padded: as the host padded it, if it fills whole blocks."""
    return otherwise if len(data) % 8 else Padding.NONE


def _verify(call: Call, session_key: TDESKey, otherwise: Padding) -> Answer | None:
    """Return the answer to a wrong cryptogram, or None to a right one."""
    data = call.values.raw("data")
    expected = generate_arqc(session_key, data, padding=_padding(data, otherwise))
    if compare_digest(expected, call.values.raw("arqc")):
        return None
    if not call.device.has_activity("diag.kq.host"):
        return Answer({}, MISMATCH)
    # For whoever looks for the reason of a failure, officers may show the right one.
    return Answer({"arpc": expected}, MISMATCH)


@handles("KQ")
def proprietary_cryptogram(call: Call) -> Result:
    """Verify an ARQC and return an ARPC, as Visa, Mastercard and Amex define their own."""
    values = call.values
    mode, scheme = values.text("mode"), values.text("scheme")
    if mode in ("3", "4") and scheme != VISA:
        raise CommandRefusedError(INVALID_MODE)
    master = _card_key(call, "mk_ac", MK_AC, MasterKeyOption.A, "10")
    atc = values.raw("atc")
    session = master
    if scheme == MCHIP:
        diversifier = common_diversifier(atc, values.raw("unpredictable_number"))
        session = derive_common_session_key(master, diversifier)
    if mode != _ARPC_ONLY:
        padding = Padding.METHOD_2 if scheme == MCHIP else Padding.METHOD_1
        refused = _verify(call, TDESKey(session), padding)
        if refused is not None:
            return refused
    if mode in ("3", "4"):
        _verify_discretionary(call, atc)
    if mode in ("1", "2", "4"):
        return {
            "arpc": arpc_method1(TDESKey(master), arqc=values.raw("arqc"), arc=values.raw("arc"))
        }
    return {}


def _verify_discretionary(call: Call, atc: bytes) -> None:
    values = call.values
    master = _card_key(call, "mk_smi", MK_SMI, MasterKeyOption.A, SECOND_KEY)
    session = TDESKey(derive_visa_script_key(master, atc))
    expected = script_mac(session, values.raw("discretionary"))[:4]
    if not compare_digest(expected, values.raw("discretionary_mac")):
        raise CommandRefusedError(MISMATCH)


@handles("KW")
def common_cryptogram(call: Call) -> Result:
    """Verify an ARQC and return an ARPC by method 1 or 2, with EMV session keys."""
    values = call.values
    mode = values.text("mode")
    option = MasterKeyOption.B if values.text("scheme") in ("1", _CSK_B) else MasterKeyOption.A
    master = _card_key(call, "mk_ac", MK_AC, option, "10")
    session = TDESKey(_session_key(values)(master))
    if values.maybe("data", bytes) is not None:
        refused = _verify(call, session, Padding.METHOD_2)
        if refused is not None:
            return refused
    arqc = values.raw("arqc")
    if mode in METHOD_1:
        return {"arpc": arpc_method1(session, arqc=arqc, arc=values.raw("arc"))}
    if mode in METHOD_2:
        arpc = arpc_method2(
            session,
            arqc=arqc,
            csu=values.raw("csu"),
            proprietary_data=values.raw("proprietary"),
        )
        return {"arpc": arpc.ljust(_ARPC_BYTES, b"\x00")}
    return {}


def _session_key(values: Values) -> Callable[[bytes], bytes]:
    atc = values.raw("atc")
    tree = values.maybe("tree", str)
    if tree is None:
        return lambda master: derive_common_session_key(master, common_diversifier(atc))
    height, branch = _TREES[tree]
    return lambda master: derive_emv2000_session_key(
        master, atc, height=height, branch=branch, iv=values.raw("iv_ac")
    )

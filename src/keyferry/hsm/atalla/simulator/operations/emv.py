"""350, 351, 352: EMV cryptograms and issuer scripts."""

from __future__ import annotations

from typing import Final

from keyferry.crypto import emv
from keyferry.crypto.keyblock.akb import AKBHeader
from keyferry.crypto.mac import retail_mac
from keyferry.crypto.padding import Padding
from keyferry.crypto.pin_block import PINBlockFormat, decrypt_pin_block, encode_pin_block
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import CryptogramVerificationError, DataSizeError, PINBlockError
from keyferry.hsm.atalla.simulator.call import (
    KEY_LENGTH,
    LENGTH,
    VALUE,
    Call,
    OpenedKey,
    Result,
    handles,
)
from keyferry.hsm.atalla.simulator.operations.cards import grouped
from keyferry.hsm.atalla.simulator.operations.pins import pin_key
from keyferry.hsm.atalla.simulator.outcome import CommandRefusedError

MASTERCARD: Final = "0"
VISA_CVN_10: Final = "1"
COMMON: Final = ("0", "8")
VISA: Final = ("1", "2")
# Branches and height of the EMV2000 tree; the two of the standard, and one more (inferred).
TREES: Final = {"3": (2, 16), "4": (4, 8), "5": (16, 4)}
MAC_BYTES: Final = {"1": 4, "2": 6, "3": 8}
CONTINUATION: Final = AKBHeader.parse("1IDNE000")


def _issuer_key(call: Call, name: str, others: str) -> OpenedKey:
    key = call.key(name, "m", algorithms="E")
    if key.header.other not in others:
        raise CommandRefusedError("73", name)
    if len(key.material) != 16:
        raise CommandRefusedError(KEY_LENGTH, name)
    return key


def _card_key(call: Call, key: OpenedKey, pan: str, *, option_b: bool = False) -> bytes:
    psn = (call.values.maybe("psn", str) or "00").zfill(2)
    option = emv.MasterKeyOption.B if option_b else emv.MasterKeyOption.A
    return emv.derive_icc_master_key(key.tdes, pan=pan, psn=psn, option=option)


@handles("350")
def cryptogram(call: Call) -> Result:
    """Verify an ARQC; answer it where it is right, or as the failure code says."""
    issuer = _issuer_key(call, "imk_ac", "0a")
    card = _card_key(call, issuer, call.values.text("pan"))
    session = _cryptogram_key(call, card)
    data, arqc = call.values.raw("data"), call.values.raw("arqc")
    if len(data) % 8:
        raise CommandRefusedError(LENGTH, "data")
    failure = call.values.maybe("failure_code", str)
    arc: bytes | None = call.values.raw("arc")
    verdict = "Y"
    try:
        emv.verify_arqc(TDESKey(session), arqc, data)
    except CryptogramVerificationError:
        verdict = "N"
        arc = _failure_arc(failure)
    # Mastercard's older cards check the answer under the card's own key (common practice).
    answering = card if call.values.text("derivation") == MASTERCARD else session
    return {
        "arpc": _arpc(TDESKey(answering), arqc, arc) if arc else None,
        "session_digits": call.check_digits(session),
        "imk_digits": call.check_digits(issuer.material),
        "verdict": verdict if failure is not None else None,
    }


def _cryptogram_key(call: Call, card: bytes) -> bytes:
    if call.values.text("derivation") == VISA_CVN_10:
        return card
    diversification = call.values.maybe("diversification", bytes) or b""
    if len(diversification) == 2:
        diversification = emv.common_diversifier(diversification)
    if len(diversification) != 8:
        raise CommandRefusedError(LENGTH, "diversification")
    return emv.derive_common_session_key(card, diversification)


def _failure_arc(failure: str | None) -> bytes | None:
    if failure is None:
        return None
    try:
        arc = bytes.fromhex(failure)
    except ValueError as error:
        raise CommandRefusedError(VALUE, "failure_code") from error
    if len(arc) != 2:
        raise CommandRefusedError(LENGTH, "failure_code")
    return arc


def _arpc(key: TDESKey, arqc: bytes, arc: bytes) -> bytes:
    """Method 1 over a response code of two bytes, method 2 over a card status update of four."""
    if len(arc) == 2:
        return emv.arpc_method1(key, arqc=arqc, arc=arc)
    if len(arc) < 4:
        raise CommandRefusedError(LENGTH, "arc")
    return emv.arpc_method2(key, arqc=arqc, csu=arc[:4], proprietary_data=arc[4:])


def _script_key(call: Call, card: bytes) -> bytes:
    """Derive the session key of a script from the card's key."""
    kind, diversification = call.values.text("derivation"), call.values.raw("diversification")
    try:
        if kind in COMMON:
            return emv.derive_common_session_key(card, diversification)
        if kind in VISA:
            return emv.derive_visa_script_key(card, diversification)
        if kind in TREES:
            branch, height = TREES[kind]
            return emv.derive_emv2000_session_key(
                card, diversification, branch=branch, height=height
            )
        return emv.derive_unionpay_session_key(card, diversification)
    except DataSizeError as error:
        raise CommandRefusedError(LENGTH, "diversification") from error


@handles("351")
def change_pin(call: Call) -> Result:
    """Bring a new PIN from a PIN block to a script for the card."""
    kpe = call.key("kpe", "P", modes="ND")
    enc, mac = _issuer_key(call, "imk_enc", "E"), _issuer_key(call, "imk_mac", "M")
    text = call.values.text("application_pan")
    pan, option_b = text.removeprefix("B"), text.startswith("B")
    kind = call.values.text("derivation")
    ac: OpenedKey | None = None
    if kind in VISA:
        if call.values.get("imk_ac") is None:
            raise CommandRefusedError(VALUE, "imk_ac")
        ac = _issuer_key(call, "imk_ac", "0a")
    session_enc = _script_key(call, _card_key(call, enc, pan, option_b=option_b))
    session_mac = _script_key(call, _card_key(call, mac, pan, option_b=option_b))
    answer: dict[str, object] = {
        "kpe_digits": call.check_digits(kpe.material),
        "imk_enc_digits": call.check_digits(enc.material),
        "imk_mac_digits": call.check_digits(mac.material),
        "imk_ac_digits": call.check_digits(ac.material) if ac else None,
        "session_enc_digits": call.check_digits(session_enc),
        "session_mac_digits": call.check_digits(session_mac),
    }
    try:
        new_pin = _script_pin(call, "new_block")
        old_pin = _script_pin(call, "old_block") if call.values.get("old_block") else None
    except PINBlockError:
        return {"sanity": "N", **answer}
    if ac is not None:
        block = emv.visa_pin_block(
            _card_key(call, ac, pan, option_b=option_b), new_pin, current_pin=old_pin
        )
        framing = emv.VISA_FRAMING
    else:
        block = encode_pin_block(PINBlockFormat.ISO_2, new_pin)
        framing = emv.MASTERCARD_FRAMING if kind == MASTERCARD else emv.EMV2000_FRAMING
    change = emv.make_pin_change(
        confidentiality_key=TDESKey(session_enc),
        integrity_key=TDESKey(session_mac),
        pin_block=block,
        framing=framing,
        header=call.values.raw("application_data"),
    )
    return {
        "sanity": "Y",
        "encrypted_pin_block": change.encrypted_pin_block,
        "script_mac": change.mac,
        **answer,
    }


def _script_pin(call: Call, name: str) -> str:
    key = pin_key(call, "kpe", "ND")
    if call.values.text("block_type") == "0":
        return decrypt_pin_block(key, PINBlockFormat.ISO_1, call.values.raw(name))
    pan = call.values.text("pan12") + "0"
    return decrypt_pin_block(key, PINBlockFormat.ISO_0, call.values.raw(name), pan)


@handles("352")
def script_mac(call: Call) -> Result:
    """Return the MAC of a script, whose data the host has padded; long data comes in parts."""
    issuer = _issuer_key(call, "imk_mac", "M")
    session = TDESKey(_raw_session(call, issuer))
    data, length = call.values.raw("data"), call.values.text("mac_length")
    if len(data) % 8:
        raise CommandRefusedError(LENGTH, "data")
    if call.values.get("continuation_iv") is not None:
        iv = call.key("continuation_iv", "I").material
        if len(iv) != 8:
            raise CommandRefusedError(KEY_LENGTH, "continuation_iv")
        data = (int.from_bytes(iv) ^ int.from_bytes(data[:8])).to_bytes(8) + data[8:]
    if length == "0":
        chained = session.first.encrypt_cbc(data, bytes(8))[-8:]
        shown = call.wrap(CONTINUATION, chained)
    else:
        shown = grouped(retail_mac(session, data, padding=Padding.NONE)[: MAC_BYTES[length]])
    return {
        "shown_length": length,
        "new_mac": shown,
        "session_digits": call.check_digits(_raw_session(call, issuer)),
        "imk_digits": call.check_digits(issuer.material),
    }


def _raw_session(call: Call, issuer: OpenedKey) -> bytes:
    return _script_key(call, _card_key(call, issuer, call.values.text("pan")))

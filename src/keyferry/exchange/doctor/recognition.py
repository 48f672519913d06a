"""What an input is: told from its first characters, never from the name of its file."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from keyferry.exchange.doctor import frames, token_causes
from keyferry.exchange.doctor.akb import examine_akb
from keyferry.exchange.doctor.chain import examine_chain
from keyferry.exchange.doctor.configuration import examine_configuration
from keyferry.exchange.doctor.examination import (
    AtHand,
    Cause,
    Diagnosis,
    Examination,
    FoundError,
)
from keyferry.exchange.doctor.key_block import examine_key_block
from keyferry.exchange.doctor.packaging import find_package
from keyferry.exchange.doctor.token import examine_token
from keyferry.exchange.doctor.vendor_block import examine_thales_block, examine_variant_key

MAXIMUM_BYTES: Final = 1 << 20

EMPTY: Final = Cause("empty", "the file is empty, or the pipe before it failed", "give the input")
UNKNOWN: Final = Cause(
    "unknown-input",
    "it is none of the inputs doctor knows, or its beginning was lost",
    "give a key block, a TR-34 token, certificates in PEM or DER, an AKB, an HSM's answer, or the"
    " configuration of an exchange",
)
# The object identifier a token opens with, behind the SEQUENCE and its length (RFC 5652, 5.1).
_SIGNED_DATA: Final = bytes.fromhex("06092A864886F70D010702")

_DECODERS: Final[dict[str, Callable[[bytes], Any]]] = {
    ".json": msgspec.json.decode,
    ".yaml": msgspec.yaml.decode,
    ".yml": msgspec.yaml.decode,
    ".toml": msgspec.toml.decode,
}
_TR31: Final = re.compile(r"R?[A-Za-z][0-9]{3,4}.{6}")
_BARE_VENDOR: Final = re.compile(r"[01][0-9]{4}[0-9A-Z]{2}[A-Z][A-Z]")
_THALES: Final = re.compile(r"S[0-9][0-9]{2,4}")
_VARIANT: Final = re.compile(r"[UXTY][0-9A-Fa-f]{8,}$")
_AKB: Final = re.compile(r"[^,]{1,12},[^,]*,[^,]*$|[13][A-Za-z]{3}[A-Za-z]0[0-9A-Za-z]{2},")
# Other characters for the commas, or no header.
_AKB_REMAINS: Final = re.compile(
    r"[13][A-Za-z]\w[A-Za-z]{2}0\w{2}[^\w,][0-9A-Fa-f]{48}|[0-9A-Fa-f]{48},[0-9A-Fa-f]{16}$"
)
_HEX: Final = re.compile(r"[0-9A-Fa-f\s]+")
_Examiner = Callable[[Examination], None]


def diagnose(data: bytes, at_hand: AtHand, *, suffix: str = "") -> Diagnosis:
    """
    Examine an input and name the first check that fails.

    Args:
        data: of the file; at most 1 MiB.
        at_hand: keys and certificates beside it.
        suffix: of the file's name, which tells YAML and TOML apart; `.json` and none mean JSON.

    Returns:
        The diagnosis. Whatever `data` holds, nothing is raised.
    """
    kind, examiner = _recognise(data, suffix.lower(), at_hand)
    examination = Examination(kind, at_hand)
    try:
        examiner(examination)
    except FoundError as error:
        return examination.close(error.finding)
    return examination.close(None)


def _recognise(data: bytes, suffix: str, at_hand: AtHand) -> tuple[str, _Examiner]:
    if suffix in (".yaml", ".yml", ".toml"):
        decoder = _DECODERS[suffix]
        return "configuration", lambda e: examine_configuration(data, e, decoder=decoder)
    package = find_package(data)
    if package is not None:
        return "something in another form", lambda e: e.fail("form", package.cause, package.problem)
    if not data.strip():
        return "nothing", lambda e: e.fail("content", EMPTY, "there is nothing in it")
    if b"-----BEGIN" in data or b"-----END" in data:
        return "certificates", lambda e: examine_chain(data, e)
    if data[:1] == b"\x30" and data[1:2] >= b"\x80":
        return _recognise_der(data, None)
    text = _text_of(data)
    if text is None and data.lstrip()[:1] == b"{":
        return "configuration", lambda e: examine_configuration(data, e)
    if text is None:
        return _recognise_binary(data, at_hand)
    return _recognise_text(text, data, at_hand)


def _recognise_text(text: str, data: bytes, at_hand: AtHand) -> tuple[str, _Examiner]:
    first = text[:1]
    if first == "{" or suffix_free_json(text):
        return "configuration", lambda e: examine_configuration(data, e)
    if first == "[" or re.match(r"AO[A-Z]{4};", text):
        return "Futurex answer", lambda e: frames.examine_futurex(text, e)
    if first == "<" or re.match(r"[0-9A-F]{2,4}#", text):
        return "Atalla answer", lambda e: frames.examine_atalla(text, e)
    if _AKB.match(text) or _AKB_REMAINS.match(text):
        return "Atalla key block", lambda e: examine_akb(text, e)
    if _THALES.match(text):
        return "payShield key block", lambda e: examine_thales_block(text, e)
    if _VARIANT.match(text):
        return "key under a variant LMK", lambda e: examine_variant_key(text, e)
    if frames.find_payshield_answer(data.strip(), at_hand.header_bytes) and len(text) < 16:
        return "payShield answer", lambda e: frames.examine_payshield(data.strip(), e)
    if _BARE_VENDOR.match(text) or (_TR31.match(text) and not _is_frame_text(text, at_hand)):
        return "TR-31 key block", lambda e: examine_key_block(text, e)
    if _HEX.fullmatch(text) or text[:3] == "308":
        return _recognise_hex(text, at_hand)
    if frames.find_payshield_answer(data.strip(), at_hand.header_bytes):
        return "payShield answer", lambda e: frames.examine_payshield(data.strip(), e)
    if len(text) >= 16 and text[1:5].isalnum() and text[:1].isalnum() and " " not in text[:16]:
        return "TR-31 key block", lambda e: examine_key_block(text, e)
    return "unknown", lambda e: e.fail("kind", UNKNOWN, "it starts like none of the known inputs")


def suffix_free_json(text: str) -> bool:
    """Whether text is JSON of another kind than an object, or one whose first brace was lost."""
    return re.match(r'"(kdh|krd)"\s*:', text) is not None


def _is_frame_text(text: str, at_hand: AtHand) -> bool:
    """Whether a short text is an answer rather than a block that was cut short."""
    return (
        len(text) < 16
        and frames.find_payshield_answer(text.encode("ascii"), at_hand.header_bytes) is not None
    )


def _recognise_hex(text: str, at_hand: AtHand) -> tuple[str, _Examiner]:
    digits = "".join(text.split())
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        problem = (
            "an odd number of hex digits"
            if _HEX.fullmatch(text)
            else "there are characters that are no hex digits"
        )
        return "TR-34 token", lambda e: e.fail("form", token_causes.NOT_HEX, problem)
    if data[:1] == b"\x30" and (len(data) > 60 or data[1:2] >= b"\x80"):
        return _recognise_der(data, digits)
    if data[:1] in (b"<", b"["):
        return _recognise_text(data.decode("latin-1"), data, at_hand)
    return _recognise_binary(data, at_hand)


def _recognise_der(data: bytes, digits: str | None) -> tuple[str, _Examiner]:
    """Tell tokens from certificates by the second element: an identifier, or a SEQUENCE."""
    skip = 2 + (data[1] & 0x7F if len(data) > 1 and data[1] > 0x80 else 0)
    if data[skip : skip + 1] == b"\x30":
        return "certificates", lambda e: examine_chain(data, e)
    return "TR-34 token", lambda e: examine_token(data, e, text=digits)


def _recognise_binary(data: bytes, at_hand: AtHand) -> tuple[str, _Examiner]:
    at = data.find(_SIGNED_DATA, 0, len(_SIGNED_DATA) + 6)
    if at >= 0:
        problem = f"{at} bytes stand before its type, where a SEQUENCE and its length belong"
        return "TR-34 token", lambda e: e.fail("form", token_causes.START_LOST, problem)
    found = frames.find_payshield_answer(data, at_hand.header_bytes)
    if found or data[:1] == b"\x00":
        return "payShield answer", lambda e: frames.examine_payshield(data, e)
    text = data.decode("latin-1").strip()
    if _TR31.match(text) or _THALES.match(text):
        return "TR-31 key block", lambda e: examine_key_block(text, e)
    return "unknown", lambda e: e.fail("kind", UNKNOWN, "it starts like none of the known inputs")


def _text_of(data: bytes) -> str | None:
    """Return printable ASCII without the white space around it; None if there is other."""
    try:
        text = data.decode("ascii").strip()
    except UnicodeDecodeError:
        return None
    return (
        text if text.isprintable() or not any(c < " " and c not in "\t\r\n" for c in text) else None
    )

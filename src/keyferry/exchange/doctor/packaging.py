"""
Inputs in something else: an encoding, quotes, a name before them, a JSON or XML message, a log.

What they hold may be whole. The tool or person that would take them is not helped by that: they
are named, with what to do, before any check of what is inside.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from keyferry.exchange.doctor.examination import Cause

_ALONE: Final = "give what it holds alone, from its first character to its last"

ENCODING: Final = Cause(
    "text-encoding",
    "a Windows editor or PowerShell wrote the file as UTF-16, or with a byte order mark",
    "save it as plain ASCII; in PowerShell write with Out-File -Encoding ascii",
)
QUOTED: Final = Cause(
    "quoted", "it was copied with its quotes out of a program, a table or a message", _ALONE
)
BASE64: Final = Cause(
    "base64",
    "an API, a mail program or a tool wrote it as base64; a KDH sends hex or DER",
    "decode it first: base64 -d FILE",
)
HEX_FORM: Final = Cause(
    "hex-form",
    "a tool wrote the hex digits with separators or with 0x before them",
    "write the digits alone: tr -d ':-, ' < FILE",
)
MESSAGE: Final = Cause(
    "json-message",
    "a request or an answer of the API was given, not the member that travels in it",
    "give the value of that member alone, without quotes",
)
ESCAPED: Final = Cause(
    "escaped", "it was copied out of a web page or an XML message", "write < and > as themselves"
)
NAMED: Final = Cause("named-value", "the name of the value was copied along", _ALONE)
SURROUNDED: Final = Cause(
    "surrounded", "it was copied out of a log or an XML message, with what stood around it", _ALONE
)
SEVERAL: Final = Cause(
    "several-inputs", "a file of several keys was given", "give one key block a time"
)
BARE_CODE: Final = Cause(
    "bare-code",
    "it is as short as an error code alone; doctor takes whole answers",
    "look the code up: keyferry explain payshield 26, explain atalla 0607, explain futurex 34",
)

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig", "a byte order mark stands first"),
    (codecs.BOM_UTF16_LE, "utf-16", "it is UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "it is UTF-16"),
)
_BLOCK: Final = re.compile(r"[A-E]\d{4}[0-9A-Z]{2}[A-Z][0-9A-Z]\d{2}[A-Z0-9]")
_TOKEN: Final = re.compile(r"308[0-9A-Fa-f]{20,}\Z")
_AKB: Final = re.compile(r"[13][A-Za-z][A-Za-z0-9][A-Za-z]{2}0..,[0-9A-Fa-f]+,[0-9A-Fa-f]{16}\Z")
_PEM: Final = "-----BEGIN"
_FRAME: Final = re.compile(r"<00#[0-9]{6}#[^<>]*>|\[AO[A-Z]{4};[^\[\]]*\]")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/\s]{40,}={0,2}\s*\Z")
_SEPARATED: Final = re.compile(r"(0[xX])?[0-9A-Fa-f]{2}([:,-]\s?[0-9A-Fa-f]{2}){3,}\Z")
_PREFIXED: Final = re.compile(r"0[xX][0-9A-Fa-f\s]{4,}\Z")
_NAME: Final = re.compile(r"[A-Za-z][\w .()/-]{1,40}\s*[:=]\s*(?P<value>\S.*)\Z", re.DOTALL)
_ELEMENT: Final = re.compile(r"<(?P<name>[A-Za-z]\w*)>(?P<value>[^<>]*)</(?P=name)>\Z")
_CODE: Final = re.compile(r"[0-9A-Za-z]{2}|[0-9]{4}(#>?)?|AM[0-9]{1,4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What an input is in."""

    cause: Cause
    problem: str


def find_package(data: bytes) -> Package | None:
    """Return what an input is in, or None where it stands alone or nothing known is inside."""
    for mark, encoding, problem in _MARKS:
        if data.startswith(mark):
            try:
                data.decode(encoding)
            except UnicodeDecodeError:
                return None
            return Package(cause=ENCODING, problem=problem)
    try:
        text = data.decode("utf-8").strip()
    except UnicodeDecodeError:
        return None
    return next(_packages(text), None)


def _packages(text: str) -> Iterator[Package]:
    """Yield what `text` may be in, the surest first."""
    if _CODE.fullmatch(text):
        yield Package(cause=BARE_CODE, problem=f"it has {len(text)} characters")
    if text[:1] in "\"'`" and text[:1] == text.rstrip(",;")[-1:] and len(text) > 2:
        inner = text.rstrip(",;")[1:-1]
        if kind := _kind_of(inner):
            yield Package(cause=QUOTED, problem=f"quotes stand around {kind}")
    if text[:1] == "{" and (found := _in_json(text)):
        member, kind = found
        yield Package(cause=MESSAGE, problem=f"it is a JSON message; its member {member} is {kind}")
    if _SEPARATED.match(text) or _PREFIXED.match(text):
        yield Package(cause=HEX_FORM, problem="there is more than hex digits")
    if kind := _in_base64(text):
        yield Package(cause=BASE64, problem=f"it is base64 of {kind}")
    lines = text.split()
    if len(lines) > 1 and all(_is_whole_block(line) for line in lines):
        yield Package(cause=SEVERAL, problem=f"there are {len(lines)} key blocks")
    if "&lt;" in text and _kind_of(html.unescape(text)):
        yield Package(cause=ESCAPED, problem="&lt; and &gt; stand for < and >")
    if (element := _ELEMENT.match(text)) and (kind := _kind_of(element["value"].strip())):
        yield Package(cause=SURROUNDED, problem=f"the element {element['name']} is {kind}")
    if (named := _NAME.match(text)) and (kind := _kind_of(named["value"].strip("\"' "))):
        yield Package(cause=NAMED, problem=f"a name stands before {kind}")
    if (frame := _FRAME.search(text)) and text[:1] not in "<[{":
        yield Package(
            cause=SURROUNDED, problem=f"an answer of an HSM begins at character {frame.start() + 1}"
        )


def _kind_of(text: str) -> str:
    """Name what a text is, if its beginning says so beyond doubt; else the empty text."""
    if _is_whole_block(text) or _BLOCK.match(text):
        return "a TR-31 key block"
    if _TOKEN.match(text):
        return "DER in hex"
    if _AKB.match(text):
        return "an AKB"
    if text.startswith(_PEM):
        return "PEM"
    if _FRAME.fullmatch(text):
        return "an answer of an HSM"
    return ""


def _is_whole_block(text: str) -> bool:
    return bool(_BLOCK.match(text)) and int(text[1:5]) == len(text)


def _in_base64(text: str) -> str:
    if not _BASE64.match(text) or text.isupper() or _BLOCK.match(text):
        return ""
    try:
        inner = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return ""
    # A long form length that fits is no accident; short DER is nothing doctor takes.
    if inner[:2] == b"\x30\x82" and int.from_bytes(inner[2:4], "big") == len(inner) - 4:
        return "DER"
    try:
        return _kind_of(inner.decode("ascii").strip())
    except UnicodeDecodeError:
        return ""


def _in_json(text: str) -> tuple[str, str] | None:
    """Find a member with a known input in it; a configuration of an exchange has none."""
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(document, dict) or {"kdh", "krd"} & set(document):
        return None
    return next(_members("", document), None)


def _members(place: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _members(f"{place}.{name}".lstrip("."), member)
    elif isinstance(value, str):
        kind = _kind_of(value.strip()) or (_in_base64(value) and "base64")
        if kind:
            yield place[:60], kind

"""
Messages: command id, fields, context tag; requests, responses and errors, both ways.

A context tag is an optional last field that begins with `^` and comes back unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from keyferry.errors import HSMFrameError, HSMValueError
from keyferry.hsm.atalla.rows import decode_fields, encode_fields
from keyferry.hsm.commands import Command
from keyferry.hsm.values import Values

ERROR_ID: Final = "00"
LONGEST_TAG: Final = 64
_HEX: Final = "0123456789ABCDEF"


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A message cut into fields; nothing is decoded."""

    id: str
    texts: list[str]
    tag: str = ""  # with its ^


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer."""

    error: str  # two digits
    field: str  # two digits; 00: the whole command
    version: str  # two digits of the software version
    detail: str = ""  # four digits, where option 21 is on

    @property
    def code(self) -> str:
        """Error and field together, as people write it: 0607."""
        return self.error + self.field


def response_id_of(command_id: str) -> str:
    """Return the id of a response: the first character plus one; 00 answers 00."""
    if command_id == ERROR_ID:
        return ERROR_ID
    at = _HEX.find(command_id[:1].upper())
    return (_HEX[at + 1] if 0 <= at < 15 else command_id[:1]) + command_id[1:]


def split(message: bytes) -> RawMessage:
    """
    Cut a message into fields.

    Raises:
        HSMValueError: its last field is not terminated; `reply` is 0100.
    """
    if not message.endswith(b"#"):
        raise HSMValueError(
            "message: expected # after the last field",
            field="message",
            offset=len(message),
            reply="0100",
        )
    head, *texts = message[:-1].decode("latin-1").split("#")
    # A frame without fields is written with its id's own terminator: <1101#>.
    tag = texts.pop() if texts and texts[-1].startswith("^") else ""
    return RawMessage(head.strip(), texts, tag[:LONGEST_TAG])


def encode_request(command: Command, values: Mapping[str, object], *, tag: str = "") -> bytes:
    """
    Write a request, without its delimiters.

    Raises:
        HSMFrameError: a value is missing or cannot be carried; the command has no public layout.
    """
    if command.request is None:
        raise HSMFrameError(f"{command.title}: its layout is not public")
    body = encode_fields(command.request, Values(values))
    return f"{command.code}#".encode("ascii") + body + _tag(tag)


def decode_request(command: Command, raw: RawMessage) -> Values:
    """
    Read the fields of a request.

    Raises:
        HSMValueError: `reply` holds error number and field, four digits.
    """
    if command.request is None:
        raise HSMFrameError(f"{command.title}: its layout is not public")
    values = Values()
    decode_fields(command.request, raw.texts, values)
    return values


def encode_response(
    command: Command, values: Mapping[str, object], *, request: Mapping[str, object], tag: str = ""
) -> bytes:
    """Write a response, without its delimiters."""
    body = encode_fields(command.response, Values({**request, **values}))
    return f"{command.response_code}#".encode("ascii") + body + _tag(tag)


def encode_refusal(refusal: Refusal, *, tag: str = "") -> bytes:
    """Write an error answer; a detail is followed by one more empty field."""
    text = f"{ERROR_ID}#{refusal.code}{refusal.version}#"
    if refusal.detail:
        text += f"{refusal.detail}##"
    return text.encode("ascii") + _tag(tag)


def decode_response(
    command: Command, message: bytes, *, request: Mapping[str, object]
) -> Values | Refusal:
    """
    Read what answers a command: its fields, or an error.

    Raises:
        HSMFrameError: another command's response, or a field that is malformed.
    """
    raw = split(message)
    if raw.id == ERROR_ID and (command.code != ERROR_ID or not _is_echo(raw)):
        return read_refusal(raw)
    if raw.id != command.response_code:
        raise HSMFrameError(
            f"response id: expected {command.response_code}", field="response id", offset=0
        )
    values = Values(request)
    decode_fields(command.response, raw.texts, values)
    return Values({name: value for name, value in values.items() if name not in request})


def read_refusal(raw: RawMessage) -> Refusal:
    """
    Read an error answer.

    Raises:
        HSMFrameError: its first field is not six digits.
    """
    status = raw.texts[0].strip() if raw.texts else ""
    if len(status) != 6 or not status.isascii() or not status.isdigit():
        raise HSMFrameError("error answer: expected six digits", field="error", offset=0)
    detail = raw.texts[1].strip() if len(raw.texts) > 1 else ""
    return Refusal(status[:2], status[2:4], status[4:], detail)


def _is_echo(raw: RawMessage) -> bool:
    return bool(raw.texts) and raw.texts[0].startswith("0000")


def _tag(tag: str) -> bytes:
    return f"{tag}#".encode("latin-1") if tag else b""

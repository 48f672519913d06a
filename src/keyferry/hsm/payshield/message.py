"""
Messages: header, command code, fields, trailer; requests and responses, both ways.

The header is the only thing that tells which answer belongs to which
question; the trailer (`19` and up to 32 characters) comes back as it was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from keyferry.errors import HSMFrameError
from keyferry.hsm.commands import Command
from keyferry.hsm.fields import PRINTABLE
from keyferry.hsm.payshield.commands.tails import END_OF_MESSAGE
from keyferry.hsm.reading import Reader
from keyferry.hsm.tables import decode, encode
from keyferry.hsm.values import Values

CODE_SIZE: Final = 2
TRAILER_SIZE: Final = 32
GOOD: Final = "00"


@dataclass(frozen=True, slots=True)
class Request:
    """A decoded request."""

    command: Command
    values: Values
    trailer: bytes = b""  # with its end-of-message byte; empty when there is none


@dataclass(frozen=True, slots=True)
class Response:
    """A decoded response; `values` are there after code 00 and after warnings."""

    code: str
    values: Values


def encode_request(
    command: Command,
    values: Mapping[str, object],
    *,
    header: bytes = b"",
    context: Mapping[str, object] | None = None,
) -> bytes:
    """
    Write a request, without its frame length.

    Raises:
        HSMFrameError: a value is missing or cannot be carried; the command has no public layout.
    """
    if command.request is None:
        raise HSMFrameError(f"{command.title}: its layout is not public")
    return header + command.code.encode("ascii") + encode(command.request, values, context)


def decode_request(
    command: Command,
    body: bytes,
    *,
    header_size: int,
    context: Mapping[str, object] | None = None,
) -> Request:
    """
    Read a request of a known command.

    Args:
        command: its table.
        body: the message, header included.
        header_size: bytes of the header.
        context: settings of the device that conditions ask for.

    Raises:
        HSMFrameError: a field is malformed, or something superfluous follows.
    """
    if command.request is None:
        raise HSMFrameError(f"{command.title}: its layout is not public")
    origin = header_size + CODE_SIZE
    reader = Reader(body[origin:], origin=origin)
    values = decode(command.request, reader, context)
    return Request(command, values, _take_trailer(reader))


def _take_trailer(reader: Reader) -> bytes:
    if not reader.remaining:
        return b""
    start = reader.offset
    trailer = reader.take_rest()
    if not is_trailer(trailer):
        raise reader.fail("end of message", "nothing more, or a trailer", at=start)
    return trailer


def is_trailer(data: bytes) -> bool:
    """Whether bytes are an end-of-message byte and at most 32 printable characters."""
    return (
        data[:1] == END_OF_MESSAGE
        and len(data) <= 1 + TRAILER_SIZE
        and not data[1:].translate(None, PRINTABLE)
    )


def find_trailer(data: bytes) -> bytes:
    """
    Return the trailer of a message that does not decode, if it seems to have one.

    Args:
        data: what follows the message header.

    Only for the refusal of such a message: in one that decodes, fields decide. Where raw bytes
    stand in the message nothing is guessed, since they may hold the end-of-message byte too.
    """
    at = data.rfind(END_OF_MESSAGE)
    if at < 0 or not is_trailer(data[at:]) or data[:at].translate(None, PRINTABLE):
        return b""
    return data[at:]


def response_code_of(code: bytes) -> bytes:
    """Return the response code of any command code: its second character plus one."""
    return bytes((code[0], (code[1] + 1) & 0xFF))


def encode_response(
    command: Command,
    code: str,
    values: Mapping[str, object] | None,
    *,
    header: bytes,
    trailer: bytes = b"",
    context: Mapping[str, object] | None = None,
) -> bytes:
    """Write a response, without its frame length; `context` is the request and the device."""
    data = b"" if values is None else encode(command.response, values, context)
    head = header + command.response_code.encode("ascii") + code.encode("ascii")
    return head + data + trailer


def decode_response(
    command: Command,
    body: bytes,
    *,
    header_size: int,
    context: Mapping[str, object] | None = None,
) -> Response:
    """
    Read the response to a command.

    Raises:
        HSMFrameError: another command's response, a field malformed, something superfluous.
    """
    reader = Reader(body, origin=0)
    reader.take(header_size, "header")
    start = reader.offset
    if reader.take(CODE_SIZE, "response code") != command.response_code.encode("ascii"):
        raise reader.fail("response code", command.response_code, at=start)
    start = reader.offset
    raw_code = reader.take(2, "error code")
    if raw_code.translate(None, PRINTABLE):
        raise reader.fail("error code", "two characters", at=start)
    code = raw_code.decode("ascii")
    if code != GOOD and code not in command.warnings:
        return Response(code, Values())
    values = decode(command.response, reader, context)
    if reader.remaining:
        raise reader.fail("end of message", "nothing after the last field")
    return Response(code, values)

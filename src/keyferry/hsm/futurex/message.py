"""
Messages of the Excrypt protocol: a command and its tokens, as bytes between the brackets.

`AG` is the same in every command: text that comes back unchanged, in error frames too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from keyferry.errors import HSMFrameError, HSMValueError
from keyferry.hsm.commands import Command
from keyferry.hsm.fields import Fields
from keyferry.hsm.futurex.refusals import INVALID, MISSING
from keyferry.hsm.futurex.tokens import END, Raw, Token, split
from keyferry.hsm.reading import Reader
from keyferry.hsm.values import Values

COMMAND: Final = "AO"
ECHO: Final = "AG"
STATUS: Final = "BB"
ERROR_NUMBER: Final = "AM"
ERROR_TAG: Final = "AN"
ERROR: Final = "ERRO"
GOOD: Final = "Y"
CODE_SIZE: Final = 4
MAX_ECHO: Final = 256
_CAPITALS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Response:
    """A decoded answer. `status` is its letter, or empty where it has none."""

    values: Values = field(repr=False)
    status: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the command did what it was asked."""
        return self.status in ("", GOOD)


@dataclass(frozen=True, slots=True)
class ErrorFrame:
    """An answer that says no: number, offending tag, text."""

    number: str
    tag: str
    text: str


def command_of(tokens: list[Raw]) -> str:
    """
    Return the four letters of the first token.

    Raises:
        HSMValueError: it is not `AO` with four capital letters.
    """
    first = tokens[0]
    is_code = len(first.value) == CODE_SIZE and not first.value.translate(None, _CAPITALS)
    if first.tag != COMMAND or not is_code:
        raise HSMValueError(
            "first token: expected AO and four capital letters",
            field=COMMAND,
            offset=0,
            reply=INVALID,
        )
    return first.value.decode("ascii")


def echo_of(tokens: list[Raw]) -> str | None:
    """Return the text that must come back, if the message has any."""
    for token in tokens:
        if token.tag == ECHO:
            return token.value[:MAX_ECHO].decode("ascii", "replace")
    return None


def encode_request(
    command: Command, values: Mapping[str, object], *, echo: str | None = None
) -> bytes:
    """
    Write a request.

    Raises:
        HSMFrameError: a token lacks its value or has one it cannot carry; names the field.
    """
    return _encode(command.code, command.request or (), values, echo=echo)


def encode_response(
    command: Command,
    values: Mapping[str, object],
    *,
    echo: str | None = None,
    status: str | None = None,
) -> bytes:
    """Write an answer: the command again, its tokens, the echo, the status letter if any."""
    message = _encode(command.code, command.response if status in (None, GOOD) else (), values)
    if echo is not None:
        message += f"{ECHO}{echo};".encode("ascii")
    if status is not None:
        message += f"{STATUS}{status};".encode("ascii")
    return message


def encode_error(number: str, tag: str, text: str, *, echo: str | None = None) -> bytes:
    """Write an error frame."""
    message = f"{COMMAND}{ERROR};{ERROR_NUMBER}{number};{ERROR_TAG}{tag};{STATUS}{text};"
    return (message + (f"{ECHO}{echo};" if echo is not None else "")).encode("ascii")


def decode_request(command: Command, tokens: list[Raw]) -> Values:
    """
    Read the tokens of a request strictly: none unknown, none twice, none missing.

    Raises:
        HSMValueError: `field` is the tag, `reply` the error number.
    """
    values = Values()
    rows = _rows(command.request or ())
    seen: set[str] = {COMMAND}
    for token in tokens[1:]:
        row = rows.get(token.tag)
        if token.tag in seen or (row is None and token.tag != ECHO):
            raise HSMValueError(
                f"token {token.tag}: expected a token of {command.code}, and each once",
                field=token.tag,
                offset=token.offset,
                reply=INVALID,
            )
        seen.add(token.tag)
        if row is not None:
            row.decode(_reader(token), values)
    for tag, row in rows.items():
        if tag not in seen and not row.optional:
            raise HSMValueError(f"token {tag} is missing", field=tag, offset=0, reply=MISSING)
    return values


def decode_response(
    command: Command, message: bytes, *, echo: str | None = None
) -> Response | ErrorFrame:
    """
    Read an answer. Tokens that the table does not have are passed over: real devices add some.

    Raises:
        HSMFrameError: it is not an answer to the command, a token is malformed or missing, or the
            echo is another request's.
    """
    tokens = split(message)
    code = command_of(tokens)
    by_tag: dict[str, Raw] = {}
    for token in tokens[1:]:
        if token.tag in by_tag:
            raise HSMFrameError(f"answer: token {token.tag} stands twice", field=token.tag)
        by_tag[token.tag] = token
    back = by_tag.get(ECHO)
    if echo is not None and back is not None and back.value != echo.encode("ascii"):
        raise HSMFrameError("answer: the echo belongs to another request", field=ECHO)
    if code == ERROR:
        number, tag, text = (
            by_tag[name].value.decode("ascii") if name in by_tag else ""
            for name in (ERROR_NUMBER, ERROR_TAG, STATUS)
        )
        return ErrorFrame(number=number[:8], tag=tag[:2], text=text[:80])
    if code != command.code:
        raise HSMFrameError(f"answer to {command.code}: it is one to {code}", field=COMMAND)
    rows = _rows(command.response)
    status = ""
    if STATUS in by_tag and STATUS not in rows:
        status = by_tag[STATUS].value.decode("ascii")
    response = Response(Values(), status[:1])
    if not response.is_good:
        return response
    for tag, row in rows.items():
        if tag in by_tag:
            row.decode(_reader(by_tag[tag]), response.values)
        elif not row.optional:
            raise HSMFrameError(f"answer to {command.code}: token {tag} is missing", field=tag)
    return response


def _encode(
    code: str, rows: Fields, values: Mapping[str, object], *, echo: str | None = None
) -> bytes:
    out = bytearray(f"{COMMAND}{code};".encode("ascii"))
    merged = Values(values)
    for row in rows:
        row.encode(merged, out)
    if echo is not None:
        out += f"{ECHO}{echo}".encode("ascii") + END
    return bytes(out)


def _rows(fields: Fields) -> dict[str, Token]:
    return {row.tag: row for row in fields if isinstance(row, Token)}


def _reader(token: Raw) -> Reader:
    return Reader(token.value, origin=token.offset + len(token.tag))

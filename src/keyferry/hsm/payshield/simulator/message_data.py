"""Messages in the format a request says: binary, hexadecimal or text."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.fields import HEX, PRINTABLE
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError
from keyferry.hsm.values import Values

MESSAGE_FORMAT: Final = "35"
_HEX: Final = "1"
_TEXT: Final = "2"


def message_bytes(values: Values, name: str = "message") -> bytes:
    """Return the message of a request as bytes; refused with 35 where it is not of its format."""
    raw = values.raw(name)
    if values.text("input_format") != _HEX:
        return raw
    if len(raw) % 2 or raw.translate(None, HEX):
        raise CommandRefusedError(MESSAGE_FORMAT)
    return bytes.fromhex(raw.decode("ascii"))


def output_bytes(values: Values, data: bytes) -> bytes:
    """Return data in the output format of a request; refused with 35 where text cannot hold it."""
    output = values.text("output_format")
    if output == _HEX:
        return data.hex().upper().encode("ascii")
    if output == _TEXT and data.translate(None, PRINTABLE):
        raise CommandRefusedError(MESSAGE_FORMAT)
    return data

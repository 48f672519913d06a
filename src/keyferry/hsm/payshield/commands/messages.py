"""
The message at the end of data and MAC commands: a length in hexadecimal, then the message.

The length counts the characters of the message as sent, two for each byte of hex input. One client
of live devices writes the bytes instead; where exactly twice the length is left, that is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keyferry.errors import HSMFrameError
from keyferry.hsm.fields import Number, Raw, Size, Text, choice, hexadecimal, present, resolve
from keyferry.hsm.payshield.commands.pin_fields import is_aes
from keyferry.hsm.payshield.commands.tails import END_OF_MESSAGE
from keyferry.hsm.reading import Reader
from keyferry.hsm.values import Values

HEX_INPUT: Final = "1"
_LMK_CHARACTERS: Final = 3


def data_format(name: str, reply: str) -> Text:
    """Return an input or output format: 0 binary, 1 hexadecimal, 2 text."""
    return choice(name, "0", "1", "2", reply=reply)


LENGTH: Final = Number("length", 4, base=16, counts="message")


@dataclass(frozen=True, slots=True)
class Message:
    """The message itself, kept as the bytes on the wire; `after` characters follow it."""

    after: Size = 0
    format: str = "input_format"
    name: str = "message"

    def decode(self, reader: Reader, values: Values) -> None:
        size = values.number("length")
        if values.get(self.format) == HEX_INPUT and self._counts_bytes(reader, values, size):
            size *= 2
        values[self.name] = reader.take(size, self.name)

    def encode(self, values: Values, out: bytearray) -> None:
        raw = present(values, self.name)
        length = values.number("length")
        if not isinstance(raw, bytes) or len(raw) not in (length, 2 * length):
            raise HSMFrameError(f"{self.name}: expected {length} bytes", field=self.name)
        out += raw

    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def _counts_bytes(self, reader: Reader, values: Values, size: int) -> bool:
        """Whether a message of twice the length leaves exactly what may follow it."""
        end = 2 * size + resolve(self.after, values)
        left = reader.remaining - end
        if size == 0 or left < 0:
            return False
        return left == 0 or (
            reader.peek(1, skip=end) in (b"%", END_OF_MESSAGE)
            and (
                left == _LMK_CHARACTERS
                or reader.peek(1, skip=end) == END_OF_MESSAGE
                or reader.peek(1, skip=end + _LMK_CHARACTERS) == END_OF_MESSAGE
            )
        )


def iv(name: str, key: str) -> Text:
    """Return an initial vector: one block of an earlier key's cipher in hexadecimal."""
    return hexadecimal(name, lambda values: 32 if is_aes(values, key) else 16)


OUTPUT: Final = (
    Number("output_length", 4, base=16, counts="output"),
    Raw("output", "output_length"),
)

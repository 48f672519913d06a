"""
Rows of an Excrypt command: a tag of two characters, its value, a semicolon.

Tokens come in any order behind `AO`, a tag at most once, and mean what their command says. A row
holds the tag and an ordinary field that reads and writes the value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keyferry.errors import HSMFrameError, HSMValueError
from keyferry.hsm.fields import DIGITS, HEX, PRINTABLE, Field, Run, Text, present
from keyferry.hsm.futurex.refusals import INVALID
from keyferry.hsm.reading import Reader
from keyferry.hsm.values import Values

TAG_SIZE: Final = 2
END: Final = b";"
_TAG: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_VALUE: Final = bytes(byte for byte in PRINTABLE if byte not in b"[];")


@dataclass(frozen=True, slots=True)
class Raw:
    """One token as it stands in a message."""

    tag: str
    value: bytes
    offset: int  # of the tag, in bytes from the start of the message


def split(message: bytes) -> list[Raw]:
    """
    Cut a message into tokens.

    Raises:
        HSMFrameError: it does not end in a semicolon, or a token has no tag; `field` is the tag of
            the offending token as far as it can be read.
    """
    if not message.endswith(END):
        raise HSMFrameError(
            "message: expected a semicolon behind every token", field="AO", offset=len(message)
        )
    found: list[Raw] = []
    offset = 0
    for part in message[:-1].split(END):
        tag = part[:TAG_SIZE]
        if len(tag) != TAG_SIZE or tag.translate(None, _TAG):
            # What stands there may be anything, a key too: it is not repeated.
            raise HSMFrameError(
                f"token at offset {offset}: expected a tag of two characters",
                field="AO",
                offset=offset,
            )
        found.append(Raw(tag.decode("ascii"), part[TAG_SIZE:], offset))
        offset += len(part) + len(END)
    return found


@dataclass(frozen=True, slots=True)
class Token:
    """A row of a command: which tag, what value, whether it may be left out."""

    tag: str
    field: Field
    optional: bool = False

    def decode(self, reader: Reader, values: Values) -> None:
        """Read the value, all of it; a value of another form is an invalid token."""
        start = reader.offset
        try:
            self.field.decode(reader, values)
            if reader.remaining:
                raise reader.fail(self.names()[0], "nothing behind it")
        except HSMFrameError as error:
            raise HSMValueError(
                f"token {self.tag}: {error}", field=self.tag, offset=start, reply=INVALID
            ) from None

    def encode(self, values: Values, out: bytearray) -> None:
        """Write tag, value and semicolon; an optional token without a value is left out."""
        if self.optional and all(values.get(name) is None for name in self.names()):
            return
        value = bytearray()
        self.field.encode(values, value)
        if value.translate(None, _VALUE):
            raise HSMFrameError(
                f"{self.names()[0]}: a value holds none of [ ] ; and nothing unprintable",
                field=self.names()[0],
            )
        out += self.tag.encode("ascii") + value + END

    def names(self) -> tuple[str, ...]:
        """The name its value goes by; a constant goes by its tag."""
        return self.field.names() or (self.tag,)


@dataclass(frozen=True, slots=True)
class Hex:
    """Bytes in hexadecimal, kept as `bytes`; upper case when written, either case when read."""

    name: str
    low: int = 1  # bytes
    high: int = 32_768

    def decode(self, reader: Reader, values: Values) -> None:
        raw = reader.take_rest()
        size, odd = divmod(len(raw), 2)
        if odd or not self.low <= size <= self.high or raw.translate(None, HEX):
            raise reader.fail(self.name, self._expected())
        values[self.name] = bytes.fromhex(raw.decode("ascii"))

    def encode(self, values: Values, out: bytearray) -> None:
        value = present(values, self.name)
        if not isinstance(value, bytes) or not self.low <= len(value) <= self.high:
            raise HSMFrameError(f"{self.name}: expected {self._expected()}", field=self.name)
        out += value.hex().upper().encode("ascii")

    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def _expected(self) -> str:
        return f"{self.low} to {self.high} bytes in hexadecimal"


@dataclass(frozen=True, slots=True)
class Opaque:
    """Text that only the device that made it can read: a wrapped key, a TPK. Never empty."""

    name: str

    def decode(self, reader: Reader, values: Values) -> None:
        raw = reader.take_rest()
        if not raw or raw.translate(None, _VALUE):
            raise reader.fail(self.name, "printable characters")
        values[self.name] = raw.decode("ascii")

    def encode(self, values: Values, out: bytearray) -> None:
        value = present(values, self.name)
        if not isinstance(value, str) or not value or not value.isascii():
            raise HSMFrameError(f"{self.name}: expected printable characters", field=self.name)
        out += value.encode("ascii")

    def names(self) -> tuple[str, ...]:
        return (self.name,)


def opaque(name: str) -> Opaque:
    """Return a field of opaque text."""
    return Opaque(name)


def text(name: str, high: int = 256) -> Run:
    """Return a field of printable text."""
    return Run(name, PRINTABLE, 1, high)


def number(name: str, high: int = 10) -> Run:
    """Return a field of decimal digits, at most `high` of them."""
    return Run(name, DIGITS, 1, high)


def digits(name: str, size: int) -> Text:
    """Return a field of exactly so many decimal digits."""
    return Text(name, size, DIGITS)

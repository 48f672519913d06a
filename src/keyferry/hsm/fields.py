"""
Field tables: the rows a command is made of, each of which decodes itself and encodes itself.

A command is a tuple of fields. One table serves the driver, which encodes requests and decodes
responses, and the simulator, which does the reverse. Every failure is an `HSMFrameError` that
names the field and the offset.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from keyferry.errors import HSMFrameError
from keyferry.hsm.reading import Reader
from keyferry.hsm.values import Values

PRINTABLE: Final = bytes(range(0x20, 0x7F))
DIGITS: Final = b"0123456789"
HEX: Final = b"0123456789ABCDEFabcdef"

REST: Final = -1  # a size: everything up to the end of the message

Size: TypeAlias = int | str | Callable[[Values], int]
"""Bytes: a constant, the name of an earlier number, a rule over earlier fields, or `REST`."""


class Field(Protocol):
    """One row of a table."""

    def decode(self, reader: Reader, values: Values) -> None:
        """Take the field's bytes and put its value under its name."""

    def encode(self, values: Values, out: bytearray) -> None:
        """Write the field's bytes."""

    def names(self) -> tuple[str, ...]:
        """The names this row may fill."""


Fields: TypeAlias = tuple[Field, ...]


def resolve(size: Size, values: Values) -> int:
    """Return the size in bytes a field has in this message, or `REST`."""
    if isinstance(size, int):
        return size
    return values.number(size) if isinstance(size, str) else size(values)


def present(values: Values, name: str) -> object:
    """Return the value to encode, or raise the error that names the field that lacks one."""
    value = values.get(name)
    if value is None:
        raise HSMFrameError(f"{name}: expected a value, none was given", field=name)
    return value


@dataclass(frozen=True, slots=True)
class Text:
    """Characters of an alphabet (nA, nN, nH), kept as `str`."""

    name: str
    size: Size
    alphabet: bytes = PRINTABLE
    choices: tuple[str, ...] = ()  # the only values it may have; empty: any
    reply: str | None = None  # the reply code for a value outside `choices` or `alphabet`
    fold: bool = False  # hexadecimal: small letters are read, capitals are kept

    def decode(self, reader: Reader, values: Values) -> None:
        size = resolve(self.size, values)
        start = reader.offset
        raw = reader.take(reader.remaining if size == REST else size, self.name)
        if raw.translate(None, self.alphabet):
            raise reader.bad_value(self.name, self._expected(), at=start, reply=self.reply)
        text = raw.decode("ascii")
        if self.fold:
            text = text.upper()
        if self.choices and text not in self.choices:
            raise reader.bad_value(self.name, self._expected(), at=start, reply=self.reply)
        values[self.name] = text

    def encode(self, values: Values, out: bytearray) -> None:
        text = present(values, self.name)
        size = resolve(self.size, values)
        ascii_text = isinstance(text, str) and text.isascii()
        raw = text.encode("ascii") if isinstance(text, str) and ascii_text else b""
        wrong = (
            not ascii_text
            or (size != REST and len(raw) != size)
            or raw.translate(None, self.alphabet)
            or (self.choices and text not in self.choices)
        )
        if wrong:
            length = "" if size == REST else f" of {size} characters"
            raise HSMFrameError(
                f"{self.name}: expected {self._expected()}{length}", field=self.name
            )
        out += raw

    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def _expected(self) -> str:
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.alphabet is DIGITS:
            return "decimal digits"
        return "hexadecimal characters" if self.alphabet is HEX else "printable characters"


def digits(name: str, size: Size, *choices: str, reply: str | None = None) -> Text:
    """Return an nN field whose leading zeros matter (an identifier, not a count)."""
    return Text(name, size, DIGITS, choices, reply)


def hexadecimal(name: str, size: Size, *choices: str, reply: str | None = None) -> Text:
    """Return an nH field: upper case when written, either case when read."""
    return Text(name, size, HEX, choices, reply, fold=True)


def choice(name: str, *choices: str, reply: str | None = None) -> Text:
    """Return a field of fixed width that has one of a few values."""
    return Text(name, len(choices[0]), PRINTABLE, choices, reply)


@dataclass(frozen=True, slots=True)
class Number:
    """A count or a length, zero-filled, kept as `int`."""

    name: str
    width: int  # characters
    base: int = 10
    low: int = 0
    high: int | None = None
    counts: str | None = None  # the later field whose length this is; filled in when encoding
    reply: str | None = None

    def decode(self, reader: Reader, values: Values) -> None:
        start = reader.offset
        raw = reader.take(self.width, self.name)
        if raw.translate(None, DIGITS if self.base == 10 else HEX):
            raise reader.bad_value(self.name, self._expected(), at=start, reply=self.reply)
        number = int(raw, self.base)
        if number < self.low or (self.high is not None and number > self.high):
            raise reader.bad_value(self.name, self._expected(), at=start, reply=self.reply)
        values[self.name] = number

    def encode(self, values: Values, out: bytearray) -> None:
        number = values.get(self.name)
        if number is None and self.counts is not None:
            counted = present(values, self.counts)
            number = len(counted) if isinstance(counted, (str, bytes, tuple)) else None
        if not isinstance(number, int):
            number = present(values, self.name)
        digits_ = "d" if self.base == 10 else "X"
        text = f"{number:0{self.width}{digits_}}" if isinstance(number, int) else ""
        if len(text) != self.width or not isinstance(number, int) or number < 0:
            raise HSMFrameError(f"{self.name}: expected {self._expected()}", field=self.name)
        # A later field may take its size from here, as it does when decoding.
        values[self.name] = number
        out += text.encode("ascii")

    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def _expected(self) -> str:
        kind = "decimal" if self.base == 10 else "hexadecimal"
        bounds = "" if self.high is None else f" from {self.low} to {self.high}"
        return f"a {kind} number of {self.width} digits{bounds}"


@dataclass(frozen=True, slots=True)
class Raw:
    """Raw bytes (nB), kept as `bytes`."""

    name: str
    size: Size
    short: str | None = None  # the reply code when the message ends before the data does

    def decode(self, reader: Reader, values: Values) -> None:
        size = resolve(self.size, values)
        if self.short is not None and size > reader.remaining:
            raise reader.bad_value(self.name, f"{size} bytes", at=reader.offset, reply=self.short)
        values[self.name] = reader.take(reader.remaining if size == REST else size, self.name)

    def encode(self, values: Values, out: bytearray) -> None:
        raw = present(values, self.name)
        size = resolve(self.size, values)
        if not isinstance(raw, bytes) or (size != REST and len(raw) != size):
            expected = "bytes" if size == REST else f"{size} bytes"
            raise HSMFrameError(f"{self.name}: expected {expected}", field=self.name)
        out += raw

    def names(self) -> tuple[str, ...]:
        return (self.name,)


@dataclass(frozen=True, slots=True)
class DER:
    """One self-delimiting DER element, kept as `bytes` with its tag and length."""

    name: str
    tags: tuple[int, ...] = (0x30,)
    reply: str | None = None

    def decode(self, reader: Reader, values: Values) -> None:
        start = reader.offset
        size = element_size(reader.peek(6))
        tag = reader.peek(1)
        if size is None or tag[0] not in self.tags:
            raise reader.bad_value(self.name, self._expected(), at=start, reply=self.reply)
        values[self.name] = reader.take(size, self.name)

    def encode(self, values: Values, out: bytearray) -> None:
        raw = present(values, self.name)
        if not isinstance(raw, bytes) or element_size(raw) != len(raw) or raw[0] not in self.tags:
            raise HSMFrameError(f"{self.name}: expected {self._expected()}", field=self.name)
        out += raw

    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def _expected(self) -> str:
        tags = " or ".join(f"{tag:02X}" for tag in self.tags)
        return f"one DER element of tag {tags} with a minimal length"


def element_size(head: bytes) -> int | None:
    """
    Return the size of the DER element that begins with `head`, in bytes, tag and length included.

    None if it has no definite, minimal length of at most three bytes (X.690, 10.1).
    """
    if len(head) < 2:
        return None
    first = head[1]
    if first < 0x80:
        return 2 + first
    count = first & 0x7F
    if not 1 <= count <= 3 or len(head) < 2 + count:
        return None
    length = int.from_bytes(head[2 : 2 + count], "big")
    minimal = length >= 0x80 and length.bit_length() > 8 * (count - 1)
    return 2 + count + length if minimal else None


@dataclass(frozen=True, slots=True)
class Constant:
    """Bytes that are always the same: a delimiter, or a value nobody has explained."""

    name: str
    value: bytes
    reply: str | None = None

    def decode(self, reader: Reader, values: Values) -> None:
        del values
        start = reader.offset
        if reader.take(len(self.value), self.name) != self.value:
            raise reader.bad_value(self.name, repr(self.value), at=start, reply=self.reply)

    def encode(self, values: Values, out: bytearray) -> None:
        del values
        out += self.value

    def names(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Run:
    """Characters of an alphabet as far as they go (nN), between two lengths."""

    name: str
    alphabet: bytes = DIGITS
    low: int = 1
    high: int = 64

    def decode(self, reader: Reader, values: Values) -> None:
        size = 0
        while size < self.high and (head := reader.peek(1, skip=size)) and head in self.alphabet:
            size += 1
        if size < self.low:
            raise reader.fail(self.name, f"{self.low} to {self.high} characters")
        values[self.name] = reader.take(size, self.name).decode("ascii")

    def encode(self, values: Values, out: bytearray) -> None:
        text = present(values, self.name)
        size = len(text) if isinstance(text, str) else 0
        if not self.low <= size <= self.high:
            raise HSMFrameError(
                f"{self.name}: expected {self.low} to {self.high} characters", field=self.name
            )
        Text(self.name, size, self.alphabet).encode(values, out)

    def names(self) -> tuple[str, ...]:
        return (self.name,)


@dataclass(frozen=True, slots=True)
class Terminated:
    """Printable characters up to a terminator that cannot stand among them."""

    name: str
    terminator: bytes
    high: int = 256

    def decode(self, reader: Reader, values: Values) -> None:
        alphabet = PRINTABLE.replace(self.terminator, b"")
        run = Run(self.name, alphabet, 0, self.high)
        run.decode(reader, values)
        Constant(self.name, self.terminator).decode(reader, values)

    def encode(self, values: Values, out: bytearray) -> None:
        alphabet = PRINTABLE.replace(self.terminator, b"")
        Run(self.name, alphabet, 0, self.high).encode(values, out)
        out += self.terminator

    def names(self) -> tuple[str, ...]:
        return (self.name,)

"""
The rows of Atalla's command tables: one row is one field between two `#`.

No field may hold `<`, `>`, `#`, `^` or a line end, so a message is cut first and each row sees its
own text only. A refusal names the field by the error number of the host interface.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from keyferry.errors import HSMFrameError, HSMValueError
from keyferry.hsm.fields import Field, Fields, present
from keyferry.hsm.groups import When
from keyferry.hsm.reading import Reader
from keyferry.hsm.values import Values

LENGTH: Final = "01"
CHARACTER: Final = "02"
VALUE: Final = "03"
COUNT: Final = "04"

RESERVED: Final = b"<>#^"
_ALPHABET: Final = bytes(set(range(0x20, 0x7F)) - set(RESERVED))
_DIGITS: Final = b"0123456789"
_HEX: Final = b"0123456789ABCDEFabcdef"
LONGEST: Final = 60_000


class Form(StrEnum):
    """What the characters of a field are, and what they become here."""

    TEXT = "printable characters"  # str
    DIGITS = "decimal digits"  # str
    HEX = "hexadecimal digits"  # str, upper case
    BYTES = "hexadecimal bytes"  # bytes
    NUMBER = "a decimal number"  # int
    HEX_NUMBER = "a hexadecimal number"  # int


_ALPHABETS: Final = {
    Form.TEXT: _ALPHABET,
    Form.DIGITS: _DIGITS,
    Form.HEX: _HEX,
    Form.BYTES: _HEX,
    Form.NUMBER: _DIGITS,
    Form.HEX_NUMBER: _HEX,
}


@dataclass(frozen=True, slots=True)
class Item:
    """One field."""

    name: str
    form: Form = Form.TEXT
    low: int = 1  # characters
    high: int = LONGEST
    choices: tuple[str, ...] = ()
    optional: bool = False  # may be empty, and then has no value
    omissible: bool = False  # may be missing with all that follow it
    width: int = 1  # digits a number is written with at least

    def decode(self, reader: Reader, values: Values) -> None:
        # White space is no part of a field: clients paste files with a line end at the end.
        raw = reader.take_rest().strip()
        if not raw and self.optional:
            return
        if raw.translate(None, _ALPHABETS[self.form]):
            raise self._refuse(CHARACTER)
        if not self.low <= len(raw) <= self.high or (self.form is Form.BYTES and len(raw) % 2):
            raise self._refuse(LENGTH)
        text = raw.decode("ascii")
        if self.choices and text not in self.choices:
            raise self._refuse(VALUE)
        values[self.name] = self._read(text)

    def _read(self, text: str) -> object:
        match self.form:
            case Form.BYTES:
                return bytes.fromhex(text)
            case Form.NUMBER:
                return int(text)
            case Form.HEX_NUMBER:
                return int(text, 16)
            case Form.HEX:
                return text.upper()
            case _:
                return text

    def encode(self, values: Values, out: bytearray) -> None:
        if values.get(self.name) is None and (self.optional or self.omissible):
            return
        value = present(values, self.name)
        match value:
            case bytes() if self.form is Form.BYTES:
                text = value.hex().upper()
            case int() if self.form is Form.NUMBER:
                text = f"{value:0{self.width}d}"
            case int() if self.form is Form.HEX_NUMBER:
                text = f"{value:0{self.width}X}"
            case str() if value.isascii():
                text = value
            case _:
                raise HSMFrameError(f"{self.name}: expected {self.form}", field=self.name)
        raw = text.encode("ascii")
        if raw.translate(None, _ALPHABETS[self.form]) or not self.low <= len(raw) <= self.high:
            raise HSMFrameError(f"{self.name}: expected {self._expected()}", field=self.name)
        if self.choices and text not in self.choices:
            raise HSMFrameError(f"{self.name}: expected {self._expected()}", field=self.name)
        out += raw

    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def _expected(self) -> str:
        if self.choices:
            return "one of " + ", ".join(self.choices)
        size = f"{self.low}" if self.low == self.high else f"{self.low} to {self.high}"
        return f"{size} {self.form}" if self.high != LONGEST else str(self.form)

    def _refuse(self, reply: str) -> HSMValueError:
        return HSMValueError(
            f"{self.name}: expected {self._expected()}", field=self.name, offset=0, reply=reply
        )


@dataclass(frozen=True, slots=True)
class Empty:
    """A field that is always empty, or whose meaning nobody has published."""

    name: str

    def decode(self, reader: Reader, values: Values) -> None:
        if text := reader.take_rest().strip():
            values[self.name] = text.decode("latin-1")

    def encode(self, values: Values, out: bytearray) -> None:
        value = values.get(self.name)
        if value is not None:
            Item(self.name).encode(values, out)

    def names(self) -> tuple[str, ...]:
        return (self.name,)


@dataclass(frozen=True, slots=True)
class Tail:
    """All fields that follow, as a tuple of text; some devices send more than others."""

    name: str

    def decode(self, reader: Reader, values: Values) -> None:
        # A whole message hands over everything from here; alone, a tail is one more field.
        values[self.name] = (reader.take_rest().decode("latin-1"),)

    def encode(self, values: Values, out: bytearray) -> None:
        texts = values.get(self.name) or ()
        if isinstance(texts, tuple):
            out += "#".join(map(str, texts)).encode("ascii")

    def names(self) -> tuple[str, ...]:
        return (self.name,)


def akb(name: str, *, optional: bool = False, omissible: bool = False) -> Item:
    """Return the row of a key under the MFK; which keys it may hold is for the device to say."""
    return Item(name, Form.TEXT, 1, LONGEST, (), optional, omissible)


def choice(name: str, *choices: str, optional: bool = False) -> Item:
    """Return the row of a field that has one of a few values."""
    return Item(name, Form.TEXT, 1, 16, choices, optional)


def digits(name: str, low: int, high: int | None = None, *, optional: bool = False) -> Item:
    """Return the row of decimal digits whose leading zeros matter."""
    return Item(name, Form.DIGITS, low, high or low, (), optional)


def hexadecimal(name: str, low: int, high: int | None = None, *, optional: bool = False) -> Item:
    """Return the row of hexadecimal digits kept as text."""
    return Item(name, Form.HEX, low, high or low, (), optional)


def hex_bytes(name: str, low: int = 1, high: int = LONGEST // 2, *, optional: bool = False) -> Item:
    """Return the row of raw bytes, which travel as hexadecimal; sizes in bytes."""
    return Item(name, Form.BYTES, 2 * low, 2 * high, (), optional)


def rows_of(fields: Fields, values: Values) -> Iterator[Field]:
    """Yield the rows of a table in order, as the fields read so far decide."""
    for field in fields:
        if isinstance(field, When):
            yield from rows_of(field.fields if field.condition(values) else field.otherwise, values)
        else:
            yield field


def named_texts(fields: Fields, texts: list[str], values: Values) -> Iterator[tuple[str, str]]:
    """
    Yield the texts of a message with the names of their rows; those behind the table have none.

    Args:
        fields: the table.
        texts: of the message; they may be masked, and what cannot be read decides nothing.
        values: what conditions may ask besides them, e.g. the request an answer is to.
    """
    found = Values(values)
    at = 0
    for row in rows_of(fields, found):
        if isinstance(row, Tail):
            for text in texts[at:]:
                yield row.name, text
            return
        if at >= len(texts):
            return
        with contextlib.suppress(HSMFrameError):
            row.decode(Reader(texts[at].encode("latin-1", "replace")), found)
        yield row.names()[0], texts[at]
        at += 1
    for text in texts[at:]:
        yield "", text


def decode_fields(fields: Fields, texts: list[str], values: Values) -> None:
    """
    Read the fields of a message.

    Raises:
        HSMValueError: `reply` is the error number and the two digits of the field, 00 for all.
    """
    at = 0
    for row in rows_of(fields, values):
        if isinstance(row, Tail):
            values[row.name] = tuple(texts[at:])
            return
        if at >= len(texts):
            if isinstance(row, Item) and row.omissible:
                continue
            raise _wrong_count(row.names()[0])
        try:
            row.decode(Reader(texts[at].encode("latin-1", "replace")), values)
        except HSMValueError as error:
            raise HSMValueError(
                f"field {at + 1}, {error}",
                field=error.field or "",
                offset=at + 1,
                reply=f"{error.reply}{at + 1:02d}",
            ) from None
        at += 1
    if at < len(texts):
        raise _wrong_count("last field")


def encode_fields(fields: Fields, values: Values) -> bytes:
    """
    Write the fields of a message, each with the `#` that ends it.

    Raises:
        HSMFrameError: a field has no value, or one it cannot carry.
    """
    out = bytearray()
    pending = bytearray()  # omissible fields stand only before one that is there
    for row in rows_of(fields, values):
        if isinstance(row, Tail) and not values.get(row.name):
            continue
        part = bytearray()
        row.encode(values, part)
        if isinstance(row, Item) and row.omissible and not part:
            pending += b"#"
            continue
        out += pending + part + b"#"
        pending.clear()
    return bytes(out)


def _wrong_count(name: str) -> HSMValueError:
    return HSMValueError(
        f"{name}: the message has another number of fields",
        field=name,
        offset=0,
        reply=f"{COUNT}00",
    )

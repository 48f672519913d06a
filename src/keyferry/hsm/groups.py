"""Rows that hold other rows: optional groups, fields under a condition, repeated rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from keyferry.errors import HSMFrameError
from keyferry.hsm.fields import REST, Fields, Size, present, resolve
from keyferry.hsm.reading import Reader
from keyferry.hsm.values import Values

Condition: TypeAlias = Callable[[Values], bool]


@dataclass(frozen=True, slots=True)
class Group:
    """
    An optional part of the tail, present as a whole behind its marker (`;` `%` `#` `&` and so on).

    It is written when one of its fields has a value, or when `name` is true.
    """

    marker: bytes
    name: str
    fields: Fields

    def decode(self, reader: Reader, values: Values) -> None:
        if reader.peek(len(self.marker)) != self.marker:
            return
        reader.take(len(self.marker), self.name)
        values[self.name] = True
        for field in self.fields:
            field.decode(reader, values)

    def encode(self, values: Values, out: bytearray) -> None:
        wanted = values.get(self.name)
        if wanted is None:
            wanted = any(values.get(name) is not None for name in inner_names(self.fields))
        if wanted:
            out += self.marker
            for field in self.fields:
                field.encode(values, out)

    def names(self) -> tuple[str, ...]:
        return (self.name, *inner_names(self.fields))


@dataclass(frozen=True, slots=True)
class When:
    """Fields that stand in a message only under a condition on earlier ones."""

    condition: Condition
    fields: Fields
    otherwise: Fields = ()

    def decode(self, reader: Reader, values: Values) -> None:
        for field in self.fields if self.condition(values) else self.otherwise:
            field.decode(reader, values)

    def encode(self, values: Values, out: bytearray) -> None:
        for field in self.fields if self.condition(values) else self.otherwise:
            field.encode(values, out)

    def names(self) -> tuple[str, ...]:
        return (*inner_names(self.fields), *inner_names(self.otherwise))


@dataclass(frozen=True, slots=True)
class IfNext:
    """Optional fields without a marker, told from what may follow by their first character."""

    first: bytes
    fields: Fields

    def decode(self, reader: Reader, values: Values) -> None:
        head = reader.peek(1)
        if head and head in self.first:
            for field in self.fields:
                field.decode(reader, values)

    def encode(self, values: Values, out: bytearray) -> None:
        if any(values.get(name) is not None for name in self.names()):
            for field in self.fields:
                field.encode(values, out)

    def names(self) -> tuple[str, ...]:
        return inner_names(self.fields)


@dataclass(frozen=True, slots=True)
class IfMore:
    """Fields at the very end that one firmware sends and another leaves away."""

    fields: Fields

    def decode(self, reader: Reader, values: Values) -> None:
        if reader.remaining:
            for field in self.fields:
                field.decode(reader, values)

    def encode(self, values: Values, out: bytearray) -> None:
        if any(values.get(name) is not None for name in self.names()):
            for field in self.fields:
                field.encode(values, out)

    def names(self) -> tuple[str, ...]:
        return inner_names(self.fields)


@dataclass(frozen=True, slots=True)
class Repeat:
    """Rows of the same fields, as many as `count` says, or up to the end of the message."""

    name: str
    fields: Fields
    count: Size = REST

    def decode(self, reader: Reader, values: Values) -> None:
        count = resolve(self.count, values)
        rows: list[Values] = []
        while len(rows) < count or (count == REST and reader.remaining):
            row = Values()
            for field in self.fields:
                field.decode(reader, row)
            rows.append(row)
        values[self.name] = tuple(rows)

    def encode(self, values: Values, out: bytearray) -> None:
        present(values, self.name)
        rows = values.rows(self.name)
        count = resolve(self.count, values)
        if count not in (REST, len(rows)):
            raise HSMFrameError(f"{self.name}: expected {count} rows", field=self.name)
        for row in map(Values, rows):
            for field in self.fields:
                field.encode(row, out)

    def names(self) -> tuple[str, ...]:
        return (self.name,)


def inner_names(fields: Fields) -> tuple[str, ...]:
    """Return every name a tuple of fields may fill."""
    return tuple(name for field in fields for name in field.names())


def equals(name: str, *allowed: object) -> Condition:
    """Return the condition that an earlier field has one of some values."""

    def condition(values: Values) -> bool:
        return values.get(name) in allowed

    return condition


def given(name: str) -> Condition:
    """Return the condition that an optional field is there."""

    def condition(values: Values) -> bool:
        return values.get(name) is not None

    return condition

"""
The vocabulary of the generated constraint tables: what the API model says about a shape.

`control_types.SHAPES` and `data_types.SHAPES` hold one of these per shape of the model, under the
model's name; `constraints.py` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A string. Lengths are in characters, `pattern` must fit the whole of it."""

    minimum: int | None = None
    maximum: int | None = None
    pattern: str | None = None
    enum: tuple[str, ...] = ()
    sensitive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A 32-bit integer."""

    minimum: int | None = None
    maximum: int | None = None


@dataclass(frozen=True, slots=True)
class Flag:
    """A boolean."""


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A point in time; epoch seconds with a fraction on the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf:
    """A list; `member` names the shape of its members."""

    member: str
    minimum: int | None = None
    maximum: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOf:
    """A JSON object with free names; `key` and `value` name shapes."""

    key: str
    value: str
    minimum: int | None = None
    maximum: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """A JSON object with known members, each with the name of its shape."""

    members: Mapping[str, str]
    required: tuple[str, ...] = ()
    union: bool = False  # exactly one member is present


Shape = Text | Number | Flag | Timestamp | ListOf | MapOf | Structure


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationShape:
    """What the API model says about one operation."""

    input: type[msgspec.Struct]
    output: type[msgspec.Struct]
    errors: frozenset[str]  # the exceptions it declares
    method: str = "POST"
    uri: str = "/"
    in_uri: tuple[str, ...] = ()  # members that travel in the path

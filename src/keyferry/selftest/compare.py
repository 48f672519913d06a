"""Comparing what was computed with what a vector file expects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keyferry.errors import MalformedVectorError


@dataclass(frozen=True, slots=True)
class Leading:
    """A check value or MAC at full length, of which a file shows as much as it likes."""

    value: bytes = field(repr=False)


Value = bytes | str | int | bool | None | Leading | Sequence["Value"] | Mapping[str, "Value"]


def compare(expected: Any, computed: Value, *, name: str, place: str) -> str:
    """
    Return how `computed` differs from `expected` (JSON), or nothing.

    Bytes are compared with hex, check values and MACs at the expected length. An empty expectation
    (null, or nothing in quotes or brackets) is not compared. The values are never told: most of
    them are keys.

    Raises:
        MalformedVectorError: the expectation of bytes is not hex.
    """
    if expected is None or expected in ("", [], {}):
        return ""
    return "" if _equal(expected, computed, name=name, place=place) else f"{name} differs"


def _equal(expected: Any, computed: Value, *, name: str, place: str) -> bool:
    if isinstance(computed, Leading | bytes):
        wanted = _bytes(expected, name=name, place=place)
        found = computed.value[: len(wanted)] if isinstance(computed, Leading) else computed
        return wanted == found
    if isinstance(computed, Mapping):
        return (
            isinstance(expected, dict)
            and expected.keys() == computed.keys()
            and all(
                _equal(expected[key], computed[key], name=f"{name}.{key}", place=place)
                for key in expected
            )
        )
    if isinstance(computed, Sequence) and not isinstance(computed, str):
        return (
            isinstance(expected, list)
            and len(expected) == len(computed)
            and all(
                _equal(wanted, found, name=f"{name}[{index}]", place=place)
                for index, (wanted, found) in enumerate(zip(expected, computed, strict=True))
            )
        )
    # JSON's true is not 1, and Python's is.
    return type(expected) is type(computed) and bool(expected == computed)


def _bytes(expected: Any, *, name: str, place: str) -> bytes:
    if isinstance(expected, str):
        try:
            return bytes.fromhex(expected)
        except ValueError:
            pass
    raise MalformedVectorError(f"{place} member {name!r}: expected hex")

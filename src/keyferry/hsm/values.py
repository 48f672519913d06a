"""What a field table reads from a message, or writes into one: named values with typed access."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


class Values(dict[str, object]):
    """
    The fields of one message by name: text as `str`, numbers as `int`, raw bytes as `bytes`.

    A field that was absent has no entry. Reading a field as another type than its table gives it
    is a mistake of ours, not of the peer, and raises `TypeError`.
    """

    __slots__ = ()

    def typed(self, name: str, kind: type[T]) -> T:
        """Return the value of a field that must be present."""
        value = self[name]
        if not isinstance(value, kind):
            raise TypeError(f"field {name} holds {type(value).__name__}, not {kind.__name__}")
        return value

    def maybe(self, name: str, kind: type[T]) -> T | None:
        """Return the value of a field, or None where the message has none."""
        return self.typed(name, kind) if self.get(name) is not None else None

    def text(self, name: str) -> str:
        """Return a text field."""
        return self.typed(name, str)

    def number(self, name: str) -> int:
        """Return a number field."""
        return self.typed(name, int)

    def raw(self, name: str) -> bytes:
        """Return a field of raw bytes."""
        return self.typed(name, bytes)

    def rows(self, name: str) -> tuple[Values, ...]:
        """Return the rows of a repeated group."""
        rows = self.typed(name, tuple)
        return tuple(row if isinstance(row, Values) else Values(row) for row in rows)

    def over(self, below: Mapping[str, object]) -> Values:
        """Return these values laid over others: what is here wins."""
        return Values({**below, **self})

"""
Keys a simulated device has opened, kept open: commands name the same few again and again, and
opening a key costs more than using it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

MOST: Final = 1024

T = TypeVar("T")


class OpenedKeys:
    """Keys ready for use, by how they were written; the oldest leave when there are too many."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], object] = {}

    def __repr__(self) -> str:
        return f"<OpenedKeys: {len(self._kept)}>"

    def get(self, place: tuple[object, ...], kind: type[T]) -> T | None:
        """Return what is kept at a place, if it is of a kind."""
        found = self._kept.get(place)
        return found if isinstance(found, kind) else None

    def put(self, place: tuple[object, ...], key: object) -> None:
        """Keep a key."""
        if len(self._kept) >= MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[place] = key

    def once(self, place: tuple[object, ...], kind: type[T], opening: Callable[[], T]) -> T:
        """Return what is kept at a place, or open it and keep it; a refusal is not kept."""
        found = self.get(place, kind)
        if found is None:
            found = opening()
            self.put(place, found)
        return found

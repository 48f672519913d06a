"""A cursor that remembers where each field stood."""

from __future__ import annotations

from keyferry.hsm.reading import Reader


class RecordingReader(Reader):
    """Reads as a `Reader` does; `taken` holds name, start and end of every field, in order."""

    __slots__ = ("taken",)

    def __init__(self, data: bytes, *, origin: int = 0) -> None:
        super().__init__(data, origin=origin)
        self.taken: list[tuple[str, int, int]] = []

    def take(self, size: int, field: str) -> bytes:
        """Take exactly `size` bytes and remember whose they were."""
        start = self.offset
        data = super().take(size, field)
        self.taken.append((field, start, self.offset))
        return data

"""A message is read strictly from left to right: a cursor that knows where it stands."""

from __future__ import annotations

from keyferry.errors import HSMFrameError, HSMValueError


class Reader:
    """
    A cursor over the bytes of one message.

    Raw-byte fields may hold every delimiter, so nothing is ever searched for: each field takes its
    bytes by length, and a delimiter is only looked at where one may stand.
    """

    __slots__ = ("_data", "_end", "_origin", "_position")

    def __init__(self, data: bytes, *, origin: int = 0) -> None:
        self._data = data
        self._position = 0
        self._end = len(data)
        self._origin = origin  # where `data` begins in the frame, so that offsets mean the frame

    @property
    def offset(self) -> int:
        """Where the cursor stands, in bytes from the start of the frame's body."""
        return self._origin + self._position

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return self._end - self._position

    def peek(self, size: int = 1, *, skip: int = 0) -> bytes:
        """Return the next bytes without taking them; fewer where the message ends."""
        start = self._position + skip
        return self._data[start : start + size]

    def take(self, size: int, field: str) -> bytes:
        """
        Take exactly `size` bytes.

        Raises:
            HSMFrameError: the message ends before them; names field and offset.
        """
        start = self._position
        if size < 0 or size > self._end - start:
            raise HSMFrameError(
                f"{field} at offset {self.offset}: expected {size} bytes, "
                f"the message has {self.remaining} left",
                field=field,
                offset=self.offset,
            )
        self._position = start + size
        return self._data[start : start + size]

    def take_rest(self) -> bytes:
        """Take everything that is left."""
        return self.take(self.remaining, "rest")

    def fail(self, field: str, expected: str, *, at: int | None = None) -> HSMFrameError:
        """Return the error for bytes that do not have the shape of `field`."""
        offset = self.offset if at is None else at
        return HSMFrameError(
            f"{field} at offset {offset}: expected {expected}", field=field, offset=offset
        )

    def bad_value(self, field: str, expected: str, *, at: int, reply: str | None) -> HSMFrameError:
        """Return the error for a field of the right shape whose value is not one of its values."""
        if reply is None:
            return self.fail(field, expected, at=at)
        return HSMValueError(
            f"{field} at offset {at}: expected {expected}", field=field, offset=at, reply=reply
        )

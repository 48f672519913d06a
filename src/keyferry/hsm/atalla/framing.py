"""The Atalla frame: `<ID#field#...#>`; a parser without sockets. CR LF may follow a frame."""

from __future__ import annotations

from typing import Final

from keyferry.errors import HSMFrameError

OPENING: Final = b"<"
CLOSING: Final = b">"
MAX_WAITING_BYTES: Final = 64 * 1024


def encode_frame(message: bytes) -> bytes:
    """Put a message between its delimiters."""
    return OPENING + message + CLOSING


class FrameParser:
    """
    Cuts a byte stream into messages.

    Bytes between frames are skipped, so that line ends do no harm and a stream that lost its step
    finds it again at the next `<`. Feeding any bytes in any portions yields the same messages as
    feeding them at once.
    """

    __slots__ = ("_buffer", "_inside", "_skipped")

    def __init__(self) -> None:
        self._buffer = bytearray()  # of the frame that has begun
        self._inside = False
        self._skipped = 0

    def feed(self, data: bytes) -> list[bytes]:
        """
        Take bytes from the wire and return the messages that are now whole, without delimiters.

        Raises:
            HSMFrameError: more than 64 KiB came without a whole frame.
        """
        messages: list[bytes] = []
        at = 0
        while at < len(data):
            if not self._inside:
                start = data.find(OPENING, at)
                if start < 0:
                    self._skipped += len(data) - at
                    break
                self._skipped += start - at
                self._inside, at = True, start + 1
            end = data.find(CLOSING, at)
            self._buffer += data[at:] if end < 0 else data[at:end]
            self._check_length()
            if end < 0:
                break
            messages.append(bytes(self._buffer))
            self._buffer.clear()
            self._inside, self._skipped, at = False, 0, end + 1
        self._check_length()
        return messages

    @property
    def half_frame(self) -> bool:
        """Whether a frame has begun and is not complete."""
        return self._inside

    def _check_length(self) -> None:
        if len(self._buffer) + self._skipped > MAX_WAITING_BYTES:
            self._buffer.clear()
            raise HSMFrameError(
                f"no whole frame within {MAX_WAITING_BYTES} bytes", field="frame", offset=0
            )

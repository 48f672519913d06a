"""
The Excrypt frame: `[` and `]` around tokens in printable ASCII; a parser without sockets.

Source: public clients; no length prefix, no escapes, blanks and line ends between frames ignored.
"""

from __future__ import annotations

from typing import Final

from keyferry.errors import HSMFrameError

OPEN: Final = b"["
CLOSE: Final = b"]"
MAX_FRAME_BYTES: Final = 64 * 1024  # our limit: a TR-34 request with RSA-4096 keys has about 20 KB
_BETWEEN_FRAMES: Final = b" \t\r\n"
_INSIDE: Final = bytes(byte for byte in range(0x20, 0x7F) if byte not in OPEN + CLOSE)


def encode_frame(message: bytes) -> bytes:
    """
    Put the brackets around a message.

    Raises:
        HSMFrameError: the message holds a bracket or something not printable, or is too long.
    """
    if message.translate(None, _INSIDE):
        raise HSMFrameError("frame: expected printable characters without brackets", field="frame")
    if len(message) + 2 > MAX_FRAME_BYTES:
        raise HSMFrameError(
            f"frame of {len(message) + 2} bytes: expected at most {MAX_FRAME_BYTES}", field="frame"
        )
    return OPEN + message + CLOSE


class TokenFrameParser:
    """
    Cuts a byte stream into messages. Holds at most one frame.

    Feeding any bytes in any portions yields the same messages as feeding them at once.
    """

    __slots__ = ("_buffer", "_searched")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # bytes of the buffer that hold no end of a frame

    def feed(self, data: bytes) -> list[bytes]:
        """
        Take bytes from the wire and return the messages that are now whole, without brackets.

        Raises:
            HSMFrameError: something else than blanks before a frame, a byte that has no place in
                one, or a frame longer than 64 KiB.
        """
        self._buffer += data
        messages: list[bytes] = []
        while True:
            self._skip_blanks()
            if not self._buffer:
                break
            if self._buffer[:1] != OPEN:
                raise self._refuse(f"expected {OPEN.decode()} at the start")
            end = self._buffer.find(CLOSE, self._searched)
            size = len(self._buffer) if end < 0 else end + 1
            if size > MAX_FRAME_BYTES:
                raise self._refuse(f"expected at most {MAX_FRAME_BYTES} bytes")
            inside = self._buffer[max(1, self._searched) : size if end < 0 else end]
            if inside.translate(None, _INSIDE):
                raise self._refuse("expected printable characters without brackets")
            if end < 0:
                self._searched = size
                break
            messages.append(bytes(self._buffer[1:end]))
            del self._buffer[:size]
            self._searched = 0
        return messages

    @property
    def half_frame(self) -> bool:
        """Whether a frame has begun and is not complete."""
        return bool(self._buffer)

    def _skip_blanks(self) -> None:
        if not self._searched and self._buffer[:1] != OPEN:
            del self._buffer[: len(self._buffer) - len(self._buffer.lstrip(_BETWEEN_FRAMES))]

    def _refuse(self, expected: str) -> HSMFrameError:
        self._buffer.clear()
        self._searched = 0
        return HSMFrameError(f"frame: {expected}", field="frame", offset=0)

"""
The payShield frame: two length bytes, then header, code and data; a parser without sockets.

Source: reference client traffic and the host command interface; the length does not count itself.
"""

from __future__ import annotations

from typing import Final

from keyferry.errors import HSMFrameError

LENGTH_BYTES: Final = 2
MAX_BODY_BYTES: Final = 0xFFFF
BUFFER_BYTES: Final = 32 * 1024  # the I/O buffer of a payShield 10K; what is longer is refused


def encode_frame(body: bytes) -> bytes:
    """
    Put the length before a message.

    Raises:
        HSMFrameError: the message is empty or longer than its length field can say.
    """
    if not 0 < len(body) <= MAX_BODY_BYTES:
        raise HSMFrameError(
            f"frame of {len(body)} bytes: expected 1 to {MAX_BODY_BYTES}", field="length", offset=0
        )
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


class FrameParser:
    """
    Cuts a byte stream into messages. Holds at most one frame and what came after it in one read.

    Feeding any bytes in any portions yields the same messages as feeding them at once.
    """

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """
        Take bytes from the wire and return the messages that are now whole, without their length.

        Raises:
            HSMFrameError: a frame declares length zero: the stream cannot be in step.
        """
        buffer = self._buffer
        if not buffer and len(data) >= LENGTH_BYTES:
            # The usual case, exactly one frame in one read, needs no copy into the buffer.
            size = (data[0] << 8) | data[1]
            if size and size + LENGTH_BYTES == len(data):
                return [bytes(data[LENGTH_BYTES:])]
        buffer += data
        messages: list[bytes] = []
        start = 0
        while len(buffer) - start >= LENGTH_BYTES:
            size = (buffer[start] << 8) | buffer[start + 1]
            if size == 0:
                del buffer[:]
                raise HSMFrameError(
                    "frame length at offset 0: expected at least 1", field="length", offset=0
                )
            end = start + LENGTH_BYTES + size
            if end > len(buffer):
                break
            messages.append(bytes(buffer[start + LENGTH_BYTES : end]))
            start = end
        del buffer[:start]
        return messages

    @property
    def half_frame(self) -> bool:
        """Whether a frame has begun and is not complete."""
        return bool(self._buffer)

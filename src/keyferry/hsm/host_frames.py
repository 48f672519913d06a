"""What a vendor brings to the network code here: how its frames are cut and what answers them."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol


class FrameParser(Protocol):
    """Cuts a byte stream into messages. Knows no sockets; holds at most one frame's bytes."""

    def feed(self, data: bytes) -> list[bytes]:
        """
        Take bytes from the wire and return the messages that are now whole, without their frame.

        Raises:
            HSMFrameError: the stream cannot be in step, or a frame is longer than allowed.
        """

    @property
    def half_frame(self) -> bool:
        """Whether a frame has begun and is not complete."""


class AnsweringDevice(Protocol):
    """A simulated device: one message in, one answer out."""

    def answer(self, message: bytes) -> bytes | Awaitable[bytes]:
        """
        Answer one message; slow commands give an awaitable.

        Raises:
            HSMFrameError: bytes that have no answer; the connection is closed.
        """

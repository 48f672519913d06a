"""
One connection to an HSM: requests go out in order, answers come back in order.

An `asyncio.Protocol`, not streams: a frame costs one callback. The caller says how it knows its
answer; an answer that belongs to another request means that the stream is out of step.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeAlias, cast

from keyferry.errors import HSMConnectionError, HSMFrameError, HSMTimeoutError
from keyferry.hsm.host_frames import FrameParser

Recognises: TypeAlias = Callable[[bytes], bool]
"""Tells whether a message can be the answer to a request."""


class NotSentError(HSMConnectionError):
    """The connection could not be made or was gone before the request left; the HSM saw nothing."""


class TLSRefusedError(NotSentError):
    """The HSM listens, and one side refused the other's certificate or version of TLS."""


class OutOfStepError(HSMConnectionError):
    """What came is no frame, or answers another request; the connection was given up."""


class HostConnection(asyncio.Protocol):
    """A connected socket and the requests that wait for their answers."""

    def __init__(self, parser: FrameParser, encode_frame: Callable[[bytes], bytes]) -> None:
        self._parser = parser
        self._encode_frame = encode_frame
        self._waiting: deque[tuple[Recognises, asyncio.Future[bytes]]] = deque()
        self._transport: asyncio.Transport | None = None
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def is_usable(self) -> bool:
        """Whether another request may be sent."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def outstanding(self) -> int:
        """How many requests wait for their answer."""
        return len(self._waiting)

    async def exchange(self, message: bytes, *, recognises: Recognises, timeout_s: float) -> bytes:
        """
        Send a message and return the answer, both without their frame.

        Raises:
            NotSentError: the connection is gone; nothing was sent.
            OutOfStepError: what came is no frame, or answers another request.
            HSMConnectionError: it broke.
            HSMTimeoutError: no answer in time. The connection is given up: a late answer would be
                taken for the next request's.
        """
        if not self.is_usable or self._transport is None:
            raise NotSentError("the connection to the HSM is closed")
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append((recognises, answer))
        self._transport.write(self._encode_frame(message))
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            self.abort("another request timed out")
            raise HSMTimeoutError(
                f"no answer from the HSM within {timeout_s:g} s",
                hint="whether the HSM acted on the request is unknown",
            ) from None
        except asyncio.CancelledError:
            # The answer will still come, and nobody knows it any more.
            self.abort("another request was cancelled")
            raise

    def abort(self, reason: str, *, kind: type[HSMConnectionError] = HSMConnectionError) -> None:
        """Close at once and fail what waits."""
        self._fail(kind(f"the connection to the HSM was given up: {reason}"))
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """Close and wait until the socket is closed."""
        if self._transport is None:
            return
        self._transport.close()
        await self._closed

    # --- asyncio ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits."""
        detail = f": {type(exc).__name__}" if exc is not None else ""
        self._fail(HSMConnectionError(f"the HSM closed the connection{detail}"))
        if not self._closed.done():
            self._closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Give each answer to the request that is first in line."""
        try:
            for message in self._parser.feed(data):
                self._deliver(message)
        except HSMFrameError as error:
            self.abort(str(error), kind=OutOfStepError)

    def _deliver(self, message: bytes) -> None:
        if not self._waiting:
            self.abort("an answer came that nobody asked for", kind=OutOfStepError)
            return
        recognises, answer = self._waiting[0]
        if not recognises(message):
            self.abort("an answer came that belongs to another request", kind=OutOfStepError)
            return
        self._waiting.popleft()
        if not answer.done():
            answer.set_result(message)

    def _fail(self, error: HSMConnectionError) -> None:
        while self._waiting:
            _, answer = self._waiting.popleft()
            if not answer.done():
                answer.set_exception(error)

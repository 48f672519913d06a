"""
A simulator on the network: TCP or TLS around a device. Thin: bytes in, one write out.

Connections share nothing but the device: one that sends garbage, half a frame or nothing at all
never delays another. Answers leave in the order of the questions.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, cast

from keyferry.errors import HSMConnectionError, HSMFrameError
from keyferry.hsm.host_frames import AnsweringDevice, FrameParser
from keyferry.log import EventLog

log = EventLog("keyferry.hsm.simulator")

MAX_WAITING: Final = 64  # messages of one connection that wait behind a slow command


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one connection, and all together, may take."""

    half_frame_s: float = 10.0  # how long a frame may take to arrive
    idle_s: float | None = None  # how long a connection may be silent; None: for ever
    connections: int = 256


class ServedConnection(asyncio.Protocol):
    """One client on the host port."""

    def __init__(self, server: HostServer) -> None:
        self._server = server
        self._parser = server.make_parser()
        self._waiting: deque[bytes] = deque()
        self._pending: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._silence: asyncio.TimerHandle | None = None
        self._write_blocked = False
        self._read_paused = False
        self._closing = False
        self._closing_after_answers = False

    def address(self, which: str) -> tuple[str, int]:
        """Return `peername` or `sockname` as host and port."""
        found = self._transport.get_extra_info(which) if self._transport is not None else None
        return (str(found[0]), int(found[1])) if found else ("", 0)

    # --- asyncio ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless there are too many."""
        self._transport = cast(asyncio.Transport, transport)
        if not self._server.admit(self):
            self._transport.abort()
            return
        self._watch_silence()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; a command in progress ends unheard."""
        del exc
        self._closing = True
        self._stop_timer()
        if self._silence is not None:
            self._silence.cancel()
        self._waiting.clear()
        if self._pending is not None:
            self._pending.cancel()
        self._server.dismiss(self)

    def data_received(self, data: bytes) -> None:
        """Cut messages out of the stream and answer them in order."""
        if self._closing:
            return
        self._watch_silence()
        try:
            self._waiting.extend(self._parser.feed(data))
        except HSMFrameError:
            self._misbehaved("bytes that are no frame")
            return
        # The clock runs from the first byte of a frame to its last, whatever trickles in between.
        if not self._parser.half_frame:
            self._stop_timer()
        elif self._timer is None:
            self._timer = self._server.loop.call_later(
                self._server.limits.half_frame_s, self._misbehaved, "half a frame"
            )
        self._work()

    def eof_received(self) -> bool:
        """A client that has finished sending still gets the answers it asked for."""
        if self._pending is None and not self._waiting:
            return False
        self._closing_after_answers = True
        return True

    def pause_writing(self) -> None:
        """A client that does not read gets no more answers, and is not read from."""
        self._write_blocked = True
        self._regulate()

    def resume_writing(self) -> None:
        """Go on."""
        self._write_blocked = False
        self._work()

    # --- ours -------------------------------------------------------------------------------

    def close(self) -> None:
        """Close after what was written has left."""
        self._closing = True
        self._stop_timer()
        if self._transport is not None:
            self._transport.close()

    def _work(self) -> None:
        while (
            self._waiting
            and self._pending is None
            and not self._write_blocked
            and not self._closing
        ):
            try:
                answer = self._server.device.answer(self._waiting.popleft())
            except HSMFrameError:
                self._misbehaved("message without a command")
                return
            if isinstance(answer, bytes):
                self._send(answer)
            else:
                self._pending = self._server.loop.create_task(self._finish(answer))
        self._regulate()
        if self._closing_after_answers and self._pending is None and not self._waiting:
            self.close()

    async def _finish(self, answer: Awaitable[bytes]) -> None:
        try:
            self._send(await answer)
        except HSMFrameError:
            self._misbehaved("no answer")
        finally:
            self._pending = None
        self._work()

    def _send(self, answer: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        # One write: public clients read an answer with a single recv.
        self._transport.write(self._server.encode_frame(answer))

    def _regulate(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        full = self._write_blocked or len(self._waiting) >= MAX_WAITING
        if full and not self._read_paused:
            self._transport.pause_reading()
        elif self._read_paused and not full:
            self._transport.resume_reading()
        self._read_paused = full

    def _misbehaved(self, reason: str) -> None:
        log.info("simulator_connection_closed", reason=reason)
        self._closing = True
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()

    def _watch_silence(self) -> None:
        """Some clients never close what they opened; their places are needed again."""
        limit = self._server.limits.idle_s
        if limit is None:
            return
        if self._silence is not None:
            self._silence.cancel()
        self._silence = self._server.loop.call_later(limit, self._fell_silent)

    def _fell_silent(self) -> None:
        if self._pending is None and not self._waiting:
            self.close()
        else:
            self._watch_silence()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


Front = Callable[[AnsweringDevice], AnsweringDevice]


class HostServer:
    """A simulated device on its host port. Use as an asynchronous context manager."""

    def __init__(
        self,
        device: AnsweringDevice,
        *,
        parser: Callable[[], FrameParser],
        encode_frame: Callable[[bytes], bytes],
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        limits: Limits = Limits(),
    ) -> None:
        """
        Prepare a server; nothing listens yet.

        Args:
            device: answers.
            parser: makes a parser for each connection.
            encode_frame: puts the vendor's frame around an answer.
            host: address to bind.
            port: 0 takes a free one; `self.port` tells which after the start.
            tls: speak TLS.
            limits: what connections may take.
        """
        self.device = device
        self.make_parser = parser
        self.encode_frame = encode_frame
        self.limits = limits
        self.port = port
        self.host = host
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: set[ServedConnection] = set()
        self.loop: asyncio.AbstractEventLoop

    def put_before(self, front: Front) -> None:
        """Put something before the device, e.g. a recorder; call it before the start."""
        self.device = front(self.device)

    async def start(self) -> None:
        """
        Listen.

        Raises:
            HSMConnectionError: the address or the port is taken or not ours to bind.
        """
        self.loop = asyncio.get_running_loop()
        try:
            self._server = await self.loop.create_server(
                lambda: ServedConnection(self), self.host, self.port, ssl=self._tls, backlog=256
            )
        except OSError as error:
            raise HSMConnectionError(
                f"cannot listen on {self.host} port {self.port}: {error.strerror}"
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        if self._server is None:
            return
        self._server.close()
        for connection in tuple(self._connections):
            connection.close()
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    def admit(self, connection: ServedConnection) -> bool:
        """Count a new connection; False where there are as many as the device has sockets."""
        if len(self._connections) >= self.limits.connections:
            return False
        self._connections.add(connection)
        return True

    def dismiss(self, connection: ServedConnection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)


def server_tls(cert_file: str, key_file: str, client_ca_file: str | None) -> ssl.SSLContext:
    """Return a TLS context for host ports: 1.2 and newer, clients by certificate where a CA is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert_file, key_file)
    if client_ca_file is not None:
        context.load_verify_locations(client_ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context

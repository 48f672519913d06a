"""
The simulator on the network: TCP, TLS and UDP around a `Device`. Thin: bytes in, one write out.

Connections share nothing but the device: one that sends garbage, half a frame or nothing at all
never delays another. Answers leave in the order of the questions.
"""

from __future__ import annotations

import asyncio
import inspect
import ssl
import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, cast

from keyferry.errors import HSMConnectionError, HSMFrameError
from keyferry.hsm.payshield.framing import LENGTH_BYTES, FrameParser, encode_frame
from keyferry.hsm.payshield.simulator.device import Device
from keyferry.hsm.payshield.simulator.firmware import FIRMWARE
from keyferry.hsm.payshield.simulator.network import Connection
from keyferry.log import EventLog

log = EventLog("keyferry.hsm.payshield.simulator")

MAX_WAITING: Final = 64  # frames of one connection that wait behind a slow command


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one connection, and all together, may take."""

    half_frame_s: float = 10.0  # how long a frame may take to arrive; idle connections stay
    connections: int = 256


class HostConnection(asyncio.Protocol):
    """One client on one host port."""

    def __init__(self, server: SimulatorServer, port_lmk: str | None) -> None:
        self._server = server
        self._device = server.device
        self._port_lmk = port_lmk
        self._parser = FrameParser()
        self._waiting: deque[bytes] = deque()
        self._pending: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._write_blocked = False
        self._read_paused = False
        self._closing = False
        self._number: int | None = None

    # --- asyncio ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless there are too many."""
        self._transport = cast(asyncio.Transport, transport)
        if not self._server.admit(self):
            self._transport.abort()
            return
        peer = transport.get_extra_info("peername") or ("0.0.0.0", 0)  # noqa: S104 - unknown peer
        local = transport.get_extra_info("sockname") or ("", 0)
        self._number = self._device.network.opened(
            Connection(local_port=local[1], address=str(peer[0]), remote_port=peer[1])
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; a command in progress ends unheard."""
        del exc
        self._closing = True
        self._stop_timer()
        self._waiting.clear()
        if self._pending is not None:
            self._pending.cancel()
        if self._number is not None:
            self._device.network.closed(self._number)
        self._server.dismiss(self)

    def data_received(self, data: bytes) -> None:
        """Cut frames out of the stream and answer them in order."""
        if self._closing:
            return
        self._device.network.bytes_received += len(data)
        try:
            self._waiting.extend(self._parser.feed(data))
        except HSMFrameError:
            self._misbehaved("frame of length zero")
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

    _closing_after_answers = False

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
            started = time.perf_counter()
            try:
                answer = self._device.answer(self._waiting.popleft(), port_lmk=self._port_lmk)
            except HSMFrameError:
                self._misbehaved("message without a command")
                return
            self._device.workload.add(time.perf_counter() - started)
            if isinstance(answer, bytes):
                self._send(answer)
            else:
                self._pending = self._server.loop.create_task(self._finish(answer))
        self._regulate()
        if self._closing_after_answers and self._pending is None and not self._waiting:
            self.close()

    async def _finish(self, answer: object) -> None:
        try:
            if inspect.isawaitable(answer):
                self._send(await answer)
        finally:
            self._pending = None
        self._work()

    def _send(self, answer: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        frame = encode_frame(answer)
        # One write: public clients read an answer with a single recv.
        self._transport.write(frame)
        self._device.network.messages_received += 1
        self._device.network.messages_sent += 1
        self._device.network.bytes_sent += len(frame)

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
        self._device.network.errors_received += 1
        log.info("simulator_connection_closed", reason=reason)
        self._closing = True
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class HostDatagrams(asyncio.DatagramProtocol):
    """UDP: one frame, length included, in one datagram; the answer in another."""

    def __init__(self, server: SimulatorServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a datagram that holds exactly one frame; drop every other."""
        device = self._server.device
        device.network.bytes_received += len(data)
        if len(data) <= LENGTH_BYTES or int.from_bytes(data[:LENGTH_BYTES], "big") != (
            len(data) - LENGTH_BYTES
        ):
            device.network.errors_received += 1
            return
        try:
            answer = device.answer(data[LENGTH_BYTES:])
        except HSMFrameError:
            device.network.errors_received += 1
            return
        if isinstance(answer, bytes):
            self._send(answer, addr)
            return
        task = self._server.loop.create_task(self._finish(answer, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(self, answer: object, addr: tuple[str, int]) -> None:
        if inspect.isawaitable(answer):
            self._send(await answer, addr)

    def _send(self, answer: bytes, addr: tuple[str, int]) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        frame = encode_frame(answer)
        self._transport.sendto(frame, addr)
        self._server.device.network.messages_sent += 1
        self._server.device.network.bytes_sent += len(frame)

    def close(self) -> None:
        """Close the socket and drop what is in progress."""
        for task in self._tasks:
            task.cancel()
        if self._transport is not None:
            self._transport.close()


class SimulatorServer:
    """A simulated device on its host ports. Use as an asynchronous context manager."""

    def __init__(
        self,
        device: Device,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        lmk_ports: bool = False,
        udp: bool = True,
        limits: Limits = Limits(),
    ) -> None:
        """
        Prepare a server; nothing listens yet.

        Args:
            device: answers.
            host: address to bind.
            port: the port without an LMK of its own; 0 takes a free one.
            tls: speak TLS; UDP is then off.
            lmk_ports: also listen on port + 1 + n for LMK n.
            udp: also answer datagrams on the same port number.
            limits: what connections may take.
        """
        self.device = device
        self.limits = limits
        self.port = port
        self.host = host
        self._tls = tls
        self._lmk_ports = lmk_ports
        self._udp = udp and tls is None
        self._servers: list[asyncio.Server] = []
        self._datagrams: HostDatagrams | None = None
        self._connections: set[HostConnection] = set()
        self.loop: asyncio.AbstractEventLoop

    async def start(self) -> None:
        """
        Listen.

        Raises:
            HSMConnectionError: the address or a port is taken or not ours to bind.
        """
        self.loop = asyncio.get_running_loop()
        try:
            await self._listen(self.port, None)
            self.port = self._servers[0].sockets[0].getsockname()[1]
            if self._lmk_ports:
                for lmk in self.device.lmks:
                    await self._listen(self.port + 1 + int(lmk.identifier), lmk.identifier)
            if self._udp:
                _, self._datagrams = await self.loop.create_datagram_endpoint(
                    lambda: HostDatagrams(self), local_addr=(self.host, self.port)
                )
        except OSError as error:
            await self.stop()
            raise HSMConnectionError(
                f"cannot listen on {self.host} port {self.port}: {error.strerror}"
            ) from error
        # It says what it is, so that nobody takes it for a device.
        log.info(
            "simulator_ready",
            device="payShield simulator, not an HSM",
            firmware=FIRMWARE,
            host=self.host,
            port=self.port,
            tls=self._tls is not None,
            lmks=[f"{lmk.identifier} {lmk.scheme.name.lower()}" for lmk in self.device.lmks],
        )

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        for server in self._servers:
            server.close()
        for connection in tuple(self._connections):
            connection.close()
        if self._datagrams is not None:
            self._datagrams.close()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

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

    def admit(self, connection: HostConnection) -> bool:
        """Count a new connection; False where there are as many as the device has sockets."""
        if len(self._connections) >= self.limits.connections:
            return False
        self._connections.add(connection)
        return True

    def dismiss(self, connection: HostConnection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)

    async def _listen(self, port: int, port_lmk: str | None) -> None:
        server = await self.loop.create_server(
            lambda: HostConnection(self, port_lmk), self.host, port, ssl=self._tls, backlog=256
        )
        self._servers.append(server)


def server_tls(cert_file: str, key_file: str, client_ca_file: str | None) -> ssl.SSLContext:
    """Return a TLS context for host ports: 1.2 and newer, clients by certificate where a CA is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert_file, key_file)
    if client_ca_file is not None:
        context.load_verify_locations(client_ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context

"""
The simulated device on its host ports: one for every LMK, others for one LMK each, and UDP.

Each port is a `HostServer` around the same device; what differs is the LMK a port stands for.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Awaitable, Sequence
from typing import cast

from keyferry.errors import HSMConnectionError, HSMFrameError
from keyferry.hsm.host_frames import AnsweringDevice
from keyferry.hsm.host_server import Front, HostServer, Limits, ServedConnection
from keyferry.hsm.payshield.framing import LENGTH_BYTES, FrameParser, encode_frame
from keyferry.hsm.payshield.simulator.device import Device
from keyferry.hsm.payshield.simulator.network import Connection


class PortOfDevice:
    """The device as one host port shows it: with the port's LMK, and counted."""

    def __init__(self, device: Device, port_lmk: str | None) -> None:
        self._device = device
        self._port_lmk = port_lmk

    def answer(self, message: bytes) -> bytes | Awaitable[bytes]:
        """Answer one message, and count it for NI and J2."""
        network = self._device.network
        network.bytes_received += LENGTH_BYTES + len(message)
        started = time.perf_counter()
        try:
            answer = self._device.answer(message, port_lmk=self._port_lmk)
        except HSMFrameError:
            network.errors_received += 1
            raise
        self._device.workload.add(time.perf_counter() - started)
        network.messages_received += 1
        if isinstance(answer, bytes):
            self._sent(answer)
            return answer
        return self._finish(answer)

    async def _finish(self, pending: Awaitable[bytes]) -> bytes:
        answer = await pending
        self._sent(answer)
        return answer

    def _sent(self, answer: bytes) -> None:
        self._device.network.messages_sent += 1
        self._device.network.bytes_sent += LENGTH_BYTES + len(answer)


class HostPort(HostServer):
    """One TCP or TLS port of the device."""

    def __init__(
        self,
        device: Device,
        *,
        port_lmk: str | None,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        limits: Limits,
    ) -> None:
        super().__init__(
            PortOfDevice(device, port_lmk),
            parser=FrameParser,
            encode_frame=encode_frame,
            host=host,
            port=port,
            tls=tls,
            limits=limits,
        )
        self.simulated = device
        self._numbers: dict[ServedConnection, int] = {}

    def admit(self, connection: ServedConnection) -> bool:
        """Count a new connection, also for NI."""
        if not super().admit(connection):
            return False
        address, remote_port = connection.address("peername")
        self._numbers[connection] = self.simulated.network.opened(
            Connection(
                local_port=connection.address("sockname")[1],
                address=address,
                remote_port=remote_port,
            )
        )
        return True

    def dismiss(self, connection: ServedConnection) -> None:
        """Forget a connection."""
        super().dismiss(connection)
        number = self._numbers.pop(connection, None)
        if number is not None:
            self.simulated.network.closed(number)


class HostDatagrams(asyncio.DatagramProtocol):
    """UDP: one frame, length included, in one datagram; the answer in another."""

    def __init__(self, device: Device, fronts: Sequence[Front] = ()) -> None:
        self._device = device
        port: AnsweringDevice = PortOfDevice(device, None)
        for front in fronts:
            port = front(port)
        self._port = port
        self._transport: asyncio.DatagramTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a datagram that holds exactly one frame; drop every other."""
        try:
            # A parser of its own for each datagram: none may finish what another began.
            messages = FrameParser().feed(data)
            if len(messages) != 1 or LENGTH_BYTES + len(messages[0]) != len(data):
                self._device.network.errors_received += 1
                return
            answer = self._port.answer(messages[0])
        except HSMFrameError:
            return
        if isinstance(answer, bytes):
            self._send(answer, addr)
            return
        task = asyncio.get_running_loop().create_task(self._finish(answer, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(self, answer: Awaitable[bytes], addr: tuple[str, int]) -> None:
        # An answer that is lost on purpose stays away; a datagram has nothing to close.
        with contextlib.suppress(HSMFrameError):
            self._send(await answer, addr)

    def _send(self, answer: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(encode_frame(answer), addr)

    def close(self) -> None:
        """Close the socket and drop what is in progress."""
        for task in self._tasks:
            task.cancel()
        if self._transport is not None:
            self._transport.close()


class SimulatorServer(HostPort):
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
        limits: Limits | None = None,
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
            limits: what connections of one port may take.
        """
        limits = limits or Limits()
        super().__init__(device, port_lmk=None, host=host, port=port, tls=tls, limits=limits)
        self._lmk_ports = lmk_ports
        self._udp = udp and tls is None
        self._context = tls
        self._others: list[HostPort] = []
        self._datagrams: HostDatagrams | None = None
        self._fronts: list[Front] = []

    def put_before(self, front: Front) -> None:
        """Put something before the device on every port."""
        super().put_before(front)
        self._fronts.append(front)

    async def start(self) -> None:
        """
        Listen.

        Raises:
            HSMConnectionError: the address or a port is taken or not ours to bind.
        """
        await super().start()
        try:
            if self._lmk_ports:
                for lmk in self.simulated.lmks:
                    await self._listen_for(lmk.identifier)
            if self._udp:
                await self._listen_for_datagrams()
        except HSMConnectionError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        if self._datagrams is not None:
            self._datagrams.close()
            self._datagrams = None
        while self._others:
            await self._others.pop().stop()
        await super().stop()

    async def _listen_for(self, identifier: str) -> None:
        other = HostPort(
            self.simulated,
            port_lmk=identifier,
            host=self.host,
            port=self.port + 1 + int(identifier),
            tls=self._context,
            limits=self.limits,
        )
        for front in self._fronts:
            other.put_before(front)
        await other.start()
        self._others.append(other)

    async def _listen_for_datagrams(self) -> None:
        try:
            _, self._datagrams = await self.loop.create_datagram_endpoint(
                lambda: HostDatagrams(self.simulated, self._fronts),
                local_addr=(self.host, self.port),
            )
        except OSError as error:
            raise HSMConnectionError(
                f"cannot listen on {self.host} UDP port {self.port}: {error.strerror}"
            ) from error

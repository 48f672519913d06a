"""A few kept connections to one HSM, opened when needed, reopened when lost."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from keyferry.errors import ConfigurationError
from keyferry.hsm.host_connection import (
    HostConnection,
    NotSentError,
    Recognises,
    TLSRefusedError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where an HSM listens and how to reach it."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    server_name: str | None = None  # the name its certificate must carry; by default the host
    hint: str = "check host and port"  # where no connection can be made

    def __str__(self) -> str:
        return f"{self.host} port {self.port}"


class ConnectionPool:
    """Up to `size` connections; beyond that, requests line up behind one another."""

    def __init__(
        self,
        address: Address,
        *,
        size: int,
        connection: Callable[[], HostConnection],
        connect_timeout_s: float,
    ) -> None:
        if size < 1:
            raise ConfigurationError(f"{size} connections: expected at least 1")
        self.address = address
        self._size = size
        self._make = connection
        self._connect_timeout_s = connect_timeout_s
        self._connections: list[HostConnection] = []
        self._opening = 0
        self._room = asyncio.Condition()
        self._closed = False

    async def exchange(self, message: bytes, *, recognises: Recognises, timeout_s: float) -> bytes:
        """Send a request over the least busy connection, opening another where that helps."""
        connection = await self._acquire()
        return await connection.exchange(message, recognises=recognises, timeout_s=timeout_s)

    async def close(self) -> None:
        """Close every connection; later requests are refused."""
        self._closed = True
        connections, self._connections = self._connections, []
        for connection in connections:
            await connection.close()

    async def _acquire(self) -> HostConnection:
        async with self._room:
            while True:
                if self._closed:
                    raise NotSentError("the driver is closed")
                self._connections = [c for c in self._connections if c.is_usable]
                least = min(self._connections, key=lambda c: c.outstanding, default=None)
                if least is not None and least.outstanding == 0:
                    return least
                if len(self._connections) + self._opening < self._size:
                    self._opening += 1
                    break
                if least is not None:
                    return least
                # Every place is taken by a connection that is just being made.
                await self._room.wait()
        try:
            connection = await self._connect()
        finally:
            async with self._room:
                self._opening -= 1
                self._room.notify_all()
        self._connections.append(connection)
        return connection

    async def _connect(self) -> HostConnection:
        connection = await self._open()
        if self._is_closed():
            await connection.close()
            raise NotSentError("the driver is closed")
        return connection

    def _is_closed(self) -> bool:
        return self._closed

    async def _open(self) -> HostConnection:
        address = self.address
        server_name = (address.server_name or address.host) if address.tls else None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, connection = await loop.create_connection(
                    self._make,
                    address.host,
                    address.port,
                    ssl=address.tls,
                    server_hostname=server_name,
                )
        except ssl.SSLError as error:
            raise TLSRefusedError(
                f"TLS with the HSM at {address} failed: {error.reason or 'handshake'}",
                hint="compare CA, certificate and server name with the HSM's",
            ) from error
        except TimeoutError as error:
            raise NotSentError(
                f"the HSM at {address} did not accept a connection"
                f" within {self._connect_timeout_s:g} s"
            ) from error
        except OSError as error:
            raise NotSentError(
                f"the HSM at {address} cannot be reached: {error.strerror or 'no such host'}",
                hint=address.hint,
            ) from error
        return connection


def client_tls(
    ca_file: str | None, cert_file: str | None = None, key_file: str | None = None
) -> ssl.SSLContext:
    """
    Return a TLS context for an HSM, which demands a client certificate in practice.

    Raises:
        ConfigurationError: a file cannot be read or does not hold what it should.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for name in (ca_file, cert_file, key_file):
        if name and not Path(name).is_file():
            raise ConfigurationError(
                f"TLS of the HSM: {name} is no file",
                hint="correct ca_file, cert_file or key_file of the party's tls member",
            )
    try:
        if ca_file:
            context.load_verify_locations(ca_file)
        else:
            context.load_default_certs()
        if cert_file:
            context.load_cert_chain(cert_file, key_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"TLS files of the HSM: {error.strerror or type(error).__name__}",
            hint="expected PEM: CA certificates, client certificate, its private key",
        ) from error
    return context

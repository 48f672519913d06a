"""
What the clients of all vendors share: an address, kept connections, and what is tried again.

A vendor says how its frames look and where its HSMs listen: `Dialect`.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, Self, TypedDict

import stamina

from keyferry.errors import HSMConnectionError
from keyferry.hsm.host_connection import HostConnection, NotSentError
from keyferry.hsm.host_frames import FrameParser
from keyferry.hsm.host_pool import Address, ConnectionPool


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one vendor's host port is spoken to."""

    port: int  # by default
    listens: str  # where, for the hint of an error
    parser: Callable[[], FrameParser]
    encode_frame: Callable[[bytes], bytes]
    timeout_s: float  # by default
    connect_timeout_s: float  # by default


class Reach(TypedDict, total=False):
    """
    How an HSM is reached; each has a default.

    timeout_s: how long an answer may take.
    connect_timeout_s: how long a connection may take, TLS included.
    connections: kept at most.
    attempts: how often a command is tried when the connection fails; commands that change the HSM
        or make something new are only tried again if they never left.
    tls: speak TLS.
    server_name: the name the HSM's certificate carries, where it is not the host.
    """

    timeout_s: float
    connect_timeout_s: float
    connections: int
    attempts: int
    tls: ssl.SSLContext | None
    server_name: str | None


class PooledClient:
    """One HSM. Use as an asynchronous context manager, within one event loop."""

    dialect: ClassVar[Dialect]

    def __init__(
        self,
        host: str,
        port: int | None = None,
        *,
        timeout_s: float | None = None,
        connect_timeout_s: float | None = None,
        connections: int = 4,
        attempts: int = 3,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
    ) -> None:
        """Prepare a client; the first command opens a connection. Arguments: see `Reach`."""
        dialect = self.dialect
        self._timeout_s = dialect.timeout_s if timeout_s is None else timeout_s
        self._attempts = max(1, attempts)
        self._connections = connections
        self._pool = ConnectionPool(
            Address(
                host=host,
                port=dialect.port if port is None else port,
                tls=tls,
                server_name=server_name,
                hint=f"check host and port; {dialect.listens}",
            ),
            size=connections,
            connection=lambda: HostConnection(dialect.parser(), dialect.encode_frame),
            connect_timeout_s=(
                dialect.connect_timeout_s if connect_timeout_s is None else connect_timeout_s
            ),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    async def _try(self, exchange: Callable[[], Awaitable[bytes]], *, repeatable: bool) -> bytes:
        """
        Exchange a message, again where the connection fails.

        Args:
            exchange: one attempt.
            repeatable: an attempt that may have arrived may be made again.
        """

        def worth_another_try(error: Exception) -> bool:
            return isinstance(error, NotSentError) or (
                repeatable and isinstance(error, HSMConnectionError)
            )

        async for attempt in stamina.retry_context(
            on=worth_another_try,
            attempts=self._attempts,
            timeout=None,
            wait_initial=0.05,
            wait_max=1.0,
            wait_jitter=0.05,
        ):
            with attempt:
                return await exchange()
        raise AssertionError("unreachable: the last attempt raises")

"""
A client of one Atalla: any command of the tables, on kept connections.

What the commands mean is the driver's business; here they are encoded, sent, tried again where
that is safe, and decoded.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import stamina

from keyferry.errors import HSMConnectionError
from keyferry.hsm.atalla.commands import COMMANDS
from keyferry.hsm.atalla.framing import FrameParser, encode_frame
from keyferry.hsm.atalla.message import ERROR_ID, Refusal, decode_response, encode_request
from keyferry.hsm.atalla.refusals import TRANSIENT, refusal_error
from keyferry.hsm.commands import Command
from keyferry.hsm.host_connection import HostConnection, NotSentError
from keyferry.hsm.host_pool import Address, ConnectionPool
from keyferry.hsm.values import Values

DEFAULT_PORT: Final = 7000


class HostClient:
    """
    One Atalla. Use as an asynchronous context manager, within one event loop.

    Every method raises `HSMRefusedError` when the HSM answers with an error, `HSMConnectionError`
    or `HSMTimeoutError` when it does not answer, and `HSMFrameError` when what it answers is not
    the command's response.
    """

    def __init__(
        self,
        host: str,
        port: int = DEFAULT_PORT,
        *,
        timeout_s: float = 30.0,
        connect_timeout_s: float = 10.0,
        connections: int = 4,
        attempts: int = 3,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
    ) -> None:
        """
        Prepare a driver; the first command opens a connection.

        Args:
            host: name or address.
            port: 7000 by default.
            timeout_s: how long an answer may take.
            connect_timeout_s: how long a connection may take, TLS included.
            connections: kept at most, with one command at a time on each: without context tags
                an answer says nothing of its question.
            attempts: how often a command is tried when the connection fails; commands that
                make something new are only tried again if they never left.
            tls: speak TLS.
            server_name: the name the HSM's certificate carries, where it is not `host`.
        """
        self._timeout_s = timeout_s
        self._attempts = max(1, attempts)
        self._pool = ConnectionPool(
            Address(
                host=host,
                port=port,
                tls=tls,
                server_name=server_name,
                hint="check host and port; an Atalla listens on 7000 by default",
            ),
            size=connections,
            connection=lambda: HostConnection(FrameParser(), encode_frame),
            connect_timeout_s=connect_timeout_s,
        )
        self._one_each = asyncio.Semaphore(max(1, connections))

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

    async def call(
        self,
        code: str,
        values: Mapping[str, object] | None = None,
        *,
        timeout_s: float | None = None,
    ) -> Values:
        """
        Send any command of the tables and return the fields of its response.

        Args:
            code: e.g. `11A`.
            values: the fields by the names of the command's table.
            timeout_s: instead of the driver's own, for slow commands.
        """
        command = COMMANDS[code]
        fields = dict(values or {})
        message = encode_request(command, fields)
        for attempt in itertools.count():
            raw = await self._send(command, message, timeout_s or self._timeout_s)
            answer = decode_response(command, raw, request=fields)
            if isinstance(answer, Values):
                return answer
            # An error that blames the moment, not the request, is worth one more try.
            if attempt or answer.error not in TRANSIENT or not command.repeatable:
                break
        raise refusal_error(command, _refusal(answer))

    async def _send(self, command: Command, message: bytes, timeout_s: float) -> bytes:
        def worth_another_try(error: Exception) -> bool:
            return isinstance(error, NotSentError) or (
                command.repeatable and isinstance(error, HSMConnectionError)
            )

        def recognises(answer: bytes) -> bool:
            head = answer.partition(b"#")[0].strip().decode("latin-1")
            return head in (command.response_code, ERROR_ID)

        async for attempt in stamina.retry_context(
            on=worth_another_try,
            attempts=self._attempts,
            timeout=None,
            wait_initial=0.05,
            wait_max=1.0,
            wait_jitter=0.05,
        ):
            with attempt:
                async with self._one_each:
                    return await self._pool.exchange(
                        message, recognises=recognises, timeout_s=timeout_s
                    )
        raise AssertionError("unreachable: the last attempt raises")


def _refusal(answer: Refusal | Values) -> Refusal:
    assert isinstance(answer, Refusal)  # noqa: S101 (the loop ends with one only)
    return answer

"""
A client of one Futurex HSM: any command of the tables, on kept connections.

What the commands mean is the driver's business; here they are encoded, sent, tried again where
that is safe, and decoded.
"""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import stamina

from keyferry.errors import HSMConnectionError, HSMFrameError
from keyferry.hsm.futurex.commands import COMMANDS
from keyferry.hsm.futurex.framing import TokenFrameParser, encode_frame
from keyferry.hsm.futurex.message import (
    ErrorFrame,
    Response,
    decode_response,
    echo_of,
    encode_request,
)
from keyferry.hsm.futurex.refusals import refusal
from keyferry.hsm.futurex.tokens import split
from keyferry.hsm.host_connection import HostConnection, NotSentError
from keyferry.hsm.host_pool import Address, ConnectionPool

DEFAULT_PORT: Final = 9000


class HostClient:
    """
    One Futurex HSM. Use as an asynchronous context manager, within one event loop.

    Every method raises `HSMRefusedError` when the HSM answers with an error frame,
    `HSMConnectionError` or `HSMTimeoutError` when it does not answer, and `HSMFrameError` when
    what it answers is not the command's response.
    """

    def __init__(
        self,
        host: str,
        port: int = DEFAULT_PORT,
        *,
        timeout_s: float = 30.0,
        connect_timeout_s: float = 5.0,
        connections: int = 4,
        attempts: int = 3,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        echo: bool = True,
    ) -> None:
        """
        Prepare a client; the first command opens a connection.

        Args:
            host: name or address.
            port: 9000 in the clear and 9100 for TLS by default; in the cloud another.
            timeout_s: how long an answer may take.
            connect_timeout_s: how long a connection may take, TLS included.
            connections: kept at most.
            attempts: how often a command is tried when the connection fails. Nothing is stored in
                the HSM, so every command may be sent twice.
            tls: speak TLS.
            server_name: the name the HSM's certificate carries, where it is not `host`.
            echo: number every request in token AG and check that the number comes back.
        """
        self._timeout_s = timeout_s
        self._attempts = max(1, attempts)
        self._numbers = itertools.count(1)
        self._echo = echo
        self._pool = ConnectionPool(
            Address(
                host=host,
                port=port,
                tls=tls,
                server_name=server_name,
                hint="check host and port; a Futurex HSM listens on 9000, with TLS on 9100",
            ),
            size=connections,
            connection=lambda: HostConnection(TokenFrameParser(), encode_frame),
            connect_timeout_s=connect_timeout_s,
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

    async def call(
        self,
        code: str,
        values: Mapping[str, object] | None = None,
        *,
        timeout_s: float | None = None,
    ) -> Response:
        """
        Send any command of the tables and return its decoded response, negative results included.

        Args:
            code: four letters, e.g. `GPGS`.
            values: the tokens by the names of the command's table.
            timeout_s: instead of the client's own, for slow commands.
        """
        command = COMMANDS[code]
        echo = f"{next(self._numbers) % 10_000:04d}" if self._echo else None
        message = encode_request(command, values or {}, echo=echo)
        answer = await self._send(message, echo, timeout_s or self._timeout_s)
        decoded = decode_response(command, answer, echo=echo)
        if isinstance(decoded, ErrorFrame):
            raise refusal(command, decoded.number, decoded.tag, decoded.text)
        return decoded

    async def echo(self) -> None:
        """Have the HSM answer (ECHO)."""
        await self.call("ECHO")

    async def _send(self, message: bytes, echo: str | None, timeout_s: float) -> bytes:
        def recognises(answer: bytes) -> bool:
            return _may_answer(answer, echo)

        def worth_another_try(error: Exception) -> bool:
            return isinstance(error, NotSentError | HSMConnectionError)

        async for attempt in stamina.retry_context(
            on=worth_another_try,
            attempts=self._attempts,
            timeout=None,
            wait_initial=0.05,
            wait_max=1.0,
            wait_jitter=0.05,
        ):
            with attempt:
                return await self._pool.exchange(
                    message, recognises=recognises, timeout_s=timeout_s
                )
        raise AssertionError("unreachable: the last attempt raises")


def _may_answer(answer: bytes, echo: str | None) -> bool:
    """Whether an answer carries our number, or none: some commands may not echo."""
    if echo is None:
        return True
    try:
        back = echo_of(split(answer))
    except HSMFrameError:
        return True  # malformed, but in turn: decoding it will tell
    return back in (None, echo)

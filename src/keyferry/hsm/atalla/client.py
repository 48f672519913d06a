"""
A client of one Atalla: any command of the tables, on kept connections.

What the commands mean is the driver's business; here they are encoded, sent, tried again where
that is safe, and decoded.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from typing import Final, Unpack

from keyferry.hsm.atalla.commands import COMMANDS
from keyferry.hsm.atalla.framing import FrameParser, encode_frame
from keyferry.hsm.atalla.message import ERROR_ID, Refusal, decode_response, encode_request
from keyferry.hsm.atalla.refusals import TRANSIENT, refusal_error
from keyferry.hsm.commands import Command
from keyferry.hsm.host_client import Dialect, PooledClient, Reach
from keyferry.hsm.values import Values

DEFAULT_PORT: Final = 7000


class HostClient(PooledClient):
    """
    One Atalla. Use as an asynchronous context manager, within one event loop.

    Every method raises `HSMRefusedError` when the HSM answers with an error, `HSMConnectionError`
    or `HSMTimeoutError` when it does not answer, and `HSMFrameError` when what it answers is not
    the command's response.
    """

    dialect = Dialect(
        port=DEFAULT_PORT,
        listens="an Atalla listens on 7000 by default",
        parser=FrameParser,
        encode_frame=encode_frame,
        timeout_s=30.0,
        connect_timeout_s=10.0,
    )

    def __init__(self, host: str, port: int = DEFAULT_PORT, **reach: Unpack[Reach]) -> None:
        """
        Prepare a client; the first command opens a connection.

        Args:
            host: name or address.
            port: of the host port.
            reach: see `Reach`.
        """
        super().__init__(host, port, **reach)
        # One command at a time on each connection: without context tags an answer says nothing
        # of its question.
        self._one_each = asyncio.Semaphore(max(1, self._connections))

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
        def recognises(answer: bytes) -> bool:
            head = answer.partition(b"#")[0].strip().decode("latin-1")
            return head in (command.response_code, ERROR_ID)

        async def exchange() -> bytes:
            async with self._one_each:
                return await self._pool.exchange(
                    message, recognises=recognises, timeout_s=timeout_s
                )

        return await self._try(exchange, repeatable=command.repeatable)


def _refusal(answer: Refusal | Values) -> Refusal:
    assert isinstance(answer, Refusal)  # noqa: S101 (the loop ends with one only)
    return answer

"""
A client of one Futurex HSM: any command of the tables, on kept connections.

What the commands mean is the driver's business; here they are encoded, sent, tried again where
that is safe, and decoded.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Final, Unpack

from keyferry.errors import HSMFrameError
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
from keyferry.hsm.host_client import Dialect, PooledClient, Reach

DEFAULT_PORT: Final = 9000


class HostClient(PooledClient):
    """
    One Futurex HSM. Use as an asynchronous context manager, within one event loop.

    Every method raises `HSMRefusedError` when the HSM answers with an error frame,
    `HSMConnectionError` or `HSMTimeoutError` when it does not answer, and `HSMFrameError` when
    what it answers is not the command's response.
    """

    dialect = Dialect(
        port=DEFAULT_PORT,  # in the clear; 9100 for TLS, in the cloud another
        listens="a Futurex HSM listens on 9000, with TLS on 9100",
        parser=TokenFrameParser,
        encode_frame=encode_frame,
        timeout_s=30.0,
        connect_timeout_s=5.0,
    )

    def __init__(
        self,
        host: str,
        port: int = DEFAULT_PORT,
        *,
        echo: bool = True,
        **reach: Unpack[Reach],
    ) -> None:
        """
        Prepare a client; the first command opens a connection.

        Args:
            host: name or address.
            port: of the host port.
            echo: number every request in token AG and check that the number comes back.
            reach: see `Reach`.
        """
        super().__init__(host, port, **reach)
        self._numbers = itertools.count(1)
        self._echo = echo

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

        # Nothing is stored in the HSM, so every command may be sent twice.
        return await self._try(
            lambda: self._pool.exchange(message, recognises=recognises, timeout_s=timeout_s),
            repeatable=True,
        )


def _may_answer(answer: bytes, echo: str | None) -> bool:
    """Whether an answer carries our number, or none: some commands may not echo."""
    if echo is None:
        return True
    try:
        back = echo_of(split(answer))
    except HSMFrameError:
        return True  # malformed, but in turn: decoding it will tell
    return back in (None, echo)

"""
A client of one payShield: any command of the tables, on kept connections.

What the commands mean is the driver's business; here they are encoded, sent, tried again where
that is safe, and decoded.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Final, Unpack

from keyferry.errors import ConfigurationError, HSMFrameError
from keyferry.hsm.commands import Command
from keyferry.hsm.host_client import Dialect, PooledClient, Reach
from keyferry.hsm.payshield.commands import COMMANDS
from keyferry.hsm.payshield.framing import FrameParser, encode_frame
from keyferry.hsm.payshield.lmk import LMKSelection
from keyferry.hsm.payshield.message import GOOD, Response, decode_response, encode_request
from keyferry.hsm.payshield.refusals import TRANSIENT, UNAVAILABLE, refusal
from keyferry.hsm.payshield.results import Diagnostics, Status

DEFAULT_PORT: Final = 1500


class HostClient(PooledClient):
    """
    One payShield. Use as an asynchronous context manager, within one event loop.

    Every method raises `HSMRefusedError` when the HSM answers with an error code,
    `HSMConnectionError` or `HSMTimeoutError` when it does not answer, and `HSMFrameError` when
    what it answers is not the command's response.
    """

    dialect = Dialect(
        port=DEFAULT_PORT,  # TLS listens on 2500
        listens="payShield listens on 1500 by default, TLS on 2500",
        parser=FrameParser,
        encode_frame=encode_frame,
        timeout_s=8.0,
        connect_timeout_s=5.0,
    )

    def __init__(
        self,
        host: str,
        port: int = DEFAULT_PORT,
        *,
        header_bytes: int = 4,
        **reach: Unpack[Reach],
    ) -> None:
        """
        Prepare a client; the first command opens a connection.

        Args:
            host: name or address.
            port: of the host port.
            header_bytes: length of the message header this host port is configured for.
            reach: see `Reach`.
        """
        if not 0 <= header_bytes <= 255:
            raise ConfigurationError(f"message header of {header_bytes} bytes: expected 0 to 255")
        super().__init__(host, port, **reach)
        self._header_bytes = header_bytes
        self._sequence = 0

    # --- any command ------------------------------------------------------------------------

    async def call(
        self,
        code: str,
        values: Mapping[str, object] | None = None,
        *,
        lmk: LMKSelection | None = None,
        timeout_s: float | None = None,
    ) -> Response:
        """
        Send any command of the tables and return its decoded response, warnings included.

        Args:
            code: two characters, e.g. `A8`.
            values: the fields by the names of the command's table; keys as `WireKey` or text.
            lmk: adds `%nn` where it names an identifier.
            timeout_s: instead of the driver's own, for slow commands.
        """
        command = COMMANDS[code]
        fields: dict[str, object] = dict(values or {})
        if lmk is not None:
            fields.setdefault("lmk", lmk.identifier)
        context = {"lmk_kind": lmk.scheme} if lmk is not None else {}
        message = encode_request(command, fields, context=context)
        for attempt in itertools.count():
            answer = await self._send(command, message, timeout_s or self._timeout_s)
            response = decode_response(
                command, answer, header_size=0, context={**fields, **context}
            )
            # Codes that blame the moment, not the request, are worth one more try.
            again = response.code in TRANSIENT and response.code not in command.errors
            if attempt or not again or not command.repeatable:
                break
        if response.code != GOOD and response.code not in command.warnings:
            raise refusal(command, response.code)
        return response

    async def _send(self, command: Command, message: bytes, timeout_s: float) -> bytes:
        async def exchange() -> bytes:
            header = self._next_header()
            answer = await self._pool.exchange(
                header + message,
                recognises=lambda answer: answer.startswith(header),
                timeout_s=timeout_s,
            )
            return answer[self._header_bytes :]

        return await self._try(exchange, repeatable=command.repeatable)

    def _next_header(self) -> bytes:
        """Return the next sequence number: all that tells which answer belongs to which request."""
        # Hex digits are printable in every character set a host port may be configured for.
        self._sequence += 1
        size = self._header_bytes
        return f"{self._sequence:0{size}X}"[-size:].encode("ascii") if size else b""

    # --- diagnostics ------------------------------------------------------------------------

    async def is_enabled(self, code: str) -> bool:
        """
        Whether the HSM executes a command, which no status tells.

        The command is sent without its fields. A device looks whether it has the command before it
        looks at the fields, so it answers 67 or 68, or else calls the request too short; nothing is
        done in either case.
        """
        command = COMMANDS[code]
        answer = await self._send(command, code.encode("ascii"), self._timeout_s)
        response = decode_response(command, answer, header_size=0)
        return response.code not in UNAVAILABLE

    async def diagnostics(self, lmk: LMKSelection | None = None) -> Diagnostics:
        """Return the check value of an LMK and the firmware (NC)."""
        values = (await self.call("NC", lmk=lmk)).values
        return Diagnostics(
            lmk_check_value=values.text("lmk_check"), firmware=values.text("firmware")
        )

    async def status(self) -> Status:
        """Return what the HSM says of its network and firmware (NO, mode 00)."""
        values = (await self.call("NO", {"status_mode": "00"})).values
        mixed = values.text("sockets_and_firmware")
        width = len(mixed) - 14
        sockets = mixed[:width]
        if not sockets.isdecimal():
            raise HSMFrameError("NP sockets: expected digits", field="sockets")
        return Status(
            io_buffer=values.text("io_buffer"),
            tcp=values.text("ethernet") == "1",
            sockets=int(sockets),
            firmware=mixed[width : width + 9],
        )

    async def echo(self, data: bytes) -> bytes:
        """Have the HSM send data back (B2)."""
        return (await self.call("B2", {"data": data})).values.raw("echoed")

    async def random(self, size: int) -> bytes:
        """Return random bytes of the HSM, 1 to 256 (N0)."""
        return (await self.call("N0", {"random_bytes": size})).values.raw("random")

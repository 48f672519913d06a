"""
The service as a plain ASGI callable: whole requests in, whole responses out.

What a server leaves to its application is here: the limit on bodies, the time a client has to send
one, the time it has to take its answer. Everything else is `dispatch.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any

from keyferry.errors import KeyferryError
from keyferry.service import log
from keyferry.service.dispatch import Dispatcher
from keyferry.service.errors import BodyTooLargeError
from keyferry.service.patience import within
from keyferry.service.region import Region
from keyferry.service.wire.http import HTTPRequest, HTTPResponse, joined_headers

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_LIMIT_BYTES = 1 << 20
# A client that writes its whole body before it reads would not see the refusal of a large one if
# the connection broke while it writes, so this much more is read and thrown away first.
DISCARDED_BYTES = 8 << 20
BODY_TIMEOUT_S = 10.0
SEND_TIMEOUT_S = 30.0
SWEEP_PERIOD_S = 60.0

# The extension of the ASGI scope in which our server tells version, cipher suite and the client's
# certificate.
TLS_EXTENSION = "keyferry.tls"


class Application:
    """
    The ASGI callable over a dispatcher and the Regions behind it.

    `start` and `stop` are called by the lifespan protocol, or by a server that runs without it.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        regions: dict[str, Region],
        *,
        sweeps: bool = True,
        body_timeout_s: float = BODY_TIMEOUT_S,
        sweep_period_s: float = SWEEP_PERIOD_S,
    ) -> None:
        self.dispatcher = dispatcher
        self._regions = regions
        self._sweeps = sweeps
        self._body_timeout_s = body_timeout_s
        self._sweep_period_s = sweep_period_s
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to replicate and to sweep."""
        await self.dispatcher.replication.start()
        self._sweeper = asyncio.create_task(self._sweep_for_ever())

    async def stop(self) -> None:
        """End sweep and replication, write what waits, close the Regions."""
        self.dispatcher.ready = False
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        await self.dispatcher.replication.stop()
        for region in self._regions.values():
            await region.close()
        self.dispatcher.close()

    async def sweep(self, now: datetime) -> None:
        """
        Do what is due at `now` in every Region; one that fails does not hold up the others.

        What is due in the store is one process's to do; opened keys are each process's own.
        """
        await self.dispatcher.replication.sweep(now, erase=self._sweeps)
        for region in self._regions.values():
            region.keys.forget_idle()
            if not self._sweeps:
                continue
            try:
                await region.sweep(now)
            except KeyferryError as error:
                log.warning("sweep_failed", region=region.name, reason=str(error))

    async def _sweep_for_ever(self) -> None:
        while True:
            try:
                await self.sweep(datetime.now(UTC))
            except Exception as error:  # noqa: BLE001 (the outermost loop of the sweep goes on)
                log.error("sweep_failed", error=type(error).__name__)
            await asyncio.sleep(self._sweep_period_s)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "lifespan":
                await self._lifespan(receive, send)
            case "websocket":
                await send({"type": "websocket.close", "code": 1000})

    async def _http(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        headers = joined_headers(scope["headers"])
        try:
            body = await self._body(headers, receive)
        except BodyTooLargeError as error:
            response = self.dispatcher.refuse(error, path=scope["raw_path"])
        except TimeoutError:
            response = HTTPResponse(
                status=408, body=b"", content_type=b"application/json", close=True
            )
        else:
            if body is None:
                return  # the client went away before its request was whole
            response = await self.dispatcher.handle(_request(scope, headers, body))
        # A client that does not take its answer keeps nothing but its own connection, and that
        # not for ever. Returning without an answer makes the server close it.
        with contextlib.suppress(TimeoutError):
            await within(SEND_TIMEOUT_S, send_response(send, response))

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes | None:
        """
        Read the body; None if the client went away.

        Raises:
            BodyTooLargeError: it is larger than BODY_LIMIT_BYTES.
            TimeoutError: it did not arrive in time.
        """
        declared = _declared_length(headers)
        if declared > DISCARDED_BYTES or (declared > BODY_LIMIT_BYTES and b"expect" in headers):
            # A client that expects our word before it sends the body has this one.
            raise _too_large()
        return await within(self._body_timeout_s, _read(receive))

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


async def _read(receive: Receive) -> bytes | None:
    """Read all of a body; None if the client went away, BodyTooLargeError if it is too large."""
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        # Nearly always: the body came with the headers.
        whole: bytes = message.get("body", b"")
        if len(whole) > BODY_LIMIT_BYTES:
            raise _too_large()
        return whole
    parts: list[bytes] = []
    size = 0
    while message["type"] == "http.request":
        part: bytes = message.get("body", b"")
        size += len(part)
        if size <= BODY_LIMIT_BYTES:
            parts.append(part)
        else:
            parts.clear()
        if not message.get("more_body") or size > DISCARDED_BYTES:
            if size > BODY_LIMIT_BYTES:
                raise _too_large()
            return b"".join(parts)
        message = await receive()
    return None


async def send_response(send: Send, response: HTTPResponse) -> None:
    """Send a response as the two messages of ASGI."""
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": response.header_list(),
        }
    )
    await send({"type": "http.response.body", "body": response.body})


def _too_large() -> BodyTooLargeError:
    return BodyTooLargeError(f"the request body is larger than {BODY_LIMIT_BYTES} bytes")


def _declared_length(headers: dict[bytes, bytes]) -> int:
    """Content-Length; the server has refused one that is no number. A chunked body declares 0."""
    declared = headers.get(b"content-length", b"0")
    return int(declared) if declared.isdigit() and len(declared) < 16 else 0


def _request(
    scope: MutableMapping[str, Any], headers: dict[bytes, bytes], body: bytes
) -> HTTPRequest:
    client = scope.get("client")
    tls = scope.get("extensions", {}).get(TLS_EXTENSION, {})
    return HTTPRequest(
        method=scope["method"],
        path=scope["raw_path"],
        query=scope["query_string"],
        headers=headers,
        body=body,
        client=client[0] if client else None,
        tls_version=tls.get("version"),
        cipher_suite=tls.get("cipher"),
        client_certificate=tls.get("client_certificate"),
    )

"""
What our HTTP protocol answers without a task: data-plane requests that came whole.

uvicorn makes a task, an event, a cycle and a handful of messages for each request, so that an
application may wait for the body and for the client. A data-plane request nearly always arrives in
one piece, and its answer waits for nothing: here it is computed and written where its last byte was
parsed, at less than half the cost. Whatever does not fit (a body in several pieces, pipelining,
HTTP/1.0, a proxy's headers, an operation that has to wait) goes uvicorn's way, from where it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from keyferry.service.app import TLS_EXTENSION, Application, send_response
from keyferry.service.patience import resumed
from keyferry.service.wire.http import HTTPRequest, HTTPResponse, add_header
from keyferry.service.wire.rest_json import RESTOperation

# The path of a key identifier is at most three times 322 characters, when all are encoded.
_PATH_BYTES = 2048


class JoiningTransport:
    """
    A transport that sends the head of a response together with its body.

    uvicorn writes them one after the other, which costs a system call, a packet and a wake-up of
    the client more than needed. Our responses are a head and one body.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held = b""

    def write(self, data: bytes) -> None:
        if self._held or data.startswith(b"HTTP/1.1 100 "):
            self._transport.write(self._held + data)
            self._held = b""
        else:
            self._held = data

    def close(self) -> None:
        if self._held:
            self._transport.write(self._held)
            self._held = b""
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


class DirectProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with a short way for requests that need no waiting."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        # Behind a proxy the application is wrapped in what reads the proxy's headers.
        self._application = self.app if isinstance(self.app, Application) else None
        self._route: tuple[RESTOperation, bytes | None] | None = None
        self._fields: dict[bytes, bytes] = {}  # headers of the request being read, as the app's
        self._gathered: bytes | None = None  # body so far, of a request that may be answered here
        self._asked = False  # whether uvicorn has a request of this connection at all
        # Answered here, and nothing has come since.
        self._at_rest = False
        self._idle_since: float | None = None
        # Of the connection: version, cipher suite and the client's certificate in DER, if it
        # showed one; nothing over plain HTTP.
        self.tls: dict[str, Any] = {}
        self._default_headers: tuple[list[tuple[bytes, bytes]], bytes] = ([], b"")

    @property
    def _answering(self) -> bool:
        """Whether a request's headers are complete and its answer is not."""
        return self._asked and not self.cycle.response_complete

    # --- from the parser ---------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._at_rest = False
        super().data_received(data)
        if self._gathered is not None:
            # The rest is still on its way: from here on somebody has to wait for it.
            part, self._gathered = self._gathered, None
            self._begin_cycle()
            if part:
                super().on_body(part)

    def on_message_begin(self) -> None:
        # What uvicorn prepares for a request is prepared when it gets one.
        self.url = b""
        self._fields = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        add_header(self._fields, name.lower(), value)

    def on_headers_complete(self) -> None:
        if self._may_be_direct():
            self._gathered = b""
        else:
            self._begin_cycle()

    def on_body(self, body: bytes) -> None:
        if self._gathered is None:
            super().on_body(body)
        else:
            self._gathered += body

    def on_message_complete(self) -> None:
        if self._gathered is None:
            super().on_message_complete()
            return
        body, self._gathered = self._gathered, None
        self._answer(body)

    # --- uvicorn's way -----------------------------------------------------------------------

    def _begin_cycle(self) -> None:
        """Make the task that answers the request whose headers were read last."""
        url = self.url
        super().on_message_begin()
        self.url = url
        for field in self._fields.items():
            super().on_header(*field)
        if self.tls:
            self.scope["extensions"] = {TLS_EXTENSION: cast("dict[object, object]", self.tls)}
        super().on_headers_complete()
        self._asked = True
        # The task starts at the next turn of the loop, so nothing is written yet.
        self.cycle.transport = cast("asyncio.Transport", JoiningTransport(self.transport))

    def _go_on(self, work: Coroutine[Any, Any, HTTPResponse], waits_for: Any) -> None:
        """Hand over to a task what had to wait after all."""

        async def answer(_scope: object, _receive: object, send: Any) -> None:
            await send_response(send, await resumed(work, waits_for))

        app = self.app
        self.app = cast("Any", answer)
        try:
            self._begin_cycle()
        finally:
            self.app = app
        super().on_message_complete()

    # --- the short way -----------------------------------------------------------------------

    def _may_be_direct(self) -> bool:
        application, url, parser = self._application, self.url, self.parser
        if (
            application is None
            or len(url) > _PATH_BYTES
            or b"?" in url
            or b"#" in url
            or parser.get_method() != b"POST"
        ):
            return False
        self._route = application.dispatcher.data.route(url)
        return (
            self._route is not None
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and b"expect" not in self._fields
            and not self._answering
            and not self.pipeline
            and not self.flow.write_paused
            and not self.transport.is_closing()
        )

    def _answer(self, body: bytes) -> None:
        application, route, client = self._application, self._route, self.client
        if application is None or route is None:
            raise RuntimeError("gathered a request that is not for the short way")
        request = HTTPRequest(
            method="POST",
            path=self.url,
            query=b"",
            headers=self._fields,
            body=body,
            client=client[0] if client else None,
            tls_version=self.tls.get("version"),
            cipher_suite=self.tls.get("cipher"),
        )
        work = application.dispatcher.data.handle(request, *route)
        try:
            waits_for = work.send(None)
        except StopIteration as done:
            self._write(done.value)
        else:
            self._go_on(work, waits_for)

    def _write(self, response: HTTPResponse) -> None:
        default, lines = self._default_headers
        if self.server_state.default_headers is not default:
            # The date, once a second.
            default = self.server_state.default_headers
            lines = b"".join(b"%s: %s\r\n" % header for header in default)
            self._default_headers = default, lines
        head = b"".join([b"%s: %s\r\n" % header for header in response.header_list()])
        self.transport.write(
            b"".join((STATUS_LINE[response.status], lines, head, b"\r\n", response.body))
        )
        self.server_state.total_requests += 1
        if response.close:
            self.transport.close()
            return
        self._at_rest = True
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._watch_idleness(self.timeout_keep_alive)

    # --- connections that stay ---------------------------------------------------------------
    # A timer for each answer would be set and cleared again. There is one, which looks when it
    # ends how long the connection has been idle, and goes on if that is not long enough.

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None

    def on_response_complete(self) -> None:
        self._end_watch()
        super().on_response_complete()
        self._idle_since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_watch()
        super().connection_lost(exc)

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return  # at work; the answer starts the watch again
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._watch_idleness(left)
        else:
            super().timeout_keep_alive_handler()

    def _watch_idleness(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def _end_watch(self) -> None:
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None

"""
What our HTTP protocol adds to uvicorn's: limits on requests that do not get finished.

A connection has HEADER_TIMEOUT_S for the headers of a request, counted from its first byte (or
from the connection, for the first), and HEADER_BYTES for them. The body is the app's to limit. A
client that closes its sending side after a whole request still gets its answer.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from keyferry.service.direct import DirectProtocol

HEADER_TIMEOUT_S = 10.0
HEADER_BYTES = 64 << 10

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class GuardedProtocol(DirectProtocol):
    """uvicorn's protocol with bounds on request headers."""

    header_timeout_s = HEADER_TIMEOUT_S

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._header_timer: asyncio.TimerHandle | None = None
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connection: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if connection is not None:
            cipher = connection.cipher()
            self.tls = {
                "version": connection.version() or "unknown",
                "cipher": cipher[0] if cipher else "unknown",
                "client_certificate": connection.getpeercert(binary_form=True),
            }
        self._start_header_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_header_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._header_bytes += len(data)
        super().data_received(data)
        if self._answering or self._at_rest or self.transport.is_closing():
            return
        if self._header_bytes > HEADER_BYTES:
            self.transport.write(_TOO_LARGE)
            self.transport.close()
            return
        # Data without a complete request in sight, be it only blank lines, starts the clock; more
        # of it does not start it again.
        self._start_header_timer()

    def on_headers_complete(self) -> None:
        self._stop_header_timer()
        self._header_bytes = 0
        super().on_headers_complete()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        if self._answering and not self.cycle.more_body:
            self.cycle.keep_alive = False
            return True  # the transport stays open for the answer
        return None

    def shutdown(self) -> None:
        super().shutdown()
        if self.tls and not self._answering:
            # A polite end of TLS waits for the client's, who has no reason to look at an idle
            # connection now; that would hold up the end of the service.
            self.transport.abort()

    def _start_header_timer(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(self.header_timeout_s, self._give_up)

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _give_up(self) -> None:
        self._header_timer = None
        if not self._answering and not self.transport.is_closing():
            self.transport.close()

"""
Connections to one peer: kept, used again, and broken off from another thread when time is up.

Everything here blocks and runs in the threads of the transport. Only http.client's own errors and
those of sockets come out of it; `http_transport.py` says what they mean.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from keyferry.errors import PeerProtocolError, PeerUnreachableError
from keyferry.service.loopback import is_loopback_address
from keyferry.service.replication.peers.settings import PeerAddress

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 15.0  # without a byte
ANSWER_BYTES = 4 << 20
# A little less than the peer keeps an idle connection, so that it is rarely met closed.
_IDLE_S = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, whatever it says."""

    status: int
    content_type: str
    date: str | None
    body: bytes


class Abortable:
    """A request under way, which another thread may break off."""

    def __init__(self) -> None:
        self._connection: http.client.HTTPConnection | None = None
        self.aborted = False

    def on(self, connection: http.client.HTTPConnection) -> None:
        """Say which connection the request is on; PeerUnreachableError if it was broken off."""
        self._connection = connection
        if self.aborted:
            raise PeerUnreachableError("broken off")

    def abort(self) -> None:
        """End the request: whatever it waits for fails."""
        self.aborted = True
        connection = self._connection
        sock = connection.sock if connection is not None else None
        if sock is not None:
            # Not the TLS layer's own method, which is not for use beside a thread that reads.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class PeerConnections:
    """
    The connections of this process to one peer.

    Args:
        tls: for an https address.
        check: looks at the certificate (DER) of a new TLS connection and raises a KeyferryError.
    """

    def __init__(
        self,
        address: PeerAddress,
        *,
        tls: ssl.SSLContext | None,
        check: Callable[[bytes], None],
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        self._address = address
        self._tls = tls
        self._check = check
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._lock = threading.Lock()
        self._idle: list[tuple[http.client.HTTPConnection, float]] = []
        self._closed = False

    def post(self, headers: Mapping[str, str], body: bytes, request: Abortable) -> Answer:
        """
        Send a POST to `/` and return the answer.

        A connection that was closed while it was idle is replaced, once: what is sent may arrive
        twice, which the protocol allows.

        Raises:
            OSError, http.client.HTTPException, ValueError: no answer, or none of HTTP.
            PeerProtocolError: the answer is too large.
            KeyferryError: what `check` raises.
        """
        connection = self._take()
        if connection is not None:
            try:
                return self._post(connection, headers, body, request)
            except TimeoutError:
                raise
            except (OSError, http.client.RemoteDisconnected):
                if request.aborted:
                    raise
        return self._post(self._connect(request), headers, body, request)

    def close(self) -> None:
        """Close idle connections; those at work are closed when they are done."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    def _take(self) -> http.client.HTTPConnection | None:
        """An idle connection, the one used last; those that were idle too long are closed."""
        oldest = time.monotonic() - _IDLE_S
        with self._lock:
            stale = [c for c, since in self._idle if since < oldest]
            self._idle = [(c, since) for c, since in self._idle if since >= oldest]
            taken = self._idle.pop()[0] if self._idle else None
        for connection in stale:
            connection.close()
        return taken

    def _give_back(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append((connection, time.monotonic()))
                return
        connection.close()

    def _connect(self, request: Abortable) -> http.client.HTTPConnection:
        address = self._address
        connection: http.client.HTTPConnection
        if self._tls is None:
            connection = http.client.HTTPConnection(
                address.host, address.port, timeout=self._connect_timeout_s
            )
        else:
            connection = http.client.HTTPSConnection(
                address.host, address.port, timeout=self._connect_timeout_s, context=self._tls
            )
        try:
            request.on(connection)
            connection.connect()
            request.on(connection)
            self._check_other_end(connection.sock)
            connection.sock.settimeout(self._read_timeout_s)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_other_end(self, sock: socket.socket) -> None:
        if isinstance(sock, ssl.SSLSocket):
            self._check(sock.getpeercert(binary_form=True) or b"")
        elif not is_loopback_address(str(sock.getpeername()[0])):
            # The name meant this machine when the service started.
            raise PeerUnreachableError("plain http would leave this machine")

    def _post(
        self,
        connection: http.client.HTTPConnection,
        headers: Mapping[str, str],
        body: bytes,
        request: Abortable,
    ) -> Answer:
        try:
            request.on(connection)
            connection.request("POST", "/", body, dict(headers))
            response = connection.getresponse()
            answer = _whole(response)
            stays = not response.will_close and response.isclosed()
        except BaseException:
            connection.close()
            raise
        if stays:
            self._give_back(connection)
        else:
            connection.close()
        return answer


def _whole(response: http.client.HTTPResponse) -> Answer:
    """Read an answer to its end."""
    content = response.read(ANSWER_BYTES + 1)
    if len(content) > ANSWER_BYTES:
        raise PeerProtocolError(f"the answer is larger than {ANSWER_BYTES} bytes")
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return Answer(
        status=response.status,
        content_type=response.getheader("content-type", ""),
        date=response.getheader("date"),
        body=content,
    )

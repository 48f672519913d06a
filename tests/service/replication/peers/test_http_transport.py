"""The way to a peer over HTTP, against servers that answer by hand: garbage, silence, refusals."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyferry.errors import (
    CircuitOpenError,
    PeerProtocolError,
    PeerRefusedError,
    PeerUnreachableError,
    ReplicationError,
)
from keyferry.service.authz.access_keys import access_key
from keyferry.service.replication.backoff import Backoff
from keyferry.service.replication.peers.circuit import Circuit, CircuitState
from keyferry.service.replication.peers.http_connection import ANSWER_BYTES, PeerConnections
from keyferry.service.replication.peers.http_transport import HTTPPeer, HTTPTransport
from keyferry.service.replication.peers.settings import PeerAddress
from keyferry.service.wire.signing import RequestSigner

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
KEY = access_key("PEERKEY", "secret", account="111122223333", principal="peer")
JSON = b"content-type: application/x-amz-json-1.0\r\n"


def answer(body: bytes, status: bytes = b"200 OK", headers: bytes = JSON) -> bytes:
    """An HTTP response, by hand."""
    length = b"content-length: %d\r\n" % len(body)
    return b"HTTP/1.1 " + status + b"\r\n" + headers + length + b"\r\n" + body


class Scripted:
    """
    A server that answers each request with the next bytes of a script, whatever was asked.

    None instead of bytes closes the connection without an answer; after the script's end the
    server says nothing and keeps connections open.
    """

    def __init__(self, *script: bytes | None) -> None:
        self.script = list(script)
        self.requests: list[bytes] = []
        self.asked = threading.Event()
        self.connections = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._opened: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self.connections += 1
                self._opened.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while request := self._read(connection):
                self.requests.append(request)
                self.asked.set()
                if not self.script:
                    continue
                said = self.script.pop(0)
                if said is None:
                    connection.shutdown(socket.SHUT_RDWR)
                    return
                connection.sendall(said)
                if b"content-length" not in said.lower():
                    connection.shutdown(socket.SHUT_RDWR)
                    return

    @staticmethod
    def _read(connection: socket.socket) -> bytes:
        received = b""
        while b"\r\n\r\n" not in received:
            part = connection.recv(65536)
            if not part:
                return b""
            received += part
        head, _, body = received.partition(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        while len(body) < length:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        for opened in (self._listening, *self._opened):
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()


MakePeer = Callable[..., tuple[HTTPTransport, Scripted]]


@pytest.fixture
def peer(quiet_log: None) -> Iterator[MakePeer]:
    """Makes a scripted server and the way there."""
    made: list[Any] = []

    def make(*script: bytes | None, **options: Any) -> tuple[HTTPTransport, Scripted]:
        server = Scripted(*script)
        address = PeerAddress.parse(f"us-west-2=http://127.0.0.1:{server.port}")
        usual: dict[str, Any] = {"threads": 2, "clock": lambda: NOW, "timeout_s": 10.0}
        one = HTTPPeer(
            address,
            PeerConnections(address, tls=None, check=lambda _: None),
            RequestSigner(KEY, region="us-west-2"),
            Circuit("us-west-2", backoff=Backoff(first_s=60.0, most_s=600.0)),
            **(usual | options),
        )
        made.extend((one, server))
        return HTTPTransport(one, "us-east-1"), server

    yield make
    for closed in made:
        closed.close()


async def test_a_request_is_what_the_protocol_says(peer: MakePeer) -> None:
    """One POST to the root: target, sender and date signed, the body as it is; the answer as is."""
    transport, server = peer(answer(b'{"Results":[]}'))
    assert await transport.call("ApplyChanges", b'{"Changes":[]}') == b'{"Results":[]}'
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST / HTTP/1.1"
    fields = dict(line.lower().split(b": ", 1) for line in lines[1:])
    assert body == b'{"Changes":[]}'
    assert fields[b"host"] == b"127.0.0.1:%d" % server.port
    assert fields[b"x-amz-target"] == b"keyferryreplication.applychanges"
    assert fields[b"x-keyferry-region"] == b"us-east-1"
    assert fields[b"x-amz-date"] == b"20260301t120000z"
    signed = b"accept-encoding;content-type;host;x-amz-date;x-amz-target;x-keyferry-region"
    assert (
        b"credential=peerkey/20260301/us-west-2/payment-cryptography/aws4_request"
        in (fields[b"authorization"])
    )
    assert b"signedheaders=" + signed in fields[b"authorization"]


async def test_a_connection_is_used_again(peer: MakePeer) -> None:
    """Many messages take one connection."""
    transport, server = peer(*[answer(b"{}")] * 5)
    for _ in range(5):
        await transport.call("ApplyChanges", b"{}")
    assert server.connections == 1


async def test_a_connection_that_ended_while_idle_is_replaced(peer: MakePeer) -> None:
    """A peer that closed the kept connection is asked on a new one, without a failure."""
    transport, server = peer(answer(b"{}"), None, answer(b'{"Again":1}'))
    await transport.call("ApplyChanges", b"{}")
    assert await transport.call("ApplyChanges", b"{}") == b'{"Again":1}'
    assert server.connections == 2
    assert transport.circuit.failures == 0


async def test_a_new_connection_that_ends_is_a_failure(peer: MakePeer) -> None:
    """It is not tried again at once: whether the message arrived is not known."""
    transport, server = peer(None)
    with pytest.raises(PeerUnreachableError):
        await transport.call("ApplyChanges", b"{}")
    assert server.connections == 1


GARBAGE = [
    b"",
    b"\x00\x01\x02",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"HTTP/1.1 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: 99\r\n\r\n{",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n" + JSON + b"\r\nZZ\r\n{}\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
    b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000 + b"\r\n\r\n",
    b"HTTP/9.9 200 OK\r\n\r\n",
]


@pytest.mark.parametrize("said", GARBAGE)
async def test_what_is_no_answer_is_unreachable(peer: MakePeer, said: bytes) -> None:
    """Bytes that are no HTTP response, or that break off, are told as a peer out of reach."""
    transport, server = peer(said)
    asked = asyncio.ensure_future(transport.call("ApplyChanges", b"{}"))
    assert await asyncio.to_thread(server.asked.wait, 10)
    server.close()  # what is not there yet will not come
    with pytest.raises(ReplicationError) as caught:
        await asked
    assert type(caught.value) in (PeerUnreachableError, PeerProtocolError)
    assert "127.0.0.1" in str(caught.value)


@pytest.mark.parametrize(
    "said",
    [
        answer(b"{}", headers=b"content-type: text/html\r\n"),
        answer(b"{}", headers=b""),
        answer(b"<html>", status=b"404 Not Found"),
        answer(b"", status=b"204 No Content"),
        answer(b"", status=b"301 Moved", headers=b"location: http://127.0.0.1:1/\r\n"),
        answer(b"[1]", status=b"400 Bad Request"),
        answer(b'{"__type": 7}', status=b"400 Bad Request"),
        answer(b"[" * 100_000, status=b"400 Bad Request"),
        answer(b"x" * (ANSWER_BYTES + 1)),
    ],
)
async def test_an_answer_of_something_else(peer: MakePeer, said: bytes) -> None:
    """HTTP that is not the protocol, a redirect included, is a PeerProtocolError."""
    transport, server = peer(said)
    with pytest.raises(PeerProtocolError):
        await transport.call("ApplyChanges", b"{}")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "said",
    [
        answer(b"<html>bad gateway</html>", status=b"502 Bad Gateway"),
        answer(b'{"__type":"a#ServiceUnavailableException","message":"x"}', status=b"503 X"),
        answer(b'{"__type":"a#InternalServerException","Message":"x"}', status=b"500 X"),
        answer(b'{"__type":"a#ThrottlingException","message":"slow"}', status=b"400 X"),
    ],
)
async def test_not_now_is_unreachable(peer: MakePeer, said: bytes) -> None:
    """A peer that cannot answer now is tried later, as one that does not answer."""
    transport, _ = peer(said)
    with pytest.raises(PeerUnreachableError, match="cannot answer now"):
        await transport.call("ApplyChanges", b"{}")


async def test_a_refusal_keeps_its_words(peer: MakePeer) -> None:
    """What the peer refuses with is told, cut to a line."""
    body = b'{"__type":"a.b#AccessDeniedException","Message":"no peer' + b"x" * 1000 + b'"}'
    transport, _ = peer(answer(body, status=b"400 Bad Request"))
    with pytest.raises(PeerRefusedError, match="AccessDeniedException: no peer") as caught:
        await transport.call("ApplyChanges", b"{}")
    assert caught.value.code == "AccessDeniedException"
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("minutes", [-20, 20])
async def test_clocks_that_differ_too_much_are_named(peer: MakePeer, minutes: int) -> None:
    """A refusal of a signature for its date speaks of the clocks."""
    date = format_datetime(NOW + timedelta(minutes=minutes), usegmt=True).encode()
    body = b'{"__type":"a#InvalidSignatureException","message":"Signature expired"}'
    headers = JSON + b"date: " + date + b"\r\n"
    transport, _ = peer(answer(body, status=b"400 Bad Request", headers=headers))
    with pytest.raises(PeerRefusedError, match="clocks differ by 20 minutes") as caught:
        await transport.call("ApplyChanges", b"{}")
    assert "NTP" in (caught.value.hint or "")


async def test_silence_ends(peer: MakePeer) -> None:
    """A peer that takes a message and says nothing is given up; its thread is free again."""
    transport, server = peer(timeout_s=0.2, threads=1)
    for _ in range(2):
        with pytest.raises(PeerUnreachableError, match=r"no answer in 0\.2 s"):
            await transport.call("ApplyChanges", b"{}")
    server.script.append(answer(b"{}"))
    assert await transport.call("ApplyChanges", b"{}") == b"{}"


async def test_half_an_answer_is_silence(peer: MakePeer) -> None:
    """Bytes that came do not keep a request alive beyond its time."""
    transport, server = peer(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n", timeout_s=0.3)
    with pytest.raises(PeerUnreachableError, match=r"no answer in 0\.3 s"):
        await transport.call("ApplyChanges", b"{}")
    assert server.connections == 1


async def test_a_cancelled_call_frees_its_thread(peer: MakePeer) -> None:
    """Stopping does not wait for a peer that hangs, and says nothing about the peer."""
    transport, server = peer(threads=1)
    hanging = asyncio.ensure_future(transport.call("ApplyChanges", b"{}"))
    assert await asyncio.to_thread(server.asked.wait, 10)
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    assert transport.circuit.failures == 0
    server.script.append(answer(b"{}"))
    assert await transport.call("ApplyChanges", b"{}") == b"{}"


async def test_a_peer_that_hangs_holds_up_no_other(peer: MakePeer) -> None:
    """Each peer has threads of its own: all of one's may wait while another answers."""
    silent, server = peer(threads=1)
    waiting = [asyncio.ensure_future(silent.call("ApplyChanges", b"{}")) for _ in range(8)]
    assert await asyncio.to_thread(server.asked.wait, 10)
    prompt, _ = peer(answer(b"{}"))
    assert await prompt.call("ApplyChanges", b"{}") == b"{}"
    for one in waiting:
        one.cancel()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in ended)


async def test_the_circuit_opens_and_spares_the_peer(peer: MakePeer) -> None:
    """After three failures nothing is sent until the pause is over."""
    transport, server = peer(*[answer(b"", status=b"503 X")] * 3, answer(b"{}"))
    for _ in range(3):
        with pytest.raises(PeerUnreachableError):
            await transport.call("ApplyChanges", b"{}")
    assert transport.circuit.state is CircuitState.OPEN
    with pytest.raises(CircuitOpenError):
        await transport.call("ApplyChanges", b"{}")
    assert len(server.requests) == 3
    # Its root is asked for nevertheless: a peer that is back may wait for that.
    with pytest.raises(PeerProtocolError):
        await transport.root()
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b'{"Certificate":"AAAA"}', b'{"Certificate":7}', b"\xff"]
)
async def test_a_root_that_is_none(peer: MakePeer, body: bytes) -> None:
    """GetRoot answered with something else is a PeerProtocolError."""
    transport, _ = peer(answer(body))
    with pytest.raises(PeerProtocolError):
        await transport.root()


@given(st.binary(max_size=200), st.sampled_from([b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n"]))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_answer_raises_anything_else(peer: MakePeer, tail: bytes, start: bytes) -> None:
    """Whatever a server says and then hangs up, only errors of replication come of it."""
    transport, server = peer(start + tail.replace(b"content-length", b""), timeout_s=5.0)

    async def ask() -> None:
        with contextlib.suppress(ReplicationError):
            await transport.call("ApplyChanges", b"{}")

    asyncio.run(ask())
    server.close()

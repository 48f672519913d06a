"""Connections that misbehave: slow, half-closed, oversized, broken. None disturbs another."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyferry.service.protocol import HEADER_BYTES, GuardedProtocol

Connect = Callable[[], socket.socket]

HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


def read_response(connection: socket.socket) -> bytes:
    """One response, headers and body; what was read so far if the connection ends."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        if not part:
            return received
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    missing = int(lengths[0].split(b":")[1]) - len(body) if lengths else 0
    while missing > 0:
        part = connection.recv(65536)
        if not part:
            break
        received += part
        missing -= len(part)
    return received


def read_to_end(connection: socket.socket) -> bytes:
    received = b""
    while True:
        try:
            part = connection.recv(65536)
        except ConnectionResetError:
            return received
        if not part:
            return received
        received += part


@pytest.fixture
def short_header_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GuardedProtocol, "header_timeout_s", 0.2)


def test_keep_alive_and_pipelining(connect: Connect) -> None:
    """Requests on one connection are answered one after the other."""
    connection = connect()
    connection.sendall(HEALTH)
    assert read_response(connection).startswith(b"HTTP/1.1 200")
    connection.sendall(HEALTH * 3)
    received = b""
    while received.count(b'{"status"') < 3:
        received += connection.recv(65536)
    assert received.count(b"HTTP/1.1 200") == 3


@pytest.mark.parametrize("start", [b"", b"P", b"POST / HTTP/1.1\r\nHost: x\r\nX-Half", b"\r\n"])
def test_headers_that_do_not_arrive_end_the_connection(
    connect: Connect, short_header_timeout: None, start: bytes
) -> None:
    """A connection without whole headers in time is closed without an answer."""
    connection = connect()
    connection.sendall(start)
    assert read_to_end(connection) == b""


def test_second_request_that_does_not_arrive_ends_the_connection(
    connect: Connect, short_header_timeout: None
) -> None:
    """The clock starts anew with each request on a kept connection."""
    connection = connect()
    connection.sendall(HEALTH)
    assert read_response(connection).startswith(b"HTTP/1.1 200")
    connection.sendall(b"GET /hea")
    assert read_to_end(connection) == b""


def test_body_that_does_not_arrive_is_408(connect: Connect) -> None:
    """Headers alone do not hold a request open."""
    connection = connect()
    connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
    assert read_to_end(connection).startswith(b"HTTP/1.1 408")


def test_many_slow_connections_do_not_disturb_a_client(
    connect: Connect, payment_cryptography: Any
) -> None:
    """With a hundred half-sent requests open, a client is answered as ever."""
    for _ in range(50):
        connect().sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Le")
        connect().sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
    assert "Keys" in payment_cryptography.list_keys()


def test_half_closed_client_gets_its_answer(connect: Connect) -> None:
    """Closing the sending side after a whole request is no reason not to answer."""
    connection = connect()
    connection.sendall(HEALTH)
    connection.shutdown(socket.SHUT_WR)
    assert read_to_end(connection).startswith(b"HTTP/1.1 200")


def test_half_closed_half_request_gets_nothing(connect: Connect) -> None:
    """Closing the sending side within a request ends the connection."""
    connection = connect()
    connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
    connection.shutdown(socket.SHUT_WR)
    assert read_to_end(connection) == b""


@pytest.mark.parametrize("chunked", [False, True])
def test_body_over_the_limit_is_413_and_closes(connect: Connect, chunked: bool) -> None:
    """One byte over 1 MiB, with a length or chunked, is answered and the connection closed."""
    connection = connect()
    body = b"x" * ((1 << 20) + 1)
    if chunked:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")
    else:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
        connection.sendall(body)
    answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer


def test_expect_100_continue_is_answered_with_413(connect: Connect) -> None:
    """A client that asks before it sends too much is told at once."""
    connection = connect()
    connection.sendall(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\nExpect: 100-continue\r\n\r\n"
    )
    assert read_to_end(connection).startswith(b"HTTP/1.1 413")


def test_endless_headers_are_431(connect: Connect) -> None:
    """Headers beyond their bound are refused before they are complete."""
    connection = connect()
    connection.sendall(b"GET / HTTP/1.1\r\n")
    received = b""
    try:
        for _ in range(HEADER_BYTES // 1000 + 50):
            connection.sendall(b"X-Filler: " + b"y" * 988 + b"\r\n")
    except (BrokenPipeError, ConnectionResetError):
        pass
    received = read_to_end(connection)
    assert received == b"" or received.startswith(b"HTTP/1.1 431")
    connection = connect()
    connection.sendall(HEALTH)
    assert read_response(connection).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_is_no_http_ends_the_connection(connect: Connect, garbage: bytes) -> None:
    """Bytes that are no request are answered with 400 or nothing, and the service goes on."""
    connection = connect()
    connection.sendall(garbage)
    connection.shutdown(socket.SHUT_WR)
    answer = read_to_end(connection)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    connection = connect()
    connection.sendall(HEALTH)
    assert read_response(connection).startswith(b"HTTP/1.1 200")


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    head=st.sampled_from(
        [b"", b"POST / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"]
    ),
    tail=st.binary(max_size=200),
)
def test_any_bytes_leave_the_service_running(connect: Connect, head: bytes, tail: bytes) -> None:
    """Whatever a connection sends, the next one is served."""
    connection = connect()
    connection.sendall(head + tail)
    connection.shutdown(socket.SHUT_WR)
    answer = read_to_end(connection)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 ")
    connection.close()
    probe = connect()
    probe.sendall(HEALTH)
    assert read_response(probe).startswith(b"HTTP/1.1 200")
    probe.close()


def test_no_server_banner_and_a_date(running_service: Any) -> None:
    """The server does not tell its make; the date lets clients correct their clock."""
    with urllib.request.urlopen(f"{running_service.url}/health") as response:
        assert response.headers["server"] is None
        assert response.headers["date"].endswith("GMT")
        assert json.load(response)["status"] == "ok"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{running_service.url}/nothing")
    assert caught.value.code == 404
    caught.value.close()

"""Data-plane requests on raw connections: the short way, and every reason to leave it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.asymmetric import rsa

from keyferry.service.direct import DirectProtocol
from keyferry.service.protocol import GuardedProtocol

Connect = Callable[[], socket.socket]
Sign = Callable[..., bytes]

VERIFY = {
    "PrimaryAccountNumber": "4123456789012345",
    "VerificationAttributes": {
        "CardVerificationValue1": {"CardExpiryDate": "8701", "ServiceCode": "101"}
    },
    "ValidationData": "561",
}


@pytest.fixture
def sign(running_service: Any) -> Sign:
    """Makes a signed request as it goes over the wire."""

    def make(path: str, members: Any, *, version: str = "1.1", **headers: str) -> bytes:
        body = members if isinstance(members, bytes) else json.dumps(members).encode()
        request = AWSRequest(
            method="POST",
            url=running_service.url + path,
            data=body,
            headers={
                "Content-Type": "application/json",
                "Host": running_service.url.removeprefix("http://"),
            },
        )
        SigV4Auth(Credentials("test", "test"), "payment-cryptography", "us-east-1").add_auth(
            request
        )
        lines = [
            f"{name}: {value.decode() if isinstance(value, bytes) else value}"
            for name, value in request.prepare().headers.items()
        ]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([f"POST {path} HTTP/{version}", *lines])
        return head.encode() + b"\r\n\r\n" + body

    return make


@pytest.fixture
def short_way(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which way each request goes: "short" or "task"."""
    ways: list[str] = []
    write, begin = DirectProtocol._write, DirectProtocol._begin_cycle

    def wrote(self: DirectProtocol, response: Any) -> None:
        ways.append("short")
        write(self, response)

    def began(self: DirectProtocol) -> None:
        ways.append("task")
        begin(self)

    monkeypatch.setattr(DirectProtocol, "_write", wrote)
    monkeypatch.setattr(DirectProtocol, "_begin_cycle", began)
    return ways


def answer(
    connection: socket.socket, kept: bytes = b""
) -> tuple[int, dict[str, str], bytes, bytes]:
    """Read one answer; status, headers, body, and what came behind it."""
    received = kept
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        assert part, received
        received += part
    head, _, rest = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    length = int(headers["content-length"])
    while len(rest) < length:
        rest += connection.recv(65536)
    return int(status.split()[1]), headers, rest[:length], rest[length:]


@pytest.fixture
def verify(put: Callable[..., str], tools: Any) -> dict[str, Any]:
    return {"KeyIdentifier": put("C0", "TDES_2KEY", "C", tools.tdes), **VERIFY}


def test_whole_request_is_answered_at_once(
    connect: Connect, sign: Sign, short_way: list[str], verify: dict[str, Any]
) -> None:
    """Success and refusal alike, one after the other on one connection."""
    connection = connect()
    for value, expected in (("561", 200), ("562", 400), ("561", 200)):
        connection.sendall(sign("/cardvalidationdata/verify", {**verify, "ValidationData": value}))
        status, headers, body, _ = answer(connection)
        assert status == expected
        assert headers["content-type"] == "application/json"
        assert len(headers["x-amzn-requestid"]) == 36
        assert "date" in headers
        assert json.loads(body)
    assert short_way == ["short"] * 3


@pytest.mark.parametrize("cut", [10, 60, -300, -40, -1])
def test_request_in_pieces(
    connect: Connect, sign: Sign, short_way: list[str], verify: dict[str, Any], cut: int
) -> None:
    """Cut in the headers it is still whole when it ends; cut in the body somebody waits for it."""
    connection = connect()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = sign("/cardvalidationdata/verify", verify)
    connection.sendall(request[:cut])
    threading.Event().wait(0.05)
    connection.sendall(request[cut:])
    assert answer(connection)[0] == 200
    in_body = request.index(b"\r\n\r\n") + 4 <= len(request[:cut])
    assert short_way == (["task"] if in_body else ["short"])
    connection.sendall(request)
    assert answer(connection)[0] == 200
    assert short_way[-1] == "short"


def test_pipelined_requests(
    connect: Connect, sign: Sign, short_way: list[str], verify: dict[str, Any]
) -> None:
    """Several in one piece are answered in order; one behind a slow one waits for it."""
    connection = connect()
    requests = [
        sign("/cardvalidationdata/verify", {**verify, "ValidationData": value})
        for value in ("561", "562", "561", "563")
    ]
    connection.sendall(b"".join(requests))
    kept, statuses = b"", []
    for _ in requests:
        status, _, _, kept = answer(connection, kept)
        statuses.append(status)
    assert statuses == [200, 400, 200, 400]
    assert short_way == ["short"] * 4


@pytest.fixture(scope="session")
def rsa_arn(put: Callable[..., str]) -> str:
    return put("D1", "RSA_2048", "B", rsa.generate_private_key(65537, 2048))


def test_operation_that_has_to_wait(
    connect: Connect,
    sign: Sign,
    short_way: list[str],
    client: Any,
    rsa_arn: str,
    verify: dict[str, Any],
) -> None:
    """An RSA decryption leaves the loop: it goes on in a task, and answers stay in order."""
    attributes = {"Asymmetric": {"PaddingType": "OAEP_SHA256"}}
    cipher_text = client.encrypt_data(
        KeyIdentifier=rsa_arn, PlainText="31323334", EncryptionAttributes=attributes
    )["CipherText"]
    short_way.clear()
    quoted = rsa_arn.replace(":", "%3A").replace("/", "%2F")
    slow = sign(
        f"/keys/{quoted}/decrypt", {"CipherText": cipher_text, "DecryptionAttributes": attributes}
    )
    connection = connect()
    connection.sendall(slow + sign("/cardvalidationdata/verify", verify) + slow)
    status, _, body, kept = answer(connection)
    assert (status, json.loads(body)["PlainText"]) == (200, "31323334")
    status, _, body, kept = answer(connection, kept)
    assert (status, json.loads(body)["KeyArn"]) == (200, verify["KeyIdentifier"])
    assert answer(connection, kept)[0] == 200
    assert short_way[0] == "task"


@pytest.mark.parametrize(
    ("version", "headers", "closes"),
    [
        ("1.0", {}, True),
        ("1.1", {"Connection": "close"}, True),
        ("1.1", {"Expect": "100-continue"}, False),
    ],
)
def test_other_ways_of_http(
    connect: Connect,
    sign: Sign,
    short_way: list[str],
    verify: dict[str, Any],
    version: str,
    headers: dict[str, str],
    closes: bool,
) -> None:
    """What changes how an answer is given is left to uvicorn."""
    connection = connect()
    connection.sendall(sign("/cardvalidationdata/verify", verify, version=version, **headers))
    received = b""
    if "Expect" in headers:
        go_on = b"HTTP/1.1 100 Continue\r\n\r\n"
        while len(received) < len(go_on):
            received += connection.recv(65536)
        assert received.startswith(go_on)
        received = received.removeprefix(go_on)
    status, _, _, kept = answer(connection, received)
    assert (status, kept) == (200, b"")
    assert short_way == ["task"]
    if closes:
        assert connection.recv(1) == b""


def test_query_is_left_to_uvicorn(
    connect: Connect, sign: Sign, short_way: list[str], verify: dict[str, Any]
) -> None:
    """It is under the signature, and means nothing."""
    connection = connect()
    connection.sendall(sign("/cardvalidationdata/verify?a=b", verify))
    assert answer(connection)[0] == 200
    assert short_way == ["task"]


def test_client_that_only_listens_gets_its_answer(
    connect: Connect, sign: Sign, verify: dict[str, Any]
) -> None:
    """Half-closed behind the request."""
    connection = connect()
    connection.sendall(sign("/cardvalidationdata/verify", verify))
    connection.shutdown(socket.SHUT_WR)
    assert answer(connection)[0] == 200
    assert connection.recv(1) == b""


def test_unsigned_and_unread_bodies(connect: Connect, short_way: list[str]) -> None:
    """Refusals without a signature, and bodies that are no JSON."""
    connection = connect()
    for body in (b"", b"{}", b"\xff" * 1000):
        connection.sendall(
            b"POST /mac/generate HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
            + body
        )
        status, headers, _, _ = answer(connection)
        assert status == 403
        assert headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"
    assert short_way == ["short"] * 3


def test_chunked_body(connect: Connect, short_way: list[str]) -> None:
    """In one piece it is gathered like any other."""
    connection = connect()
    connection.sendall(
        b"POST /mac/generate HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
    )
    assert answer(connection)[0] == 403
    assert short_way == ["short"]


def test_blank_lines_start_the_clock_again(
    connect: Connect, sign: Sign, verify: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answered connection may be idle; one that dribbles may not."""
    monkeypatch.setattr(GuardedProtocol, "header_timeout_s", 0.1)
    idle, dribbling = connect(), connect()
    for connection in (idle, dribbling):
        connection.sendall(sign("/cardvalidationdata/verify", verify))
        assert answer(connection)[0] == 200
    dribbling.sendall(b"\r\n")
    assert dribbling.recv(1) == b""
    idle.sendall(sign("/cardvalidationdata/verify", verify))
    assert answer(idle)[0] == 200


class Clock:
    """A loop whose time stands still until it is moved, for timers of a protocol."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Callable[[], None]) -> Any:
        timer = (self.now + seconds, call)
        self.timers.append(timer)
        return mock.Mock(cancel=lambda: self.timers.remove(timer))

    def move(self, seconds: float) -> None:
        self.now += seconds
        for timer in [one for one in self.timers if one[0] <= self.now]:
            self.timers.remove(timer)
            timer[1]()


class Transport:
    closed = False

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def protocol() -> DirectProtocol:
    made = DirectProtocol.__new__(DirectProtocol)
    made.loop = Clock()  # type: ignore[assignment]
    made.transport = Transport()  # type: ignore[assignment]
    made.timeout_keep_alive = 75
    made.timeout_keep_alive_task = None
    made._idle_since = None
    return made


def answered(protocol: DirectProtocol) -> None:
    """As `_write` does at its end."""
    protocol._idle_since = protocol.loop.time()
    if protocol.timeout_keep_alive_task is None:
        protocol._watch_idleness(protocol.timeout_keep_alive)


def test_idle_connections_end(protocol: DirectProtocol) -> None:
    """After the keep-alive time since the last answer, with one timer for all of them."""
    clock: Any = protocol.loop
    for _ in range(3):
        answered(protocol)
        clock.move(30)
        protocol._unset_keepalive_if_required()
    answered(protocol)
    assert len(clock.timers) == 1
    clock.move(74)
    assert not protocol.transport.is_closing()
    clock.move(1.5)
    assert protocol.transport.is_closing()


def test_busy_connections_do_not_end(protocol: DirectProtocol) -> None:
    """A request under way is not idleness; its answer starts the watch again."""
    clock: Any = protocol.loop
    answered(protocol)
    clock.move(74)
    protocol._unset_keepalive_if_required()
    clock.move(100)
    assert not protocol.transport.is_closing()
    assert clock.timers == []
    answered(protocol)
    clock.move(74)
    assert not protocol.transport.is_closing()
    clock.move(2)
    assert protocol.transport.is_closing()


def test_body_that_is_too_large(connect: Connect, short_way: list[str]) -> None:
    """It is refused as the data plane refuses, and the connection ends."""
    connection = connect()
    connection.sendall(
        b"POST /mac/generate HTTP/1.1\r\nhost: x\r\ncontent-length: 900000000\r\n\r\n{"
    )
    status, headers, body, _ = answer(connection)
    assert status == 413
    assert headers["x-amzn-errortype"] == "RequestEntityTooLargeException"
    assert "message" in json.loads(body)
    assert connection.recv(1) == b""
    assert short_way == ["task"]

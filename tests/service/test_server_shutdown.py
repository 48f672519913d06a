"""The end of a service: what is in flight is answered, what waits is written."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from keyferry.service.app import Application
from keyferry.service.authz.access_keys import development_keys
from keyferry.service.dispatch import Dispatcher
from keyferry.service.region import open_regions
from keyferry.service.server import APIServer, bind, server_config
from keyferry.service.settings import ServiceSettings

Serve = Callable[..., Any]

CREATE_RSA = {
    "KeyAttributes": {
        "KeyUsage": "TR31_D1_ASYMMETRIC_KEY_FOR_DATA_ENCRYPTION",
        "KeyClass": "ASYMMETRIC_KEY_PAIR",
        "KeyAlgorithm": "RSA_2048",
        "KeyModesOfUse": {"Encrypt": True, "Decrypt": True, "Wrap": True, "Unwrap": True},
    },
    "Exportable": True,
}


@pytest.fixture
def options(tmp_path: Path) -> tuple[str, ...]:
    credentials = tmp_path / "credentials.toml"
    credentials.write_text(
        '[[access_key]]\nid = "AK"\nsecret = "s"\naccount = "111122223333"\nprincipal = "a"\n'
    )
    credentials.chmod(0o600)
    return (
        *("--credentials", str(credentials), "--data-dir", str(tmp_path / "keys")),
        *("--regions", "us-east-1"),
    )


def signed(
    url: str, operation: str, body: Any, *, target: str = "PaymentCryptographyControlPlane"
) -> bytes:
    """A request as bytes."""
    content = json.dumps(body).encode()
    request = AWSRequest(
        "POST", f"{url}/", data=content, headers={"X-Amz-Target": f"{target}.{operation}"}
    )
    SigV4Auth(Credentials("AK", "s"), "payment-cryptography", "us-east-1").add_auth(request)
    host = url.partition("://")[2]
    lines = ["POST / HTTP/1.1", f"Host: {host}", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def open_connection(url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=30)


def read_answer(connection: socket.socket) -> tuple[bytes, dict[str, Any]]:
    """Status line and body."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        assert part, received
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        int(line.partition(b":")[2])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head, json.loads(body)


def ask(url: str, *arguments: Any, **options: Any) -> dict[str, Any]:
    with open_connection(url) as connection:
        connection.sendall(signed(url, *arguments, **options))
        return read_answer(connection)[1]


def wait_until_closed(url: str) -> None:
    """Return once the listener takes no more connections."""
    for _ in range(10_000):
        try:
            open_connection(url).close()
        except (ConnectionRefusedError, ConnectionResetError):
            return  # reset: it was closed with our connection still waiting in its queue
    raise AssertionError("the listener is still open")


def test_request_in_flight_at_sigterm_is_answered_and_kept(
    serve: Serve, options: tuple[str, ...]
) -> None:
    """A request half sent when the end is asked for is taken, done, answered and on disk."""
    service = serve(*options)
    request = signed(service.url, "CreateKey", CREATE_RSA)
    with open_connection(service.url) as connection:
        connection.sendall(request[:-10])
        # Another request on its way shows that the first one has reached the service.
        assert ask(service.url, "ListKeys", {}) == {"Keys": []}
        service.process.terminate()
        wait_until_closed(service.url)
        connection.sendall(request[-10:])
        head, answer = read_answer(connection)
    assert head.startswith(b"HTTP/1.1 200")
    assert service.process.wait(20) == 0

    again = serve(*options)
    keys = ask(again.url, "ListKeys", {})["Keys"]
    assert [key["KeyArn"] for key in keys] == [answer["Key"]["KeyArn"]]
    assert again.end() == 0


def test_reads_and_refusals_in_the_queue_are_written_at_the_end(
    serve: Serve, options: tuple[str, ...]
) -> None:
    """The trail of reads and refusals survives a clean end, however soon it comes."""
    service = serve(*options)
    ask(service.url, "ListKeys", {})
    ask(service.url, "GetKey", {"KeyIdentifier": "alias/none"})
    assert service.end() == 0
    again = serve(*options)
    listed = ask(again.url, "ListEvents", {"After": 0}, target="KeyferryAdmin")
    names = [(event["eventName"], event.get("errorCode")) for event in listed["Events"]]
    assert names == [("ListKeys", None), ("GetKey", "ResourceNotFoundException")]
    assert again.end() == 0


def test_a_body_that_never_comes_does_not_hold_up_the_end_for_ever(quiet_log: None) -> None:
    """The wait for requests in flight is bounded; the end is clean all the same."""
    regions = open_regions(ServiceSettings(dev=True, regions=("us-east-1",)))
    application = Application(Dispatcher(regions, development_keys()), regions)
    config = server_config(application, None)
    assert config.timeout_graceful_shutdown == 10
    config.timeout_graceful_shutdown = 1
    ready = threading.Event()
    server = APIServer(config, application, on_ready=ready.set)
    listening = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    assert ready.wait(30)
    connection = open_connection(url)
    connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
    assert ask(url, "ListKeys", {})["__type"]
    server.should_exit = True
    thread.join(8)
    assert not thread.is_alive()
    connection.close()

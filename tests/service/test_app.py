"""The ASGI shell: bodies, limits, clients that go away."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from keyferry.service.app import BODY_LIMIT_BYTES, DISCARDED_BYTES, Application
from keyferry.service.authz.access_keys import development_keys
from keyferry.service.dispatch import Dispatcher
from keyferry.service.region import open_regions
from keyferry.service.settings import ServiceSettings


@pytest.fixture
async def application(quiet_log: None) -> Any:
    regions = open_regions(ServiceSettings(dev=True, regions=("us-east-1",)))
    application = Application(
        Dispatcher(regions, development_keys()), regions, body_timeout_s=0.05, sweeps=False
    )
    await application.start()
    yield application
    await application.stop()


def scope(method: str = "POST", path: bytes = b"/", **headers: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "raw_path": path,
        "query_string": b"",
        "headers": [
            (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
        ],
        "client": ("127.0.0.1", 5),
    }


async def call(
    application: Application, request: dict[str, Any], messages: list[dict[str, Any]]
) -> tuple[int | None, dict[bytes, bytes], bytes, int]:
    """Run one request; returns status, headers, body and how many messages were read."""
    waiting = iter(messages)
    read = 0
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        nonlocal read
        for message in waiting:
            read += 1
            return message
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    await application(request, receive, send)
    if not sent:
        return None, {}, b"", read
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"], read


def part(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_body_in_parts_is_put_together(application: Application) -> None:
    """A chunked body is one body: unsigned, it gets as far as the signature."""
    parts = [part(b"{", more=True), part(b"", more=True), part(b"}")]
    status, headers, body, read = await call(application, scope(), parts)
    assert (status, read) == (400, 3)
    assert b"MissingAuthenticationToken" in body
    assert headers[b"content-length"] == b"%d" % len(body)


@pytest.mark.parametrize("extra", [0, 1])
async def test_limit_on_a_body_of_unknown_length(application: Application, extra: int) -> None:
    """Exactly 1 MiB passes; one byte more is 413 and the connection closes."""
    half = bytes(BODY_LIMIT_BYTES // 2)
    parts = [part(half, more=True), part(half, more=True), part(b"x" * extra)]
    status, headers, body, _ = await call(application, scope(), parts)
    assert status == (413 if extra else 400)
    assert headers.get(b"connection") == (b"close" if extra else None)
    if extra:
        assert json.loads(body)["__type"].endswith("RequestEntityTooLargeException")


async def test_huge_declared_body_is_refused_unread(application: Application) -> None:
    """Nothing is read of a body that declares far too much, or waits for our word."""
    huge = scope(content_length=str(DISCARDED_BYTES + 1))
    waits = scope(content_length=str(BODY_LIMIT_BYTES + 1), expect="100-continue")
    for request in (huge, waits):
        status, headers, _, read = await call(application, request, [])
        assert (status, read) == (413, 0)
        assert headers[b"connection"] == b"close"


async def test_endless_body_is_not_read_for_ever(application: Application) -> None:
    """A body that goes on is read up to the bound of what is thrown away."""
    chunk = bytes(1 << 20)
    parts = [part(chunk, more=True) for _ in range(100)]
    status, _, _, read = await call(application, scope(), parts)
    assert status == 413
    assert read <= DISCARDED_BYTES // len(chunk) + 1


async def test_slow_body_times_out(application: Application) -> None:
    """A client that stops sending gets 408 and loses its connection."""
    status, headers, _, _ = await call(application, scope(), [part(b"{", more=True)])
    assert status == 408
    assert headers[b"connection"] == b"close"


async def test_client_that_goes_away_gets_nothing(application: Application) -> None:
    """Half a request and a closed connection are no request."""
    parts = [part(b"{", more=True), {"type": "http.disconnect"}]
    assert (await call(application, scope(), parts))[0] is None


async def test_lifespan_starts_and_stops(quiet_log: None) -> None:
    """A server that speaks the lifespan protocol opens and closes the service by it."""
    regions = open_regions(ServiceSettings(dev=True, regions=("us-east-1",)))
    application = Application(Dispatcher(regions, development_keys()), regions)
    said: list[str] = []
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        said.append(message["type"])

    await application({"type": "lifespan"}, receive, send)
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    ready = scope("GET", b"/ready")
    assert (await call(application, ready, [part(b"")]))[0] == 503


async def test_websockets_are_closed(application: Application) -> None:
    """There are none here."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message["type"])

    async def receive() -> Any:
        raise AssertionError

    await application({"type": "websocket"}, receive, send)
    assert sent == ["websocket.close"]

"""Load on a running service: requests signed beforehand, sent over many kept connections."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REGION = "us-east-1"
ACCOUNT = "111122223333"
_ACCESS_KEY, _SECRET = "BENCHMARK", "benchmark-secret"

# Starts `keyferry serve` in the same build, with or without group commit.
_SERVE = """
import sys
import keyferry.service.store.group_commit as group_commit
group_commit.MAX_BATCH = int(sys.argv.pop(1))
from keyferry.__main__ import main
sys.argv[0] = "keyferry"
sys.exit(main())
"""


@contextmanager
def running_service(*, max_batch: int = 256, folder: Path | None = None) -> Iterator[str]:
    """Run a service on SQLite files with full durability, and yield its URL."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        place = Path(made)
        credentials = place / "credentials.toml"
        credentials.touch(0o600)
        credentials.write_text(
            f'[[access_key]]\nid = "{_ACCESS_KEY}"\nsecret = "{_SECRET}"\n'
            f'account = "{ACCOUNT}"\nprincipal = "benchmark"\n'
        )
        ready = place / "ready.json"
        with (place / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-c", _SERVE, str(max_batch), "serve", "--port", "0"),
                    *("--regions", REGION, "--data-dir", str(place / "data")),
                    *("--credentials", str(credentials), "--ready-file", str(ready)),
                ],
                stdout=log,
                stderr=log,
                env=os.environ,
            )
        try:
            while not ready.exists():
                if process.poll() is not None:
                    raise RuntimeError((place / "log").read_text())
                time.sleep(0.05)
            yield json.loads(ready.read_text())["url"]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def signed(url: str, operation: str, parameters: Mapping[str, Any]) -> bytes:
    """One request as it goes over the wire; valid for 15 minutes."""
    request = AWSRequest(
        method="POST",
        url=url + "/",
        data=json.dumps(parameters).encode(),
        headers={
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"PaymentCryptographyControlPlane.{operation}",
            "Host": url.removeprefix("http://"),
        },
    )
    SigV4Auth(Credentials(_ACCESS_KEY, _SECRET), "payment-cryptography", REGION).add_auth(request)
    prepared = request.prepare()
    head = "".join(
        f"{name}: {value.decode() if isinstance(value, bytes) else value}\r\n"
        for name, value in prepared.headers.items()
    )
    body: bytes = prepared.body
    return f"POST / HTTP/1.1\r\n{head}\r\n".encode() + body


def call(url: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """One call, for what a benchmark prepares."""
    answers: list[bytes] = []
    send(url, [signed(url, operation, parameters)], connections=1, answers=answers)
    document: dict[str, Any] = json.loads(answers[0])
    return document


def send(
    url: str, requests: Sequence[bytes], *, connections: int, answers: list[bytes] | None = None
) -> float:
    """Send all requests over so many connections, and return the seconds it took."""
    import uvloop

    seconds: float = uvloop.run(_send(url, list(requests), connections, answers))
    return seconds


async def _send(
    url: str, requests: list[bytes], connections: int, answers: list[bytes] | None
) -> float:
    loop = asyncio.get_running_loop()
    host, _, port = url.removeprefix("http://").partition(":")
    waiting = iter(requests)
    clients = [
        (await loop.create_connection(lambda: _Client(waiting, answers), host, int(port)))[1]
        for _ in range(connections)
    ]
    start = time.perf_counter()
    for client in clients:
        client.send_next()
    await asyncio.gather(*(client.finished for client in clients))
    seconds = time.perf_counter() - start
    for client in clients:
        client.close()
    return seconds


class _Client(asyncio.Protocol):
    """Sends one request after the other as answers come."""

    def __init__(self, waiting: Iterator[bytes], answers: list[bytes] | None) -> None:
        self._waiting = waiting
        self._answers = answers
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_exception(exc or ConnectionError("the service hung up"))

    def send_next(self) -> None:
        request = next(self._waiting, None)
        if request is None:
            self.finished.set_result(None)
        elif self._transport is not None:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.finished.set_exception(RuntimeError(f"refused: {body.decode()}"))
            return
        if self._answers is not None:
            self._answers.append(body)
        self._received = b""
        self.send_next()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

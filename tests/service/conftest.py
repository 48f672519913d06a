"""A running service with two Regions, and clients of it."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import structlog
from botocore.config import Config

from keyferry.service.app import Application
from keyferry.service.authz.access_keys import development_keys
from keyferry.service.dispatch import Dispatcher
from keyferry.service.region import open_regions
from keyferry.service.server import APIServer, bind, server_config
from keyferry.service.settings import ServiceSettings
from keyferry.testing.postgresql import PostgreSQLCluster, find_programs

REGIONS = ("us-east-1", "us-west-2")


@dataclass
class RunningService:
    """A service in a thread of the test process."""

    url: str
    application: Application
    port: int

    def client(self, region: str = "us-east-1", **options: Any) -> Any:
        """A boto3 client of the control plane that does not retry."""
        return boto3.client(
            "payment-cryptography",
            **{
                "endpoint_url": self.url,
                "region_name": region,
                "aws_access_key_id": "test",
                "aws_secret_access_key": "test",
                "config": Config(retries={"total_max_attempts": 1}),
            }
            | options,
        )


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQLCluster]:
    """A PostgreSQL server of this run; a machine without PostgreSQL skips, CI must have it."""
    if find_programs() is None:
        missing = (
            "PostgreSQL is not installed (Debian: apt install postgresql): its engine is UNTESTED"
        )
        if os.environ.get("KEYFERRY_REQUIRE_ALL_CLIENTS"):
            pytest.fail(missing)
        pytest.skip(missing)
    with PostgreSQLCluster() as cluster:
        yield cluster


@pytest.fixture
def postgresql_url(postgresql: PostgreSQLCluster) -> Iterator[str]:
    """The URL of a database that does not exist yet, and is removed afterwards."""
    database = f"keyferry-{secrets.token_hex(6)}"
    yield postgresql.url(database)
    postgresql.drop(database)


@pytest.fixture(scope="session")
def quiet_log() -> Iterator[None]:
    """Send the service's log nowhere; tests that read it start a process of their own."""
    with Path(os.devnull).open("w") as nowhere:
        structlog.configure(
            processors=[structlog.processors.JSONRenderer()],
            logger_factory=structlog.WriteLoggerFactory(file=nowhere),
        )
        yield
        structlog.reset_defaults()


@pytest.fixture(scope="session")
def running_service(quiet_log: None) -> Iterator[RunningService]:
    """A development service with two Regions, in memory, on a free port."""
    settings = ServiceSettings(dev=True, regions=REGIONS)
    regions = open_regions(settings)
    application = Application(
        Dispatcher(regions, development_keys()), regions, sweeps=False, body_timeout_s=1.0
    )
    listening = bind("127.0.0.1", 0)
    ready = threading.Event()
    server = APIServer(server_config(application, None), application, on_ready=ready.set)
    # uvicorn's own runner would do, but on Python's loop a failure shows its warnings.
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve(sockets=[listening])), name="service", daemon=True
    )
    thread.start()
    assert ready.wait(30)
    port = listening.getsockname()[1]
    try:
        yield RunningService(f"http://127.0.0.1:{port}", application, port)
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()
    assert not thread.is_alive()


@pytest.fixture(scope="session")
def payment_cryptography(running_service: RunningService) -> Any:
    """A boto3 client of us-east-1."""
    return running_service.client()


@pytest.fixture
def connect(running_service: RunningService) -> Iterator[Callable[[], socket.socket]]:
    """Opens raw connections to the service."""
    opened: list[socket.socket] = []

    def open_connection() -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", running_service.port), timeout=15)
        opened.append(connection)
        return connection

    yield open_connection
    for connection in opened:
        connection.close()


@dataclass
class ServeProcess:
    """A `keyferry serve` process that is ready."""

    process: subprocess.Popen[bytes]
    ready: dict[str, Any]
    log: Path

    @property
    def url(self) -> str:
        return str(self.ready["url"])

    def end(self, timeout_s: float = 20.0) -> int:
        """Send SIGTERM and return the exit status."""
        self.process.terminate()
        return self.process.wait(timeout_s)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., ServeProcess]]:
    """
    Starts `keyferry serve` with given options on a free port, and waits until it is ready.

    `program` is what runs `serve`: a test may put something of its own around it. Several threads
    may start services at once.
    """
    started: list[subprocess.Popen[bytes]] = []
    numbers = itertools.count()

    def start(
        *options: str, port: str = "0", program: Sequence[str] = (sys.executable, "-m", "keyferry")
    ) -> ServeProcess:
        number = next(numbers)
        ready = tmp_path / f"ready-{number}.json"
        log = tmp_path / f"serve-{number}.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [
                    *(*program, "serve", "--port", port),
                    *("--ready-file", str(ready), *options),
                ],
                stdout=sink,
                stderr=sink,
                env=os.environ | {"XDG_DATA_HOME": str(tmp_path / "data")},
            )
        started.append(process)
        waited = threading.Event()
        for _ in range(600):
            if ready.exists():
                return ServeProcess(process, json.loads(ready.read_text()), log)
            if process.poll() is not None:
                break
            waited.wait(0.05)
        raise AssertionError(f"serve did not get ready: {log.read_text()}")

    yield start
    for process in started:
        process.kill()
        process.wait()

"""Drills that do not come to their end: killed, interrupted, left alone by the other Region."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

TwoRegions = Any  # of conftest.py

EAST, WEST = "us-east-1", "us-west-2"
DRILL = ("drill", "--from", EAST, "--to", WEST)
CVK = {
    "KeyUsage": "TR31_C0_CARD_VERIFICATION_KEY",
    "KeyClass": "SYMMETRIC_KEY",
    "KeyAlgorithm": "TDES_2KEY",
    "KeyModesOfUse": {"Generate": True, "Verify": True},
}
BEFORE_THE_END = ["status", "prove", "cut", "check", "restore"]


def cut_holds(service: TwoRegions, region: str, peer: str) -> bool:
    return service.replication.cuts.between(region, peer) is not None


class Relay:
    """What stands between the drill and the Region it asks: it can be told to hold a call."""

    def __init__(self, url: str) -> None:
        self.holds = ""  # the operation that is not answered
        self.held = threading.Event()
        self.let_go = threading.Event()
        target = url.removeprefix("http://")
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if relay.holds and relay.holds in self.headers["X-Amz-Target"]:
                    relay.held.set()
                    relay.let_go.wait(30)
                    self.close_connection = True
                    return
                connection = http.client.HTTPConnection(target, timeout=30)
                connection.request("POST", "/", body, dict(self.headers.items()))
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(30)


@pytest.fixture
def relay(service: TwoRegions) -> Iterator[Relay]:
    made = Relay(service.url)
    yield made
    made.close()


def begin_drill(service: TwoRegions, relay_url: str) -> subprocess.Popen[bytes]:
    """A drill in a process of its own, whose calls to the west go through the relay."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "keyferry", "regions", *DRILL),
            *("--endpoint-url", service.url, "--replica-endpoint-url", relay_url),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"},
    )


def until(condition: Callable[[], bool]) -> None:
    """Wait for something the service does by itself."""
    pause = threading.Event()
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        pause.wait(0.02)


def test_a_killed_drill_heals_by_itself(start: Callable[..., TwoRegions]) -> None:
    """A drill that dies leaves the Regions cut off only until the cut has lasted long enough."""
    skew = timedelta(0)
    service = start(clock=lambda: datetime.now(UTC) + skew)
    service.create()
    relay = Relay(service.url)
    try:
        relay.holds = "CheckKeyProofs"
        process = begin_drill(service, relay.url)
        assert relay.held.wait(30)
        process.kill()
        process.communicate(timeout=30)
    finally:
        relay.close()
    assert cut_holds(service, EAST, WEST)
    assert cut_holds(service, WEST, EAST)
    made = service.client(EAST).create_key(
        KeyAttributes=CVK, Exportable=True, ReplicationRegions=[WEST]
    )["Key"]
    status = service.cli("status", "--region", EAST, "--output", "json")
    assert "cut off" in json.dumps(status.document)
    skew = timedelta(seconds=61)
    assert not cut_holds(service, EAST, WEST)
    until(
        lambda: (
            service.synchronized(made["KeyArn"])["ReplicationStatus"][WEST]["Status"]
            == "SYNCHRONIZED"
        )
    )


def test_an_interrupted_drill_restores_at_once(service: TwoRegions, relay: Relay) -> None:
    """Ctrl-C in the middle ends with status 130, and with the Regions whole."""
    service.create()
    relay.holds = "CheckKeyProofs"
    process = begin_drill(service, relay.url)
    assert relay.held.wait(30)
    assert cut_holds(service, EAST, WEST)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert not cut_holds(service, EAST, WEST)
    assert not cut_holds(service, WEST, EAST)


def test_a_region_that_falls_silent_fails_the_drill(service: TwoRegions, relay: Relay) -> None:
    """If the other Region stops answering, the report says so, and what could be undone is."""
    service.create()
    relay.holds = "CheckKeyProofs"
    relay.let_go.set()
    done = service.cli(*DRILL, "--replica-endpoint-url", relay.url, "--output", "json")
    assert done.code == 1
    report = done.document
    assert report["verdict"] == "FAILED"
    assert any("CheckKeyProofs: no answer" in problem for problem in report["problems"])
    assert [step["name"] for step in report["steps"]] == BEFORE_THE_END
    assert not cut_holds(service, EAST, WEST)
    assert not cut_holds(service, WEST, EAST)

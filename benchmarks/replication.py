"""Multi-Region keys between two processes: how long until a key is the same in both."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from benchmarks import goals
from benchmarks.load.replay import Server, prepared, replay
from benchmarks.load.requests import AES_PEK
from benchmarks.load.signed import call_admin, credentials_file, signed
from keyferry.testing.postgresql import PostgreSQLCluster, find_programs

PRIMARY, REPLICA = "us-east-1", "us-west-2"
RATE = 200  # keys a second
KEYS = 3000
CONNECTIONS = 16
BACKLOG = 10_000
BARE = 600
_START_S = 60
_DRAIN_S = 300
# The event-driven solution for accounts on AWS replicates in about five minutes by its own account.
_EVENT_DRIVEN_S = 300


@dataclass(frozen=True, slots=True)
class Lags:
    """Seconds from the commit in the primary Region to SYNCHRONIZED."""

    p50: float
    p99: float

    @property
    def cells(self) -> str:
        return f"{self.p50 * 1000:,.1f} ms | {self.p99 * 1000:,.1f} ms"


def run() -> str:
    """Return the section of the results."""
    bare = _bare()
    rows = [f"| bare: two commits and an HTTP round trip between two threads | {bare.cells} | |"]
    stores: dict[str, str | None] = {"SQLite": None}
    with ExitStack() as stack:
        if find_programs() is not None:
            cluster = stack.enter_context(PostgreSQLCluster())
            stores["PostgreSQL"] = cluster.url("replication-{region}")
        for name, store in stores.items():
            with tempfile.TemporaryDirectory() as made:
                lags, rate = _measure(Path(made), store)
            reason = (
                "a commit, then one and a half cycles of the link: look-up, the peer's commit, our"
                f" own; the bare path takes {bare.p50 * 1000:.1f} ms in this run"
            )
            goals.check(f"{name}: lag p50", lags.p50 * 1000, at_most=10, unit="ms", reason=reason)
            goals.check(f"{name}: lag p99", lags.p99 * 1000, at_most=50, unit="ms", reason=reason)
            goals.check(
                f"{name}: keys a second out of a backlog of {BACKLOG:,}",
                rate,
                at_least=700,
                unit="",
                reason="both services, the database and the load share the machine",
            )
            rows.append(f"| keyferry on {name} | {lags.cells} | {rate:,.0f} |")
    rows.append(f"| the event-driven solution on AWS, as documented | {_EVENT_DRIVEN_S} s | | |")
    return (
        "## Replication\n\n"
        f"Two services on one machine, each with one Region, {RATE} keys a second created by"
        f" {CONNECTIONS} clients.\nLag is from the commit of CreateKey to SYNCHRONIZED; the last"
        " column is how fast a backlog of\n"
        f"{BACKLOG:,} keys drains that gathered while the peer was away.\n\n"
        "| | lag p50 | lag p99 | keys a second |\n|---|---|---|---|\n" + "\n".join(rows)
    )


def _measure(place: Path, store: str | None) -> tuple[Lags, float]:
    """The lag under steady load, and how fast a backlog drains."""
    credentials = credentials_file(place, peers=True)
    ports = _free_ports(2)
    with ExitStack() as stack:
        primary = stack.enter_context(
            _service(place, PRIMARY, ports[0], {REPLICA: ports[1]}, credentials, store)
        )
        with _service(place, REPLICA, ports[1], {PRIMARY: ports[0]}, credentials, store):
            _create(primary, RATE, rate=RATE)  # caches, connections, KEKs
            _drained(primary)
            _create(primary, KEYS, rate=RATE)
            _drained(primary)
            lag = _status(primary)
        _create(primary, BACKLOG, rate=0)
        with _service(place, REPLICA, ports[1], {PRIMARY: ports[0]}, credentials, store):
            rate = _drained(primary)
    return Lags(lag["LagP50"], lag["LagP99"]), rate


def _create(primary: Server, count: int, *, rate: float) -> None:
    body = {"KeyAttributes": AES_PEK, "Exportable": True, "ReplicationRegions": [REPLICA]}
    requests = [signed(primary.url, "CreateKey", body) for _ in range(count)]
    with prepared(requests) as file:
        replay(primary, file, count=count, connections=CONNECTIONS, rate=rate)


def _drained(primary: Server) -> float:
    """Wait until nothing waits; return how many keys a second went, from the first that did."""
    before = _status(primary)["Waiting"]
    begun = time.perf_counter()
    moving = False
    while time.perf_counter() < begun + _DRAIN_S:
        waiting = _status(primary)["Waiting"]
        if not moving and waiting < before:
            moving, before, begun = True, waiting, time.perf_counter()
        if not waiting:
            return float(before / max(time.perf_counter() - begun, 1e-9))
        time.sleep(0.05)
    raise RuntimeError(f"{_status(primary)} after {_DRAIN_S} s")


def _status(primary: Server) -> dict[str, Any]:
    pair: dict[str, Any] = call_admin(primary.url, "DescribeReplication", {})["Pairs"][0]
    return pair


@contextmanager
def _service(
    place: Path,
    region: str,
    port: int,
    peers: dict[str, int],
    credentials: Path,
    store: str | None,
) -> Iterator[Server]:
    ready = place / f"ready-{region}.json"
    ready.unlink(missing_ok=True)
    with (place / f"log-{region}").open("ab") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "keyferry", "serve", "--port", str(port)),
                *("--regions", region, "--data-dir", str(place / region)),
                *("--credentials", str(credentials), "--ready-file", str(ready)),
                *(() if store is None else ("--store", store)),
                *(
                    part
                    for peer, where in peers.items()
                    for part in ("--peer", f"{peer}=http://127.0.0.1:{where}")
                ),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        until = time.monotonic() + _START_S
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError((place / f"log-{region}").read_text())
            time.sleep(0.05)
        yield Server(url=json.loads(ready.read_text())["url"], pids=(process.pid,))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listening in sockets:
            listening.bind(("127.0.0.1", 0))
        return [listening.getsockname()[1] for listening in sockets]


# --- the bare path -------------------------------------------------------------------------------


class _Committer:
    """A SQLite file with full durability, and rows of the size of a key's."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL").fetchall()
        self._connection.execute("PRAGMA synchronous = FULL").fetchall()
        self._connection.execute("CREATE TABLE keys (id INTEGER PRIMARY KEY, row BLOB)")

    def commit(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("INSERT INTO keys (row) VALUES (?)", (os.urandom(1024),))
        self._connection.execute("COMMIT")


def _bare() -> Lags:
    """The least that has to happen: the peer commits, answers, and the primary commits that."""
    with tempfile.TemporaryDirectory() as made, ExitStack() as stack:
        primary, replica = _Committer(Path(made, "a")), _Committer(Path(made, "b"))

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                replica.commit()
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """Nothing is logged."""

        server = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.shutdown)
        connection = HTTPConnection("127.0.0.1", server.server_port)
        stack.enter_context(contextlib.closing(connection))
        lags = []
        for number in range(BARE):
            begun = time.perf_counter()
            connection.request("POST", "/", os.urandom(1024))
            connection.getresponse().read()
            primary.commit()
            lags.append(time.perf_counter() - begun)
            time.sleep(max(0.0, 1 / RATE - lags[number]))
        return _of(lags)


def _of(lags: Sequence[float]) -> Lags:
    cuts = statistics.quantiles(lags, n=100)
    return Lags(cuts[49], cuts[98])

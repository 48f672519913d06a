"""One and two service processes on one PostgreSQL: what a write costs, and how many a second."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from benchmarks.load.replay import NotMeasuredError, Server, prepared, replay
from benchmarks.load.requests import create_requests
from benchmarks.load.signed import running_service
from keyferry.testing.postgresql import PostgreSQLCluster, find_programs

CLIENTS = 64
ROUNDS = 5
WRITES = 2000


def run() -> str:
    """Return the section of the results."""
    if find_programs() is None:
        raise NotMeasuredError("PostgreSQL is not installed: apt install postgresql")
    costs: dict[str, list[float]] = {"SQLite": [], "one": [], "two": []}
    rates: dict[str, list[float]] = {"SQLite": [], "one": [], "two": []}
    with (
        PostgreSQLCluster() as cluster,
        tempfile.TemporaryDirectory() as made,
        ExitStack() as stack,
    ):
        data_dir, store = Path(made), cluster.url("benchmark")
        on_postgresql = [
            stack.enter_context(running_service(data_dir=data_dir / "shared", store=store))
            for _ in range(2)
        ]
        on_sqlite = stack.enter_context(running_service(data_dir=data_dir / "file"))
        settings = {"SQLite": [on_sqlite], "one": on_postgresql[:1], "two": on_postgresql}
        for servers in settings.values():
            _write(servers, WRITES // 4)
        for _ in range(ROUNDS):
            for name, servers in settings.items():
                cost, rate = _write(servers, WRITES)
                costs[name].append(cost)
                rates[name].append(rate)
    grown = statistics.median(
        two / one - 1 for one, two in zip(costs["one"], costs["two"], strict=True)
    )
    faster = statistics.median(
        two / one for one, two in zip(rates["one"], rates["two"], strict=True)
    )
    rows = "\n".join(
        f"| {words} | {statistics.median(costs[name]):.0f} µs"
        f" | {statistics.median(rates[name]):,.0f} |"
        for name, words in (
            ("SQLite", "one process, SQLite"),
            ("one", "one process, PostgreSQL"),
            ("two", "two processes, PostgreSQL"),
        )
    )
    return (
        "## PostgreSQL\n\n"
        f"CreateKey over HTTP by {CLIENTS} clients; clients, services and database on one machine."
        "\n\n"
        "| | CPU of the services for a write | writes a second |\n|---|---|---|\n"
        f"{rows}\n\n"
        f"A write costs the services {100 * grown:+.0f} % with two processes on one database;"
        f" together they write {faster:.2f} × as fast."
    )


def _write(servers: Sequence[Server], count: int) -> tuple[float, float]:
    """Have the servers write at the same time; CPU µs of a write, and writes a second."""
    share, connections = count // len(servers), CLIENTS // len(servers)
    with ExitStack() as stack:
        files = [
            stack.enter_context(prepared(create_requests(server.url, share))) for server in servers
        ]
        with ThreadPoolExecutor(len(servers)) as pool:
            replayed = list(
                pool.map(
                    lambda place: replay(place[0], place[1], count=share, connections=connections),
                    zip(servers, files, strict=True),
                )
            )
    return (
        statistics.fmean(part.cpu_us for part in replayed),
        count / max(part.seconds for part in replayed),
    )

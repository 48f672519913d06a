"""
Where the time of a request goes: cProfile inside a running service, under the same load.

cProfile makes every Python call dearer, so its shares are of the profiled time; small functions
look larger than they are. A builtin's time counts for the function that called it.
"""

from __future__ import annotations

import os
import pstats
import signal
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.load.filled_store import CVK, PEK, fill
from benchmarks.load.replay import Server, prepared, replay
from benchmarks.load.requests import create_requests, translate_requests, verify_requests
from benchmarks.load.signed import running_service

REQUESTS = 4000
CONNECTIONS = 24
SHOWN_FUNCTIONS = 12

# Modules to the part of the work they do; the first that fits. `~` is what nobody called.
_ROOMS = (
    ("uvicorn/", "HTTP server (uvicorn, uvloop, httptools)"),
    ("service/protocol", "HTTP server (uvicorn, uvloop, httptools)"),
    ("service/server", "HTTP server (uvicorn, uvloop, httptools)"),
    ("service/direct", "HTTP server (uvicorn, uvloop, httptools)"),
    ("service/patience", "ASGI application"),
    ("uvloop/", "HTTP server (uvicorn, uvloop, httptools)"),
    ("asyncio/", "asyncio"),
    ("service/app", "ASGI application"),
    ("wire/http", "ASGI application"),
    ("wire/sigv4", "signature"),
    ("wire/returning_signer", "signature"),
    ("wire/", "decoding and shapes"),
    ("service/routes", "decoding and shapes"),
    ("service/metrics", "counters"),
    ("prometheus_client/", "counters"),
    ("service/log", "log"),
    ("keyferry/log", "log"),
    ("cli/logs", "log"),
    ("structlog/", "log"),
    ("service/audit", "audit record"),
    ("service/store", "store"),
    ("service/vault", "vault"),
    ("service/opened_keys", "finding and judging keys"),
    ("service/data/context", "finding and judging keys"),
    ("service/data/eligibility", "finding and judging keys"),
    ("service/data/plane", "dispatch"),
    ("service/dispatch", "dispatch"),
    ("service/call", "dispatch"),
    ("service/throttle", "dispatch"),
    ("service/", "operation"),
    ("keyferry/crypto", "cryptography"),
    ("cryptography/", "cryptography"),
    ("keyferry/keys", "operation"),
    ("~", "event loop (uvloop), system calls"),
)

Function = tuple[str, int, str]
Make = Callable[[Server], list[bytes]]


def run() -> str:
    """Return the section of the results."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        cvks = fill(folder / "store", CVK, count=10, known=1)
        peks = fill(folder / "store", PEK, count=10, known=2)
        parts: list[tuple[str, Make]] = [
            ("VerifyCardValidationData", lambda it: verify_requests(it.url, cvks, 200)),
            ("TranslatePinData", lambda it: translate_requests(it.url, peks, 200)),
            ("CreateKey", lambda it: create_requests(it.url, 200)),
        ]
        sections = [_profiled(name, make, folder) for name, make in parts]
    return "\n\n".join(
        [
            "## Where the time goes",
            f"cProfile in the service over {REQUESTS:,} requests; a builtin counts for its caller."
            " Shares are of the profiled time, which is longer than the real one; the column"
            " of microseconds spreads the CPU time of an unprofiled request by those shares.",
            *sections,
        ]
    )


def _profiled(name: str, make: Make, folder: Path) -> str:
    data_dir = folder / "store"
    with (
        running_service(data_dir=data_dir) as server,
        prepared(make(server)) as requests,
    ):
        for _ in range(2):
            plain = replay(server, requests, count=REQUESTS, connections=CONNECTIONS)
    recorded = folder / f"{name}.profile"
    with (
        running_service(data_dir=data_dir, profile=recorded) as server,
        prepared(make(server)) as requests,
    ):
        replay(server, requests, count=REQUESTS // 4, connections=CONNECTIONS)
        os.kill(server.pids[0], signal.SIGUSR1)
        replay(server, requests, count=REQUESTS, connections=CONNECTIONS)
    own = _own_times(pstats.Stats(str(recorded)))
    total = sum(own.values())
    rooms: dict[str, float] = defaultdict(float)
    for function, seconds in own.items():
        rooms[_room(function)] += seconds
    lines = [
        f"### {name}: {plain.cpu_us:.0f} µs of CPU a request",
        "",
        "| part | share | µs |",
        "|---|---|---|",
    ]
    for room, seconds in sorted(rooms.items(), key=lambda item: -item[1]):
        share = seconds / total
        if share >= 0.005:
            lines.append(f"| {room} | {share:.1%} | {share * plain.cpu_us:.1f} |")
    dearest = sorted(own.items(), key=lambda item: -item[1])[:SHOWN_FUNCTIONS]
    shown = ", ".join(
        f"`{_place(function)}` {seconds / total:.1%}" for function, seconds in dearest
    )
    return "\n".join([*lines, "", f"Dearest functions: {shown}."])


def _own_times(stats: pstats.Stats) -> dict[Function, float]:
    """Seconds spent in each Python function itself, with the builtins it called."""
    profiled: dict[Function, Any] = stats.stats  # type: ignore[attr-defined]
    own: dict[Function, float] = defaultdict(float)
    for function, (_, _, seconds, _, callers) in profiled.items():
        if function[0] != "~" or not callers:
            own[function] += seconds
            continue
        for caller, (_, _, within, _) in callers.items():
            own[caller] += within
    # Waiting for requests is no work.
    return {function: seconds for function, seconds in own.items() if not _waits(function)}


def _waits(function: Function) -> bool:
    return "run_until_complete" in function[2] or function[2] in ("main", "<module>")


def _room(function: Function) -> str:
    path = function[0].replace("\\", "/")
    return next((room for part, room in _ROOMS if part in path), "other")


def _place(function: Function) -> str:
    path = Path(function[0])
    return function[2] if path.name == "~" else f"{path.stem}.{function[2]}"

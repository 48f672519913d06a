"""
The payShield simulator under load: what a PIN translation costs beside an echo.

One simulator process, a client in C, 16 connections with one command under way on each. Commands
are sent in turns, so that a busy machine slows both alike; the cost is the CPU time of the
simulator's process. Then 64 connections, of which 1 in 20 misbehaves, beside 61 that are alone.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.goals import check
from benchmarks.load.replay import NotMeasuredError, Server

SOURCE = Path(__file__).parent / "load" / "frames.c"
CONNECTIONS = 16
BEHAVING, MISBEHAVING = 61, 3  # 64 together, 1 in 20 misbehaves
ROUNDS = 7
COUNT = 40_000  # messages of a slice
READY_WITHIN_S = 30.0

ECHO = "0000B20010ABCDEFGHIJKLMNOP"
PIN_TRANSLATION = (
    "0000CCU1EF828AA8F6B80EB83E19FBC373F3A85U9D961F6AF1D24B38AB37B320022FF57D"
    "1291DDDA0A7C12CFAA0101550000025321"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """How the messages of one slice were answered."""

    cpu_us: float  # of the simulator, for each message
    p50_us: int
    p99_us: int
    rate: float
    reconnected: int


def run() -> str:
    """Measure, and return a section of the results."""
    with _simulator() as server, tempfile.TemporaryDirectory() as folder:
        frames = {
            name: _write(Path(folder) / name, text)
            for name, text in (("echo", ECHO), ("translate", PIN_TRANSLATION))
        }
        slices: dict[str, list[Sent]] = {"echo": [], "translate": [], "alone": [], "beside": []}
        for _ in range(ROUNDS):
            for name in ("echo", "translate"):
                slices[name].append(_send(server, frames[name], connections=CONNECTIONS))
        for _ in range(ROUNDS):
            slices["alone"].append(_send(server, frames["translate"], connections=BEHAVING))
            slices["beside"].append(
                _send(server, frames["translate"], connections=BEHAVING, misbehaving=MISBEHAVING)
            )
    return _report(slices)


def _report(slices: dict[str, list[Sent]]) -> str:
    pairs = zip(slices["translate"], slices["echo"], strict=True)
    ratio = statistics.median(one.cpu_us / other.cpu_us for one, other in pairs)
    best = {name: min(sent.cpu_us for sent in rounds) for name, rounds in slices.items()}
    quiet = 1e6 / best["translate"]
    together = list(zip(slices["beside"], slices["alone"], strict=True))
    median = statistics.median(one.p50_us / other.p50_us for one, other in together)
    tail = statistics.median(one.p99_us / other.p99_us for one, other in together)
    check("CPU of a CC beside a B2 of the same simulator", ratio, at_most=2, unit="×")
    check(
        "CC a second of the simulator's CPU",
        quiet,
        at_least=25_000,
        unit="",
        reason=f"a CC costs {ratio:.2f} × its own B2 echo; the rate moves with the machine",
    )
    check("latency beside misbehaving connections (p50)", median, at_most=2, unit="×")
    check("latency beside misbehaving connections (p99)", tail, at_most=2, unit="×")
    closed = sum(sent.reconnected for sent in slices["beside"])
    rows = [
        f"| {name} | {best[name]:.1f} | {1e6 / best[name]:,.0f} | {_p50(rounds)} | {_p99(rounds)} |"
        for name, rounds in slices.items()
    ]
    return "\n".join(
        [
            "## payShield simulator",
            "",
            f"{CONNECTIONS} connections, one command under way on each; `alone` and `beside` are",
            f"{BEHAVING} connections translating PINs, without and with {MISBEHAVING} that",
            f"misbehave ({closed} times one was closed and came back). No behaving connection",
            "saw an error: a slice with one fails the run.",
            "",
            "| | CPU µs each | a CPU second | p50 µs | p99 µs |",
            "|---|---|---|---|---|",
            *rows,
            "",
            f"A PIN translation costs {ratio:.2f} times an echo.",
        ]
    )


def _p50(rounds: list[Sent]) -> int:
    return min(sent.p50_us for sent in rounds)


def _p99(rounds: list[Sent]) -> int:
    return min(sent.p99_us for sent in rounds)


def _write(path: Path, message: str) -> Path:
    path.write_bytes(len(message).to_bytes(2, "big") + message.encode("ascii"))
    return path


def _send(server: Server, frame: Path, *, connections: int, misbehaving: int = 0) -> Sent:
    host, _, port = server.url.partition(":")
    before = server.cpu_seconds()
    told = subprocess.run(
        [_program(), host, port, frame, str(connections), str(misbehaving), str(COUNT)],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    cpu = server.cpu_seconds() - before
    if told.returncode:
        raise RuntimeError(told.stderr.strip())
    answers = json.loads(told.stdout)
    if answers["wrong"] or not answers["codes"].endswith("00"):
        raise RuntimeError(f"refused: {answers['codes']}, {answers['wrong']} others")
    return Sent(
        cpu_us=cpu / COUNT * 1e6,
        p50_us=answers["p50_us"],
        p99_us=answers["p99_us"],
        rate=COUNT / answers["seconds"],
        reconnected=answers["reconnected"],
    )


@contextmanager
def _simulator() -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.json"
        command = [sys.executable, "-m", "keyferry", "simulate", "payshield", "--port", "0"]
        command += ["--setting", "default_lmk=02", "--ready-file", str(ready)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            limit = time.monotonic() + READY_WITHIN_S
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > limit:
                    raise RuntimeError("the simulator is not ready")
                time.sleep(0.05)
            port = json.loads(ready.read_text())["port"]
            yield Server(url=f"127.0.0.1:{port}", pids=(process.pid,))
        finally:
            process.terminate()
            process.wait(timeout=15)


@functools.cache
def _program() -> Path:
    compiler = os.environ.get("CC") or shutil.which("cc")
    if compiler is None:
        raise NotMeasuredError("no C compiler for the client: apt-get install gcc libc6-dev")
    program = Path(_folder().name) / "frames"
    made = subprocess.run(
        [compiler, "-O2", "-o", program, SOURCE], capture_output=True, check=False, text=True
    )
    if made.returncode:
        raise NotMeasuredError(f"the client does not compile: {made.stderr.strip()[:500]}")
    return program


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Kept as long as this process runs."""
    return tempfile.TemporaryDirectory(prefix="keyferry-frames-")

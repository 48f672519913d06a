"""
The HSM simulators under load: what a PIN translation costs beside an echo.

For each family one simulator process, a client in C, 16 connections with one command under way on
each. Commands are sent in turns, so that a busy machine slows both alike; the cost is the CPU time
of the simulator's process. Then 64 connections, of which 1 in 20 misbehaves, beside 61 that are
alone.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.goals import check
from benchmarks.load.replay import NotMeasuredError, Server

SOURCE = Path(__file__).parent / "load" / "frames.c"
CONNECTIONS = 16
BEHAVING, MISBEHAVING = 61, 3  # 64 together, 1 in 20 misbehaves
ROUNDS = 7
READY_WITHIN_S = 30.0
LENGTH_BYTES = "-"  # instead of a character that ends a frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A frame, and what its answer holds at a place."""

    frame: bytes
    expected: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A simulator, and the two commands that are compared."""

    name: str
    title: str
    options: tuple[str, ...]
    end: str
    count: int  # messages of a slice
    echo: str  # names of the two commands
    translate: str
    messages: Callable[[Server], dict[str, Message]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """How the messages of one slice were answered."""

    cpu_us: float  # of the simulator, for each message
    p50_us: int
    p99_us: int
    rate: float
    reconnected: int


def run() -> str:
    """Measure every family, and return a section of the results."""
    return "\n\n".join(_measure(family) for family in FAMILIES)


def _measure(family: Family) -> str:
    slices: dict[str, list[Sent]] = {"echo": [], "translate": [], "alone": [], "beside": []}
    with _simulator(family) as server, tempfile.TemporaryDirectory() as folder:
        messages = family.messages(server)
        files = {name: Path(folder) / name for name in messages}
        for name, message in messages.items():
            files[name].write_bytes(message.frame)

        def send(name: str, *, connections: int, misbehaving: int = 0) -> Sent:
            return _send(
                server,
                family,
                messages[name],
                files[name],
                connections=connections,
                misbehaving=misbehaving,
            )

        for _ in range(ROUNDS):
            for name in ("echo", "translate"):
                slices[name].append(send(name, connections=CONNECTIONS))
        for _ in range(ROUNDS):
            slices["alone"].append(send("translate", connections=BEHAVING))
            slices["beside"].append(
                send("translate", connections=BEHAVING, misbehaving=MISBEHAVING)
            )
    return _report(family, slices)


def _report(family: Family, slices: dict[str, list[Sent]]) -> str:
    pairs = zip(slices["translate"], slices["echo"], strict=True)
    ratio = statistics.median(one.cpu_us / other.cpu_us for one, other in pairs)
    best = {name: min(sent.cpu_us for sent in rounds) for name, rounds in slices.items()}
    together = list(zip(slices["beside"], slices["alone"], strict=True))
    median = statistics.median(one.p50_us / other.p50_us for one, other in together)
    tail = statistics.median(one.p99_us / other.p99_us for one, other in together)
    if family.name == "payshield":
        check("CPU of a CC beside a B2 of the same simulator", ratio, at_most=2, unit="×")
        check(
            "CC a second of the simulator's CPU",
            1e6 / best["translate"],
            at_least=25_000,
            unit="",
            reason=f"a CC costs {ratio:.2f} × its own B2 echo; the rate moves with the machine",
        )
    beside = f"{family.title}: latency beside misbehaving connections"
    check(f"{beside} (p50)", median, at_most=2, unit="×")
    check(f"{beside} (p99)", tail, at_most=2, unit="×")
    closed = sum(sent.reconnected for sent in slices["beside"])
    rows = [
        f"| {name} | {best[name]:.1f} | {1e6 / best[name]:,.0f} | {_p50(rounds)} | {_p99(rounds)} |"
        for name, rounds in slices.items()
    ]
    return "\n".join(
        [
            f"## {family.title} simulator",
            "",
            f"{CONNECTIONS} connections, one command under way on each: {family.echo} and"
            f" {family.translate}; `alone` and `beside` are",
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


# --- the families -------------------------------------------------------------------------------


def _payshield(server: Server) -> dict[str, Message]:  # noqa: ARG001 (its keys are published)
    translate = (
        "0000CCU1EF828AA8F6B80EB83E19FBC373F3A85U9D961F6AF1D24B38AB37B320022FF57D"
        "1291DDDA0A7C12CFAA0101550000025321"
    )
    return {
        name: Message(
            frame=len(text).to_bytes(2, "big") + text.encode("ascii"), expected=expected, at=6
        )
        for name, text, expected in (
            ("echo", "0000B20010ABCDEFGHIJKLMNOP", "B300"),
            ("translate", translate, "CD00"),
        )
    }


def _futurex(server: Server) -> dict[str, Message]:
    # Keys are under a random PMK: the device makes them, and the block.
    def ask(text: str, tag: str) -> str:
        return _ask(server, f"[{text}]", b"]").split(f";{tag}")[1].split(";")[0]

    keys = [ask("AOGPGS;FS6;CT2;AKD0000P0TB00E0000;", "BG") for _ in range(2)]
    block = ask(f"AOEPIN;AX{keys[0]};AF1234;AW1;AK550000025321;", "AL")
    translate = f"[AOTPIN;AW1;AX{keys[0]};BT{keys[1]};AL{block};AK550000025321;]"
    return {
        "echo": Message(frame=b"[AOECHO;AGABCDEFGHIJKLMNOP;]", expected="AOECHO;AGABCD", at=1),
        "translate": Message(frame=translate.encode(), expected="AOTPIN;AL", at=1),
    }


def _atalla(server: Server) -> dict[str, Message]:  # noqa: ARG001 (its keys are published)
    keys = (
        "1PUNE000,302A81872F21CE1D0A8791AC9B0C7A6ABB5A9D73F6EB4872,B8E0CBEEB718723D"
        "#1PUNE000,0E1E69D28D24BABD7152C3ECAB2A04E4A471A1C8CD7FF123,01C98B8A08067F7A"
    )
    translate = f"<31#1#{keys}#0B764ADBA78B005A#123456789012#>"
    return {
        "echo": Message(frame=b"<00#ABCDEFGHIJKLMNOP#>", expected="00#000085#ABCD", at=1),
        "translate": Message(frame=translate.encode(), expected="41#8DE55A3A172850B9#Y#>", at=1),
    }


FAMILIES = (
    Family(
        name="payshield",
        title="payShield",
        options=("--setting", "default_lmk=02"),
        end=LENGTH_BYTES,
        count=40_000,
        echo="B2",
        translate="CC",
        messages=_payshield,
    ),
    Family(
        name="futurex",
        title="Futurex",
        options=(),
        end="]",
        count=15_000,
        echo="ECHO",
        translate="TPIN",
        messages=_futurex,
    ),
    Family(
        name="atalla",
        title="Atalla",
        options=("--mfk", "test"),
        end=">",
        count=15_000,
        echo="00",
        translate="31",
        messages=_atalla,
    ),
)


# --- the load -----------------------------------------------------------------------------------


def _send(
    server: Server,
    family: Family,
    message: Message,
    file: Path,
    *,
    connections: int,
    misbehaving: int,
) -> Sent:
    host, _, port = server.url.partition(":")
    before = server.cpu_seconds()
    how = (str(connections), str(misbehaving), str(family.count))
    told = subprocess.run(
        [_program(), host, port, file, *how, family.end, str(message.at), message.expected],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    cpu = server.cpu_seconds() - before
    if told.returncode:
        raise RuntimeError(told.stderr.strip())
    answers = json.loads(told.stdout)
    if answers["wrong"]:
        raise RuntimeError(f"{family.title}: {answers['wrong']} answers without {message.expected}")
    return Sent(
        cpu_us=cpu / family.count * 1e6,
        p50_us=answers["p50_us"],
        p99_us=answers["p99_us"],
        rate=family.count / answers["seconds"],
        reconnected=answers["reconnected"],
    )


def _ask(server: Server, frame: str, end: bytes) -> str:
    """Send one frame and return its answer."""
    host, _, port = server.url.partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(frame.encode("ascii"))
        answer = b""
        while not answer.endswith(end):
            received = connection.recv(4096)
            if not received:
                raise RuntimeError("the simulator hung up")
            answer += received
    return answer.decode("ascii")


@contextmanager
def _simulator(family: Family) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.json"
        command = [sys.executable, "-m", "keyferry", "simulate", family.name, "--port", "0"]
        command += ["--ready-file", str(ready), *family.options]
        if family.name == "atalla":
            command += ["--control", str(Path(folder) / "control")]
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

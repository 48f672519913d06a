"""Send prepared requests with the program in C, and measure what they cost the server."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("load.c")
_TIMEOUT_S = 300


class NotMeasuredError(Exception):
    """What a benchmark needs is not there; the text says what it is and how to get it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """How the requests of one slice were answered; times in microseconds."""

    count: int
    seconds: float
    cpu_us: float  # of the server, for each request
    p50_us: int
    p99_us: int
    p999_us: int

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.count / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server: where it listens, and the processes whose time is its cost."""

    url: str
    pids: tuple[int, ...]

    def cpu_seconds(self) -> float:
        """User and system time of the processes so far, of all their threads, to the nanosecond."""
        # The clock id of another process (clock_getcpuclockid): the kernel's scheduler counts it,
        # where /proc/PID/stat gives the same in hundredths of a second.
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self.pids)


@contextmanager
def prepared(requests: Sequence[bytes]) -> Iterator[Path]:
    """The requests in a file, as the program wants them."""
    with tempfile.NamedTemporaryFile(suffix=".requests") as file:
        for request in requests:
            file.write(len(request).to_bytes(4, "little") + request)
        file.flush()
        yield Path(file.name)


def replay(
    server: Server, requests: Path, *, count: int, connections: int, rate: float = 0
) -> Replayed:
    """
    Send `count` requests of a file, and return how they were answered.

    Args:
        rate: requests a second; 0 is as fast as the connections allow.

    Raises:
        NotMeasuredError: there is no C compiler.
        RuntimeError: the server refused a request; what would be measured is another thing then.
    """
    host, _, port = server.url.removeprefix("http://").partition(":")
    program = load_program()
    before = server.cpu_seconds()
    told = subprocess.run(
        [program, host, port, requests, str(connections), str(count), str(rate)],
        capture_output=True,
        check=False,
        text=True,
        timeout=_TIMEOUT_S,
    )
    cpu = server.cpu_seconds() - before
    if told.returncode:
        raise RuntimeError(told.stderr.strip())
    answers: dict[str, Any] = json.loads(told.stdout)
    if answers["refused"]:
        raise RuntimeError(f"{answers['refused']} of {count} refused: {answers['refusal']}")
    return Replayed(
        count=count,
        seconds=answers["seconds"],
        cpu_us=cpu / count * 1e6,
        p50_us=answers["p50_us"],
        p99_us=answers["p99_us"],
        p999_us=answers["p999_us"],
    )


@functools.cache
def load_program() -> Path:
    """
    Compile the program once a run, and return where it is.

    Raises:
        NotMeasuredError: there is no C compiler, or no Linux.
    """
    compiler = os.environ.get("CC") or shutil.which("cc")
    if compiler is None:
        raise NotMeasuredError("no C compiler for the load program: apt-get install gcc libc6-dev")
    program = Path(_folder().name) / "load"
    made = subprocess.run(
        [compiler, "-O2", "-o", program, SOURCE], capture_output=True, check=False, text=True
    )
    if made.returncode:
        raise NotMeasuredError(
            "the load program does not compile; it needs Linux and the C library's headers"
            f" (apt-get install libc6-dev): {made.stderr.strip()[:500]}"
        )
    return program


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Kept as long as this process runs."""
    return tempfile.TemporaryDirectory(prefix="keyferry-load-")

"""How long `keyferry --version` and `--help` take, against the interpreter's own start."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import goals

ROUNDS = 25
_KEYFERRY = str(Path(sys.executable).with_name("keyferry"))
_COMMANDS = {
    "pass": (sys.executable, "-c", "pass"),
    "--version": (_KEYFERRY, "--version"),
    "--help": (_KEYFERRY, "--help"),
}


def run() -> str:
    """Return the section of the results."""
    for command in _COMMANDS.values():
        _milliseconds(command)  # compiles what was not compiled, and reads the files once
    times: dict[str, list[float]] = {name: [] for name in _COMMANDS}
    for _ in range(ROUNDS):
        for name, command in _COMMANDS.items():
            times[name].append(_milliseconds(command))
    lines = [
        "## Start-up",
        "",
        "| command | ms, median | against `python -c pass` |",
        "|---|---|---|",
    ]
    lines.append(f"| `python -c pass` | {statistics.median(times['pass']):.1f} | |")
    for name, bound in (("--version", 3), ("--help", 8)):
        pairs = zip(times[name], times["pass"], strict=True)
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        verdict = goals.check(
            f"`keyferry {name}` against `python -c pass`",
            ratio,
            at_most=bound,
            reason="what it imports: `python -X importtime` says which",
        )
        lines.append(
            f"| `keyferry {name}` | {statistics.median(times[name]):.1f}"
            f" | {ratio:.1f} ×, goal {bound} ×: {verdict} |"
        )
    return "\n".join(lines)


def _milliseconds(command: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1000

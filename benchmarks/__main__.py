"""
Run the benchmarks: `python -m benchmarks` all of them, `python -m benchmarks NAME…` some.

A module of this package is a benchmark if it has a function `run() -> str`. A run of all of them
also writes `results.md` next to this file; a run of some only prints.
"""

from __future__ import annotations

import importlib
import pkgutil
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cryptography

import benchmarks
from benchmarks import goals
from benchmarks.load.replay import NotMeasuredError

RESULTS = Path(__file__).with_name("results.md")


def found() -> dict[str, Callable[[], str]]:
    """Return the benchmarks by name, in alphabetical order."""
    runs: dict[str, Callable[[], str]] = {}
    for module in pkgutil.iter_modules(benchmarks.__path__):
        if not module.name.startswith("_"):
            run = getattr(importlib.import_module(f"benchmarks.{module.name}"), "run", None)
            if run is not None:
                runs[module.name] = run
    return runs


def machine() -> str:
    """Say what the numbers were measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        if names:
            model = f"{len(names)} × {names[0].partition(':')[2].strip()}"
    return (
        f"{platform.python_implementation()} {platform.python_version()},"
        f" cryptography {cryptography.__version__}, {model},"
        f" {platform.system()} {platform.release()}"
    )


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; return the exit code."""
    runs = found()
    unknown = [name for name in names if name not in runs]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}: there are {', '.join(runs)}", file=sys.stderr)
        return 2
    head = (
        "# Measured\n\n"
        "Ratios are medians of interleaved rounds in one run; times are the best round unless\n"
        "they are called something else.\n"
        f"{machine()}; {time.strftime('%Y-%m-%d')}. Made by `make bench`.\n"
    )
    print(head)
    sections = []
    for name in names or runs:
        try:
            section = runs[name]().strip() + "\n"
        except NotMeasuredError as error:
            section = f"## {name}\n\nNot measured: {error}.\n"
        print(section, flush=True)
        sections.append(section)
    summary = _summary()
    print(summary)
    if not names:
        RESULTS.write_text("\n".join([head, summary, *sections]))
    return 0


def _summary() -> str:
    """Every goal with what was measured, and why those that were missed were."""
    checked = goals.checked()
    missed = [goal for goal in checked if not goal.met]
    lines = [
        "## Goals",
        "",
        f"{len(checked) - len(missed)} of {len(checked)} met.",
        "",
        "| goal | bound | measured | |",
        "|---|---|---|---|",
        *map(str, checked),
    ]
    if missed:
        lines += ["", "Missed, and what the run shows about the reason:", ""]
        lines += [f"- {goal.what}: {goal.reason or 'not known'}" for goal in missed]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

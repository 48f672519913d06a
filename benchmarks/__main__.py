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
        f" cryptography {cryptography.__version__}, {model}, {platform.system()}"
    )


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; return the exit code."""
    runs = found()
    unknown = [name for name in names if name not in runs]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}: there are {', '.join(runs)}", file=sys.stderr)
        return 2
    text = (
        "# Measured\n\n"
        "Ratios are medians of interleaved rounds in one run; times are the best round.\n"
        f"{machine()}; {time.strftime('%Y-%m-%d')}. Made by `make bench`.\n"
    )
    print(text)
    for name in names or runs:
        section = runs[name]().strip() + "\n"
        print(section, flush=True)
        text += "\n" + section
    if not names:
        RESULTS.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Time several functions in turns, so that a busy machine slows all of them alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Measured", "measure"]

ROUND_S = 0.02  # long against the clock, short against what else the machine does
ROUNDS = 25


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds a call took, of each function in each round."""

    seconds: Mapping[str, tuple[float, ...]]

    def microseconds(self, name: str) -> float:
        """Return the best round, which the machine disturbed least."""
        return min(self.seconds[name]) * 1e6

    def ratio(self, peer: str, name: str) -> float:
        """Return how many times as long `peer` takes, as the median over the rounds."""
        pairs = zip(self.seconds[peer], self.seconds[name], strict=True)
        return statistics.median(theirs / ours for theirs, ours in pairs)


def measure(functions: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> Measured:
    """Call each function for a fiftieth of a second a round, in turns."""
    calls = {name: _calls(function) for name, function in functions.items()}
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, function in functions.items():
                start = time.perf_counter()
                for _ in range(calls[name]):
                    function()
                seconds[name].append((time.perf_counter() - start) / calls[name])
    finally:
        if collecting:
            gc.enable()
    return Measured({name: tuple(values) for name, values in seconds.items()})


def _calls(function: Callable[[], object]) -> int:
    """Return how many calls fill a round."""
    function()  # the first call imports, opens and caches; it says nothing about the others
    calls = 1
    while True:
        start = time.perf_counter()
        for _ in range(calls):
            function()
        elapsed = time.perf_counter() - start
        if elapsed > ROUND_S / 4:
            return max(1, int(calls * ROUND_S / elapsed))
        calls *= 2

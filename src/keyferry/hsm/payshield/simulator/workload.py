"""How busy the simulated device was: seconds sorted by load, as J2 reports them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

BANDS: Final = tuple((low, low + 10) for low in range(0, 100, 10))


class Workload:
    """Counts seconds by the share of them that went into commands."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._second = 0
        self._busy = 0.0
        self._counts = [0] * len(BANDS)

    def add(self, busy_s: float) -> None:
        """Count time that went into a command which ends now."""
        self._settle()
        self._busy += busy_s

    @property
    def seconds(self) -> int:
        """Seconds since the device was switched on."""
        return int(self._clock() - self._started)

    def bands(self) -> tuple[tuple[int, int, int], ...]:
        """Return, for each band that occurred, its bounds in percent and how many seconds."""
        self._settle()
        rows = zip(BANDS, self._counts, strict=True)
        return tuple((low, high, count) for (low, high), count in rows if count)

    def _settle(self) -> None:
        now = self.seconds
        if now == self._second:
            return
        # The second that was being counted ends, and those after it passed without a command.
        percent = min(int(self._busy * 100), 99)
        self._counts[percent // 10] += 1
        self._counts[0] += now - self._second - 1
        self._second, self._busy = now, 0.0

"""How fast a link is and how often it fails: what the status and the metrics show of it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

LAGS_KEPT = 1024


class ReplicationMetrics(Protocol):
    """Where the service counts, beside what a link remembers itself."""

    def replicated(self, *, region: str, peer: str, lag_s: float) -> None: ...

    def replication_failed(self, *, region: str, peer: str) -> None: ...


@dataclass(slots=True)
class Measurements:
    """
    Of one link of one process, since it started.

    `lags` are seconds from the change in the primary to SYNCHRONIZED, the last LAGS_KEPT of them.
    """

    region: str = ""
    peer: str = ""
    metrics: ReplicationMetrics | None = None
    lags: deque[float] = field(default_factory=lambda: deque(maxlen=LAGS_KEPT))
    failures: int = 0  # attempts that brought a change, or a whole message, no further

    def arrived(self, lag_s: float) -> None:
        """Count a change that is in the peer, and acknowledged in the store."""
        # Two processes may share a database and not quite the time.
        lag_s = max(0.0, lag_s)
        self.lags.append(lag_s)
        if self.metrics is not None:
            self.metrics.replicated(region=self.region, peer=self.peer, lag_s=lag_s)

    def failed(self) -> None:
        self.failures += 1
        if self.metrics is not None:
            self.metrics.replication_failed(region=self.region, peer=self.peer)


def percentile(lags: deque[float], percent: int) -> float | None:
    """The smallest lag that so many percent do not exceed (nearest rank); None without any."""
    if not lags:
        return None
    ordered = sorted(lags)
    return ordered[-(-len(ordered) * percent // 100) - 1]

"""
What `/metrics` shows, in the text format of Prometheus.

Labels are of bounded variety: names of operations that exist, codes of the error table, Regions
that are served. With several worker processes the numbers of all of them are added up, through
files in the directory that the environment variable MULTIPROCESS_DIR names.
"""

from __future__ import annotations

import asyncio
import collections
import os
from bisect import bisect_left
from collections.abc import Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from keyferry.service.replication.pair_gauges import PairGauges, PairState

MULTIPROCESS_DIR = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's name
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

_LATENCY_BUCKETS_S = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
# The library writes each count through to a file that all workers share, which costs a request
# 5 µs of the 60 it takes in all. So counts are kept here for a moment and added up.
FLUSH_INTERVAL_S = 0.5


# Replication on one machine takes milliseconds, between continents or after an outage much longer.
_LAG_BUCKETS_S = (
    *(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0),
)


class _Tally:
    """A counter and what is to be added to it."""

    __slots__ = ("_counter", "pending")

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self.pending = 0

    def flush(self) -> None:
        if self.pending:
            self._counter.inc(self.pending)
            self.pending = 0


class _Latencies:
    """
    A histogram and the observations to be added to it.

    The library takes them one by one only; its sum and its buckets are counters, which take them
    together (its lock file pins the version, and a test looks at what comes out).
    """

    __slots__ = ("_histogram", "pending")

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self.pending: list[float] = []

    def flush(self) -> None:
        observed, self.pending = self.pending, []
        if not observed:
            return
        bounds = self._histogram._upper_bounds
        for bucket, count in collections.Counter(bisect_left(bounds, s) for s in observed).items():
            self._histogram._buckets[bucket].inc(count)
        self._histogram._sum.inc(sum(observed))


class Metrics:
    """The counters of one service."""

    def __init__(self) -> None:
        # prometheus_client looks at the environment when it is imported; workers are told later.
        values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "keyferry_requests_total",
            "Signed requests answered, by Region, operation and code (OK or the exception).",
            ("region", "operation", "code"),
            registry=self._registry,
        )
        self._latency = Histogram(
            "keyferry_request_duration_seconds",
            "From the whole request received to the answer made, by operation.",
            ("operation",),
            buckets=_LATENCY_BUCKETS_S,
            registry=self._registry,
        )
        self._lag = Histogram(
            "keyferry_replication_lag_seconds",
            "From a change in the primary's Region to its replica being synchronized.",
            ("region", "peer"),
            buckets=_LAG_BUCKETS_S,
            registry=self._registry,
        )
        self._replication_failed = Counter(
            "keyferry_replication_failed_total",
            "Attempts that brought a change, or a message to a peer, no further.",
            ("region", "peer"),
            registry=self._registry,
        )
        self._audit_dropped = Gauge(
            "keyferry_audit_records_dropped",
            "Audit records of reads and refusals lost because the queue was full.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._pairs = PairGauges()
        self._registry.register(self._pairs)
        self._tallies: dict[tuple[str, str, str], _Tally] = {}
        self._latencies: dict[str, _Latencies] = {}
        self._lags: dict[tuple[str, str], _Latencies] = {}
        self._flusher: asyncio.TimerHandle | None = None

    def count(self, *, region: str, operation: str, code: str, seconds: float) -> None:
        """
        Count one answered request.

        It shows within FLUSH_INTERVAL_S; a worker that is killed loses what does not show yet.
        """
        tally = self._tallies.get((region, operation, code))
        if tally is None:
            counter = self._requests.labels(region, operation, code)
            tally = self._tallies[region, operation, code] = _Tally(counter)
        tally.pending += 1
        latencies = self._latencies.get(operation)
        if latencies is None:
            latencies = _Latencies(self._latency.labels(operation))
            self._latencies[operation] = latencies
        latencies.pending.append(seconds)
        if self._flusher is None:
            self._flush_soon()

    def replicated(self, *, region: str, peer: str, lag_s: float) -> None:
        """Count one change that reached a peer; it shows as `count` does."""
        lags = self._lags.get((region, peer))
        if lags is None:
            lags = self._lags[region, peer] = _Latencies(self._lag.labels(region, peer))
        lags.pending.append(lag_s)
        if self._flusher is None:
            self._flush_soon()

    def replication_failed(self, *, region: str, peer: str) -> None:
        """Count one attempt that brought replication no further; they are few."""
        self._replication_failed.labels(region, peer).inc()

    def _flush_soon(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # `text` flushes
        self._flusher = loop.call_later(FLUSH_INTERVAL_S, self.flush)

    def flush(self) -> None:
        """Put what was counted where other processes and `text` find it."""
        if self._flusher is not None:
            self._flusher.cancel()
            self._flusher = None
        for tally in self._tallies.values():
            tally.flush()
        for latencies in self._latencies.values():
            latencies.flush()
        for lags in self._lags.values():
            lags.flush()

    def set_pairs(self, pairs: Sequence[PairState]) -> None:
        """What the stores say of replication now: the same for all workers."""
        self._pairs.pairs = pairs

    def set_audit_dropped(self, records: int) -> None:
        self._audit_dropped.set(records)

    def text(self) -> bytes:
        """The exposition of all metrics."""
        self.flush()
        if MULTIPROCESS_DIR in os.environ:
            merged = CollectorRegistry()
            MultiProcessCollector(merged)  # type: ignore[no-untyped-call]
            merged.register(self._pairs)
            return generate_latest(merged)
        return generate_latest(self._registry)


def forget_process(pid: int) -> None:
    """Take the live numbers of a worker that has ended out of the sums; its counts stay."""
    if MULTIPROCESS_DIR in os.environ:
        mark_process_dead(pid)  # type: ignore[no-untyped-call]

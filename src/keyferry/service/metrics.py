"""
What `/metrics` shows, in the text format of Prometheus.

Labels are of bounded variety: names of operations that exist, codes of the error table, Regions
that are served. With several worker processes the numbers of all of them are added up, through
files in the directory that the environment variable MULTIPROCESS_DIR names.
"""

from __future__ import annotations

import os

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

MULTIPROCESS_DIR = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's name
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

_LATENCY_BUCKETS_S = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)


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
        self._audit_dropped = Gauge(
            "keyferry_audit_records_dropped",
            "Audit records of reads and refusals lost because the queue was full.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        # Finding a labelled child costs more than counting with it.
        self._known_requests: dict[tuple[str, str, str], Counter] = {}
        self._known_latency: dict[str, Histogram] = {}

    def count(self, *, region: str, operation: str, code: str, seconds: float) -> None:
        """Count one answered request."""
        labels = (region, operation, code)
        requests = self._known_requests.get(labels)
        if requests is None:
            requests = self._known_requests[labels] = self._requests.labels(*labels)
        requests.inc()
        latency = self._known_latency.get(operation)
        if latency is None:
            latency = self._known_latency[operation] = self._latency.labels(operation)
        latency.observe(seconds)

    def set_audit_dropped(self, records: int) -> None:
        self._audit_dropped.set(records)

    def text(self) -> bytes:
        """The exposition of all metrics."""
        if MULTIPROCESS_DIR in os.environ:
            merged = CollectorRegistry()
            MultiProcessCollector(merged)  # type: ignore[no-untyped-call]
            return generate_latest(merged)
        return generate_latest(self._registry)


def forget_process(pid: int) -> None:
    """Take the live numbers of a worker that has ended out of the sums; its counts stay."""
    if MULTIPROCESS_DIR in os.environ:
        mark_process_dead(pid)  # type: ignore[no-untyped-call]

"""Counting: what is kept for a moment comes out as the library would have counted it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from keyferry.service import metrics as module
from keyferry.service.metrics import Metrics

SECONDS = [0.0, 0.0004, 0.0005, 0.0006, 0.003, 0.3, 9.0, 10.0, 11.0, 100.0]


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_histogram_is_the_librarys() -> None:
    """Buckets, sum and count as if each observation had been made one by one."""
    counted = Metrics()
    registry = CollectorRegistry()
    expected = Histogram(
        "keyferry_request_duration_seconds",
        "x",
        ("operation",),
        buckets=module._LATENCY_BUCKETS_S,
        registry=registry,
    )
    for seconds in SECONDS * 3:
        counted.count(region="r", operation="VerifyMac", code="OK", seconds=seconds)
        expected.labels("VerifyMac").observe(seconds)
    wanted = samples(generate_latest(registry))
    found = samples(counted.text())
    assert wanted
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)
    labels = (("code", "OK"), ("operation", "VerifyMac"), ("region", "r"))
    assert found["keyferry_requests_total", labels] == 30


async def test_counts_show_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to ask this process: another one may be asked for all."""
    monkeypatch.setattr(module, "FLUSH_INTERVAL_S", 0.01)
    counted = Metrics()
    flushed = asyncio.Event()
    flush = counted.flush

    def watched() -> None:
        flush()
        flushed.set()

    monkeypatch.setattr(counted, "flush", watched)
    for _ in range(2):
        counted.count(region="r", operation="VerifyMac", code="OK", seconds=0.001)
        await asyncio.wait_for(flushed.wait(), 10)
        flushed.clear()
    text = generate_latest(counted._registry).decode()
    assert 'keyferry_requests_total{code="OK",operation="VerifyMac",region="r"} 2.0' in text


def test_workers_are_added_up(tmp_path: Path) -> None:
    """Through the files they share."""
    program = textwrap.dedent(
        """
        import sys
        from keyferry.service.metrics import Metrics
        counted = Metrics()
        for _ in range(int(sys.argv[1])):
            counted.count(region="r", operation="VerifyMac", code="OK", seconds=0.001)
        sys.stdout.buffer.write(counted.text())
        """
    )
    for count, total in ((2, 2), (3, 5)):
        done = subprocess.run(
            [sys.executable, "-c", program, str(count)],
            env=os.environ | {module.MULTIPROCESS_DIR: str(tmp_path)},
            capture_output=True,
            check=True,
        )
        labels = (("code", "OK"), ("operation", "VerifyMac"), ("region", "r"))
        found = samples(done.stdout)
        assert found["keyferry_requests_total", labels] == total
        name = "keyferry_request_duration_seconds_count"
        assert found[name, (("operation", "VerifyMac"),)] == total


def test_replication_of_all_workers_is_added_up_and_what_stores_say_is_not(tmp_path: Path) -> None:
    """Lags and failures are each worker's own; backlog and drift are the same for all."""
    program = textwrap.dedent(
        """
        import sys
        from keyferry.service.metrics import Metrics
        from keyferry.service.replication.pair_gauges import PairState
        counted = Metrics()
        for _ in range(int(sys.argv[1])):
            counted.replicated(region="r", peer="p", lag_s=0.02)
            counted.replication_failed(region="r", peer="p")
        counted.set_pairs([
            PairState(region="r", peer="p", waiting=7, held=1, drift=3),
            PairState(region="p", peer="r", waiting=0, held=0, drift=None),
        ])
        sys.stdout.buffer.write(counted.text())
        """
    )
    there, back = (("peer", "p"), ("region", "r")), (("peer", "r"), ("region", "p"))
    for count, total in ((2, 2), (3, 5)):
        done = subprocess.run(
            [sys.executable, "-c", program, str(count)],
            env=os.environ | {module.MULTIPROCESS_DIR: str(tmp_path)},
            capture_output=True,
            check=True,
        )
        found = samples(done.stdout)
        assert found["keyferry_replication_lag_seconds_count", there] == total
        assert found["keyferry_replication_lag_seconds_sum", there] == pytest.approx(0.02 * total)
        assert found["keyferry_replication_failed_total", there] == total
        assert found["keyferry_replication_backlog", there] == 7
        assert found["keyferry_replication_backlog", back] == 0
        assert found["keyferry_replication_held", there] == 1
        assert found["keyferry_drift_items", there] == 3
        assert ("keyferry_drift_items", back) not in found

"""Reads and refusals reach the trail soon, in order, and never hold up a request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest

from keyferry.errors import StoreError
from keyferry.service.audit import AuditQueue
from keyferry.service.audit.queue import FLUSH_INTERVAL_S
from keyferry.service.store.opening import open_store
from keyferry.service.store.records import AuditRecord
from keyferry.service.store.store import SQLStore
from keyferry.service.vault.master_key import LocalMasterKey

ACCOUNT = "111122223333"


def record(number: int, body: bytes = b"{}") -> AuditRecord:
    return AuditRecord(
        event_id=f"event-{number}",
        account=ACCOUNT,
        event_time=datetime(2026, 1, 1, tzinfo=UTC),
        event_name="GetKey",
        body=body,
    )


class Clock:
    """Sleeping that ends when the test says so."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._ticks: asyncio.Queue[None] = asyncio.Queue()
        self.sleeping = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        self.sleeping.set()
        await self._ticks.get()
        self.sleeping.clear()

    def tick(self) -> None:
        self._ticks.put_nowait(None)


@pytest.fixture
async def store() -> AsyncIterator[SQLStore]:
    with open_store("memory:", region="us-east-1", master_key=LocalMasterKey(bytes(32))) as opened:
        yield opened


def written(store: SQLStore) -> list[str]:
    return [found.event_id for _, found in store.audit_events(ACCOUNT, limit=10_000)]


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until the condition holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (what is awaited has no event)
            await asyncio.sleep(0)


async def test_flushes_after_its_interval(store: SQLStore) -> None:
    """Nothing is written at once, everything after a tick, then the timer rests."""
    clock = Clock()
    queue = AuditQueue(store, sleep=clock.sleep)
    for number in range(3):
        queue.put(record(number))
    await clock.sleeping.wait()
    assert written(store) == []
    assert clock.asked == [FLUSH_INTERVAL_S]
    assert FLUSH_INTERVAL_S < 1
    clock.tick()
    await until(lambda: len(queue) == 0)
    assert written(store) == ["event-0", "event-1", "event-2"]
    await until(lambda: queue._flusher is not None and queue._flusher.done())
    queue.put(record(3))
    await clock.sleeping.wait()
    clock.tick()
    await until(lambda: len(queue) == 0)
    assert written(store)[3:] == ["event-3"]
    await queue.close()


async def test_large_backlog_is_written_in_order(store: SQLStore) -> None:
    """More than a batch, none lost, none twice."""
    queue = AuditQueue(store, sleep=Clock().sleep)
    for number in range(1000):
        queue.put(record(number))
    await queue.flush()
    assert written(store) == [f"event-{number}" for number in range(1000)]
    await queue.close()


async def test_close_writes_what_waits(store: SQLStore) -> None:
    """Closing does not wait for the timer, and closing twice is no harm."""
    queue = AuditQueue(store, sleep=Clock().sleep)
    queue.put(record(1))
    await queue.close()
    await queue.close()
    assert written(store) == ["event-1"]


async def test_close_during_a_flush_writes_once(store: SQLStore) -> None:
    """A flush under way is waited for, not repeated."""
    clock = Clock()
    queue = AuditQueue(store, sleep=clock.sleep)
    queue.put(record(1))
    await clock.sleeping.wait()
    clock.tick()
    await asyncio.sleep(0)  # the flush is now waiting for the store
    await queue.close()
    assert written(store) == ["event-1"]


async def test_full_queue_drops_and_counts(store: SQLStore) -> None:
    """By number and by size; there is room again after a flush."""
    queue = AuditQueue(store, max_records=2, max_bytes=10, sleep=Clock().sleep)
    queue.put(record(1, b"123456"))
    queue.put(record(2, b"12345"))
    assert queue.dropped == 1
    queue.put(record(3, b"1234"))
    queue.put(record(4, b""))
    assert queue.dropped == 2
    assert len(queue) == 2
    await queue.flush()
    queue.put(record(5, b"0123456789"))
    await queue.close()
    assert written(store) == ["event-1", "event-3", "event-5"]


async def test_a_failing_store_is_tried_again(
    store: SQLStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be written waits for the next tick."""
    clock = Clock()
    queue = AuditQueue(store, sleep=clock.sleep)
    write = store.write
    failures = iter([StoreError("the disk is full")])

    async def failing(change: Callable[..., None]) -> None:
        for error in failures:
            raise error
        await write(change)

    monkeypatch.setattr(store, "write", failing)
    queue.put(record(1))
    await clock.sleeping.wait()
    clock.tick()
    await until(lambda: len(clock.asked) == 2)
    assert len(queue) == 1
    clock.tick()
    await until(lambda: len(queue) == 0)
    assert written(store) == ["event-1"]
    await queue.close()

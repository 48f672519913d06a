"""
The trail of reads and refusals, written in batches.

A write has its record in its own transaction. A read or a refusal has nothing to commit, so its
record waits here and is written with its neighbours within a second, and when the service closes.
A process that is killed loses what still waits: at most FLUSH_INTERVAL_S of reads and refusals,
never the record of a change. The queue never holds up a request: if it is full, because the store
does not take writes, the record is dropped and counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from itertools import islice
from typing import Protocol

from keyferry.errors import StoreError
from keyferry.service import log
from keyferry.service.store.interface import KeyStore, Transaction
from keyferry.service.store.records import AuditRecord

FLUSH_INTERVAL_S = 0.25
MAX_WAITING_RECORDS = 10_000
MAX_WAITING_BYTES = 32 * 1024 * 1024
MAX_BATCH = 256

AUDIT_DROPPED = "audit_records_dropped"
AUDIT_FLUSH_FAILED = "audit_flush_failed"


class Sleep(Protocol):
    """How the queue waits; tests give one that they end themselves."""

    async def __call__(self, seconds: float, /) -> None: ...


class AuditQueue:
    """Collects records on one event loop and writes them to one store."""

    def __init__(
        self,
        store: KeyStore,
        *,
        max_records: int = MAX_WAITING_RECORDS,
        max_bytes: int = MAX_WAITING_BYTES,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._store = store
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._sleep = sleep
        self._waiting: deque[AuditRecord] = deque()
        self._bytes = 0
        self._flusher: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self._reported = 0
        self.dropped = 0  # since the start, for the metrics

    def __len__(self) -> int:
        """How many records wait."""
        return len(self._waiting)

    def put(self, record: AuditRecord) -> None:
        """Take a record, on the event loop; it is written soon, or dropped if there is no room."""
        size = len(record.body)
        if len(self._waiting) >= self._max_records or self._bytes + size > self._max_bytes:
            self.dropped += 1
            return
        self._waiting.append(record)
        self._bytes += size
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.get_running_loop().create_task(self._flush_soon())

    async def _flush_soon(self) -> None:
        # Ends when nothing waits, so that an idle service has no timer running.
        while self._waiting:
            await self._sleep(FLUSH_INTERVAL_S)
            await self.flush()

    async def flush(self) -> None:
        """Write all that waits now; what the store does not take stays for the next time."""
        async with self._writing:
            while self._waiting:
                batch = list(islice(self._waiting, MAX_BATCH))
                try:
                    await self._store.write(partial(_append, batch))
                except StoreError as error:
                    log.warning(AUDIT_FLUSH_FAILED, reason=str(error), waiting=len(self._waiting))
                    return
                for record in batch:
                    self._waiting.popleft()
                    self._bytes -= len(record.body)
        if self.dropped > self._reported:
            log.warning(AUDIT_DROPPED, count=self.dropped - self._reported, total=self.dropped)
            self._reported = self.dropped

    async def close(self) -> None:
        """Stop the timer and write what waits; before the store closes."""
        # Under the lock the task sleeps or waits for the lock: a write under way is not cancelled,
        # or its records would be written twice.
        async with self._writing:
            if self._flusher is not None:
                self._flusher.cancel()
        if self._flusher is not None:
            await asyncio.gather(self._flusher, return_exceptions=True)
        await self.flush()


def _append(batch: list[AuditRecord], transaction: Transaction) -> None:
    for record in batch:
        transaction.append_audit(record)

"""
Group commit: many waiting changes, one durable transaction.

A commit costs a disk flush, whatever it holds. One thread takes every change that waits, runs each
within its own savepoint, commits once and only then tells the callers. While it flushes, the next
changes gather. A change that raises undoes its savepoint and nothing else; if the commit fails, or
the engine gave the transaction up, every change of the batch fails.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from keyferry.errors import StoreError
from keyferry.service.store.engine import Engine
from keyferry.service.store.transaction import SQLTransaction

T = TypeVar("T")
Change = Callable[[SQLTransaction], Any]

# Bounds the time a batch holds the write lock, for writers of other processes.
MAX_BATCH = 256


class _Pending:
    """A change on its way, and the one who waits: a future of a loop, or of a thread."""

    __slots__ = ("change", "error", "loop", "result", "waiter")

    def __init__(
        self,
        change: Change,
        waiter: asyncio.Future[Any] | Future[Any],
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        self.change = change
        self.waiter = waiter
        self.loop = loop
        self.result: Any = None
        self.error: BaseException | None = None

    def resolve(self) -> None:
        """Answer the caller; one who was cancelled meanwhile gets nothing, the change stays."""
        if self.waiter.done():
            return
        if self.error is None:
            self.waiter.set_result(self.result)
        else:
            self.waiter.set_exception(self.error)


class GroupCommit:
    """The thread that writes. `begin` makes the transaction object a batch works with."""

    def __init__(self, engine: Engine, begin: Callable[[], SQLTransaction]) -> None:
        self._engine = engine
        self._begin = begin
        # Read when a store is opened, so that a benchmark can set it to 1: no group commit.
        self._max_batch = MAX_BATCH
        self._waiting: SimpleQueue[_Pending | None] = SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._traces_left = False
        self._thread = threading.Thread(target=self._run, name="keyferry-store", daemon=True)
        self._thread.start()

    async def write(self, change: Callable[[SQLTransaction], T]) -> T:
        """Run `change` and return its result once it is on disk."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[T] = loop.create_future()
        self._submit(_Pending(change, waiter, loop))
        return await waiter

    def write_blocking(
        self, change: Callable[[SQLTransaction], T], *, timeout_s: float | None = None
    ) -> T:
        """The same, holding up the calling thread."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("a change cannot wait for another change")
        waiter: Future[T] = Future()
        self._submit(_Pending(change, waiter, None))
        try:
            return waiter.result(timeout_s)
        except TimeoutError:
            raise StoreError(f"no write got through within {timeout_s} s") from None

    def _submit(self, pending: _Pending) -> None:
        # Under the lock nothing can come in behind the mark that ends the thread.
        with self._closing:
            if self._closed:
                raise StoreError("the store is closed")
            self._waiting.put(pending)

    def close(self) -> None:
        """Write what was submitted, then end the thread."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._waiting.put(None)
        self._thread.join()

    # --- in the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        ending = False
        while not ending:
            batch, ending = self._take()
            if batch:
                try:
                    self._commit(batch)
                except Exception as error:  # noqa: BLE001 -- outermost loop: a fault of ours must not leave callers waiting
                    _fail(batch, StoreError(f"writing failed: {type(error).__name__}"))
                _resolve(batch)
            if self._traces_left and not ending:
                self._erase_traces()

    def _take(self) -> tuple[list[_Pending], bool]:
        """Wait for a change and take with it all that wait behind it; True if told to end."""
        batch: list[_Pending] = []
        pending = self._waiting.get()
        while pending is not None:
            batch.append(pending)
            if len(batch) == self._max_batch:
                return batch, False
            try:
                pending = self._waiting.get_nowait()
            except Empty:
                return batch, False
        return batch, True

    def _commit(self, batch: list[_Pending]) -> None:
        """Run and commit a batch; afterwards each change has its result or its error."""
        try:
            self._engine.begin()
        except StoreError as error:
            _fail(batch, error)
            return
        transaction = self._begin()
        try:
            if len(batch) == 1:
                # A change alone needs no savepoint: the transaction is one.
                if not self._run_alone(batch[0], transaction):
                    self._engine.rollback()
                    return
            else:
                for pending in batch:
                    self._run_within_savepoint(pending, transaction)
            self._engine.commit()
        except BaseException as error:
            self._engine.rollback()
            if not isinstance(error, StoreError):
                raise
            _fail(batch, error)
            return
        if transaction.erased:
            # Before anyone hears that a key is destroyed, its old pages go.
            self._erase_traces()

    def _run_alone(self, pending: _Pending, transaction: SQLTransaction) -> bool:
        try:
            pending.result = pending.change(transaction)
        except BaseException as error:  # noqa: BLE001 -- belongs to the caller, who gets it
            pending.error = error
            return False
        return True

    def _run_within_savepoint(self, pending: _Pending, transaction: SQLTransaction) -> None:
        erased = transaction.erased
        self._engine.savepoint()
        try:
            pending.result = pending.change(transaction)
        except BaseException as error:  # noqa: BLE001 -- belongs to the caller, who gets it
            pending.error = error
            self._engine.undo()
            transaction.erased = erased
        else:
            self._engine.release()

    def _erase_traces(self) -> None:
        try:
            self._traces_left = not self._engine.erase_traces()
        except StoreError:
            # The destruction itself is committed; its traces are tried again after later writes.
            self._traces_left = True


def _fail(batch: list[_Pending], error: StoreError) -> None:
    for pending in batch:
        # A change that was refused by its own rule keeps that answer: nothing of it was written.
        if pending.error is None:
            pending.error = StoreError(str(error), hint=error.hint)


def _resolve(batch: list[_Pending]) -> None:
    """Answer all callers, with one wake-up for each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Pending]] = {}
    for pending in batch:
        if pending.loop is None:
            pending.resolve()
        else:
            by_loop.setdefault(pending.loop, []).append(pending)
    for loop, answered in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve_all, answered)
        except RuntimeError:
            # The loop was closed while its callers waited; there is nobody left to tell.
            continue


def _resolve_all(answered: list[_Pending]) -> None:
    for pending in answered:
        pending.resolve()

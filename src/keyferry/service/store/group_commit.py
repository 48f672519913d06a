"""
Group commit: many waiting changes, one durable transaction.

A commit costs a disk flush, whatever it holds. So the changes that wait are taken together, each is
run within its own savepoint, the transaction is committed once, and only then the callers hear of
it. A change that raises undoes its savepoint and nothing else; if the commit fails, or the engine
gave the transaction up, every change of the batch fails. An engine far away has no savepoints: if
a change fails that has written, the batch is undone and each change gets a transaction of its own.
A change may therefore run twice, and must do nothing but through its transaction.

Where a batch runs is a matter of speed. On a disk that flushes in less time than two threads need
to hand over to each other and to fight for the interpreter, it runs in place, on the event loop:
all requests the loop found ready in one turn make one batch, and those that arrive during the
flush make the next (measured: twice the rate of a writing thread, at half the CPU). On a slower
disk, or while another process holds the write lock, it runs in the writing thread, and the loop
goes on. What may take long in any case (moving the log into the database, erasing traces) is the
thread's.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from keyferry.errors import StoreError
from keyferry.service.store.engine import BatchUndoneError, Engine
from keyferry.service.store.known_rows import Subject
from keyferry.service.store.pending import PendingChange, fail, resolve, resolve_here
from keyferry.service.store.transaction import SQLTransaction

T = TypeVar("T")
Job = Callable[[], None]

# Bounds the time a batch holds the write lock, for writers of other processes.
MAX_BATCH = 256
# Bounds the time a batch holds up the loop.
MAX_BATCH_IN_PLACE = 64
# Commits in place as long as a flush takes less than this on average; the loop stands still for it.
IN_PLACE_LIMIT_S = 0.002
# Weight of the newest flush in that average.
_NEWEST = 0.1
# After so many changes the log is moved into the database: about a thousand pages.
TIDY_AFTER_CHANGES = 250
# How long to wait before traces are erased again that could not be, because another process was
# reading an old state.
ERASE_AGAIN_S = 1.0


class GroupCommit:
    """Writes for one store. `begin` makes the transaction object a batch works with."""

    def __init__(self, engine: Engine, begin: Callable[[], SQLTransaction]) -> None:
        self._engine = engine
        self._begin = begin
        # Read when a store is opened, so that a benchmark can set it to 1: no group commit.
        self._max_batch = MAX_BATCH
        self._flush_s = 0.0
        # What each loop gathered in this turn. A loop touches its own entry only.
        self._gathered: dict[asyncio.AbstractEventLoop, list[PendingChange]] = {}
        # Who holds it has the engine's one writer: the thread, or a loop for a batch in place.
        self._writing = threading.Lock()
        self._writer: int | None = None  # the thread that runs changes now
        # For the thread: changes, jobs beside them, and None at the end.
        self._waiting: SimpleQueue[PendingChange | Job | None] = SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._changes = 0
        self._traces_left = False
        self._erase_at = 0.0
        self._thread = threading.Thread(target=self._run, name="keyferry-store", daemon=True)
        self._thread.start()

    async def write(
        self, change: Callable[[SQLTransaction], T], *, about: Collection[Subject] = ()
    ) -> T:
        """Run `change` and return its result once it is on disk."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[T] = loop.create_future()
        pending = PendingChange(change, waiter, loop, about)
        if not self._engine.is_remote and self._flush_s < IN_PLACE_LIMIT_S:
            self._gather(pending, loop)
        else:
            self._submit(pending)
        return await waiter

    def write_blocking(
        self, change: Callable[[SQLTransaction], T], *, timeout_s: float | None = None
    ) -> T:
        """The same, holding up the calling thread."""
        if threading.get_ident() == self._writer:
            raise RuntimeError("a change cannot wait for another change")
        waiter: Future[T] = Future()
        self._submit(PendingChange(change, waiter, None))
        try:
            return waiter.result(timeout_s)
        except TimeoutError:
            raise StoreError(f"no write got through within {timeout_s} s") from None

    def close(self) -> None:
        """Write what was submitted, then end the thread."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._waiting.put(None)
        self._thread.join()
        # A loop may be in the middle of its last batch.
        with self._writing:
            return

    # --- in place, on a loop -------------------------------------------------------------------

    def _gather(self, pending: PendingChange, loop: asyncio.AbstractEventLoop) -> None:
        """Keep a change until the loop has run what else is ready, which may bring more."""
        gathered = self._gathered.get(loop)
        if gathered is None:
            gathered = self._gathered[loop] = []
            loop.call_soon(self._write_gathered, loop)
        gathered.append(pending)

    def _write_gathered(self, loop: asyncio.AbstractEventLoop) -> None:
        gathered = self._gathered.pop(loop)
        size = min(self._max_batch, MAX_BATCH_IN_PLACE)
        batch, rest = gathered[:size], gathered[size:]
        if rest:
            self._gathered[loop] = rest
            loop.call_soon(self._write_gathered, loop)
        if not self._writing.acquire(blocking=False):
            self._hand_over(batch)
            return
        try:
            if self._closed or not self._engine.begin(wait=False):
                self._hand_over(batch)
                return
            erased = self._commit(batch, begun=True)
        except StoreError as error:
            fail(batch, error)
            erased = False
        finally:
            self._writing.release()
        # Before anyone hears that a key is destroyed, its old pages go. If the store is closing,
        # they go when it is opened again.
        if not erased or not self._put_job(lambda: self._erase_and_resolve(batch)):
            resolve_here(batch)
        self._tidy_if_due()

    def _hand_over(self, batch: list[PendingChange]) -> None:
        """Let the thread write a batch: it may wait for its turn."""
        for pending in batch:
            try:
                self._submit(pending)
            except StoreError as error:
                pending.error = error
                pending.resolve()

    # --- in the thread -------------------------------------------------------------------------

    def _submit(self, pending: PendingChange) -> None:
        # Under the lock nothing can come in behind the mark that ends the thread.
        with self._closing:
            if self._closed:
                raise StoreError("the store is closed")
            self._waiting.put(pending)

    def _put_job(self, job: Job) -> bool:
        """Have the thread do something beside the batches; False if the store is closing."""
        with self._closing:
            if not self._closed:
                self._waiting.put(job)
            return not self._closed

    def _run(self) -> None:
        batch: list[PendingChange] = []
        while True:
            try:
                item = self._waiting.get(block=not batch)
            except Empty:
                self._write(batch)
                batch = []
                continue
            if isinstance(item, PendingChange):
                batch.append(item)
                if len(batch) < self._max_batch:
                    continue
            self._write(batch)
            batch = []
            if item is None:
                return
            if not isinstance(item, PendingChange):
                item()

    def _write(self, batch: list[PendingChange]) -> None:
        """Write a batch, waiting for other processes, and tell its callers."""
        if not batch:
            return
        with self._writing:
            if self._commit(batch):
                self._erase_traces()
        resolve(batch)
        self._tidy_if_due()

    # --- a batch -------------------------------------------------------------------------------

    def _commit(self, batch: list[PendingChange], *, begun: bool = False) -> bool:
        """
        Run a batch in a transaction and commit it, or roll it back.

        Afterwards each change has its result or its error.

        Args:
            begun: the transaction was begun already.

        Returns:
            Whether the batch destroyed something, so that traces of it must go.
        """
        transaction = self._begin()
        self._writer = threading.get_ident()
        try:
            if not begun:
                transaction.begin({subject for pending in batch for subject in pending.about})
                begun = True
            if len(batch) > 1:
                for pending in batch:
                    self._run_within_savepoint(pending, transaction)
            elif not batch[0].run(transaction):
                # A change alone needs no savepoint: the transaction is one.
                self._engine.rollback()
                return False
            started = time.perf_counter()
            self._engine.commit()
        except BatchUndoneError as undone:
            if begun:
                self._engine.rollback()
            if len(batch) > 1:
                return self._commit_singly(batch)
            batch[0].error = undone.reason
            return False
        except BaseException as error:
            if begun:
                with suppress(StoreError):
                    self._engine.rollback()
            # A fault of ours must not leave callers waiting either.
            known = error if isinstance(error, StoreError) else None
            fail(batch, known or StoreError(f"writing failed: {type(error).__name__}"))
            if not isinstance(error, Exception):
                raise
            return False
        finally:
            self._writer = None
        self._flush_s += (time.perf_counter() - started - self._flush_s) * _NEWEST
        self._changes += len(batch)
        return transaction.erased

    def _commit_singly(self, batch: list[PendingChange]) -> bool:
        """Give each change a transaction of its own, so that one fails without the others."""
        erased = False
        for pending in batch:
            erased = self._commit([pending]) or erased
        return erased

    def _run_within_savepoint(self, pending: PendingChange, transaction: SQLTransaction) -> None:
        transaction.begin_change()
        self._engine.savepoint()
        if pending.run(transaction):
            self._engine.release()
        else:
            self._engine.undo()
            transaction.undo_change()

    # --- beside the batches, in the thread -----------------------------------------------------

    def _erase_and_resolve(self, batch: list[PendingChange]) -> None:
        self._erase_in_turn()
        resolve(batch)

    def _erase_in_turn(self) -> None:
        with self._writing:
            self._erase_traces()

    def _erase_traces(self) -> None:
        try:
            self._traces_left = not self._engine.erase_traces()
        except StoreError:
            # The destruction itself is committed; its traces are tried again after later writes.
            self._traces_left = True
        self._erase_at = time.monotonic() + ERASE_AGAIN_S

    def _tidy_if_due(self) -> None:
        """Have the log moved into the database, or traces erased, if it is time for it."""
        if self._changes >= TIDY_AFTER_CHANGES:
            self._changes = 0
            self._put_job(self._engine.tidy)
        if self._traces_left and time.monotonic() >= self._erase_at:
            self._traces_left = False  # set again if it must still wait
            self._put_job(self._erase_in_turn)

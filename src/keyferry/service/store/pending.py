"""A change on its way to the disk, and the one who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future
from typing import Any

from keyferry.errors import StoreError
from keyferry.service.store.engine import BatchUndoneError
from keyferry.service.store.known_rows import Subject
from keyferry.service.store.transaction import SQLTransaction


class PendingChange:
    """
    A change, its outcome once it has one, and the future of a loop or a thread that gets it.

    `loop` is None if a thread waits. `about` names the keys the change will read, where its caller
    knows them.
    """

    __slots__ = ("_waiter", "about", "change", "error", "loop", "result")

    def __init__(
        self,
        change: Callable[[SQLTransaction], Any],
        waiter: asyncio.Future[Any] | Future[Any],
        loop: asyncio.AbstractEventLoop | None,
        about: Collection[Subject] = (),
    ) -> None:
        self.change = change
        self.about = about
        self.loop = loop
        self.result: Any = None
        self.error: BaseException | None = None
        self._waiter = waiter

    def run(self, transaction: SQLTransaction) -> bool:
        """
        Run the change; False if it raised, which its caller hears once the batch is done.

        Raises:
            BatchUndoneError: the transaction met something that may be another change's fault.
        """
        self.error = None
        try:
            self.result = self.change(transaction)
        except BatchUndoneError:
            raise  # not for this change alone
        except BaseException as error:  # noqa: BLE001 -- belongs to the caller, who gets it
            self.error = error
            return False
        return True

    def resolve(self) -> None:
        """Tell the caller, on its own loop; one who was cancelled meanwhile gets nothing."""
        if self._waiter.done():
            return
        if self.error is None:
            self._waiter.set_result(self.result)
        else:
            self._waiter.set_exception(self.error)


def fail(batch: Iterable[PendingChange], error: StoreError) -> None:
    """Give every change of a batch that was not written its error."""
    for pending in batch:
        # A change that was refused by its own rule keeps that answer: nothing of it was written.
        if pending.error is None:
            pending.error = StoreError(str(error), hint=error.hint)


def resolve(batch: Iterable[PendingChange]) -> None:
    """Tell all callers from another thread, with one wake-up for each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[PendingChange]] = {}
    for pending in batch:
        if pending.loop is None:
            pending.resolve()
        else:
            by_loop.setdefault(pending.loop, []).append(pending)
    for loop, answered in by_loop.items():
        try:
            loop.call_soon_threadsafe(resolve_here, answered)
        except RuntimeError:
            # The loop was closed while its callers waited; there is nobody left to tell.
            continue


def resolve_here(batch: Iterable[PendingChange]) -> None:
    """Tell callers that wait on this loop."""
    for pending in batch:
        pending.resolve()

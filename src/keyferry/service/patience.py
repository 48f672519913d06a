"""
Waiting with a limit, for what is nearly always there already.

`asyncio.timeout` sets a timer and clears it again, whether anything has to wait or not: on the way
of a request that takes 50 µs in all, twice 6 µs. Here the coroutine is begun first; only if it does
not end at once is there a timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine as generator_coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """
    Return what `work` returns, or raise TimeoutError if it takes longer.

    What `work` raises is raised here; when time is up it is cancelled.
    """
    try:
        first = work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    async with asyncio.timeout(seconds):
        return await resumed(work, first)


@generator_coroutine
def resumed(work: Coroutine[Any, Any, T], waits_for: Any) -> Generator[Any, Any, T]:
    """Go on with a coroutine that has been begun and waits for something."""
    while True:
        try:
            sent = yield waits_for
        except BaseException as error:  # noqa: BLE001 (it belongs to the coroutine, as with await)
            thrown: BaseException | None = error
        else:
            thrown = None
        try:
            waits_for = work.send(sent) if thrown is None else work.throw(thrown)
        except StopIteration as done:
            result: T = done.value
            return result

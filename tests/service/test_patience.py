"""Waiting with a limit: at once, in time, too late, and interrupted."""

from __future__ import annotations

import asyncio
from unittest import mock

import pytest

from keyferry.service.patience import within


async def at_once(value: int) -> int:
    return value


async def after(event: asyncio.Event, value: int) -> int:
    await event.wait()
    return value


async def test_no_timer_for_what_is_there() -> None:
    """Neither set nor cleared."""
    with mock.patch("asyncio.timeout", side_effect=AssertionError):
        assert await within(1.0, at_once(7)) == 7


async def test_waits_as_long_as_it_takes() -> None:
    """Through more than one turn of the loop."""
    event = asyncio.Event()

    async def twice() -> int:
        first = await after(event, 3)
        await asyncio.sleep(0)
        return first + await at_once(4)

    waiting = asyncio.ensure_future(within(10.0, twice()))
    await asyncio.sleep(0)
    event.set()
    assert await waiting == 7


async def test_time_is_up() -> None:
    """The coroutine is cancelled, and may clean up."""
    cleaned = []

    async def for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    with pytest.raises(TimeoutError):
        await within(0.01, for_ever())
    assert cleaned == [True]


@pytest.mark.parametrize("waits", [False, True])
async def test_errors_come_through(waits: bool) -> None:
    """Those raised at once and those raised later."""

    async def fails() -> None:
        if waits:
            await asyncio.sleep(0)
        raise KeyError("x")

    with pytest.raises(KeyError):
        await within(1.0, fails())


async def test_cancellation_comes_through() -> None:
    """To the coroutine, which may refuse to be cancelled, as with await."""
    began = asyncio.Event()

    async def stubborn() -> str:
        try:
            began.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "stayed"
        return "never"

    waiting = asyncio.ensure_future(within(10.0, stubborn()))
    await began.wait()
    waiting.cancel()
    assert await waiting == "stayed"


async def test_failed_future_is_seen_where_it_is_awaited() -> None:
    """Its error is raised inside the coroutine, which may handle it."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def handles() -> str:
        try:
            await future
        except ValueError:
            return "handled"
        return "never"

    waiting = asyncio.ensure_future(within(10.0, handles()))
    await asyncio.sleep(0)
    future.set_exception(ValueError())
    assert await waiting == "handled"

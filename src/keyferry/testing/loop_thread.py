"""A thread with an event loop, for the servers that run beside the tests."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from keyferry.errors import KeyferryError
from keyferry.log import divert

T = TypeVar("T")

CALL_TIMEOUT_S = 30.0
# Events go to the standard library's logger of this name: silent by default, shown by pytest with
# --log-level=INFO, and never in what an application under test writes.
LOGGER = "keyferry"


class LoopThread:
    """An event loop in a daemon thread, so that a test run that breaks off ends nevertheless."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._main, name="keyferry", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop and return, or raise, what it does."""
        future = asyncio.run_coroutine_threadsafe(_aside(coroutine), self._loop)
        try:
            return future.result(CALL_TIMEOUT_S)
        except TimeoutError:
            future.cancel()
            raise KeyferryError(
                f"a server of the tests took more than {CALL_TIMEOUT_S:.0f} s"
            ) from None

    def stop(self) -> None:
        """End the loop; what still runs in it is cancelled."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(CALL_TIMEOUT_S)

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._ended.wait())


async def _aside(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine with the log of its servers out of the application's way."""
    divert(
        structlog.wrap_logger(
            logging.getLogger(LOGGER),
            processors=[
                structlog.stdlib.filter_by_level,
                structlog.processors.LogfmtRenderer(key_order=["event"]),
            ],
            wrapper_class=structlog.stdlib.BoundLogger,
            cache_logger_on_first_use=True,
        )
    )
    return await coroutine

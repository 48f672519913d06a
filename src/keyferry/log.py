"""
Events of our servers: structlog, a promise that logging fails nobody, and a way to step aside.

An event that cannot be written (standard error is gone, the disk behind it is full) is lost. A
request that was answered, or a shutdown that writes what waits, must not be lost with it.
"""

from __future__ import annotations

import contextlib
import logging
from contextvars import ContextVar
from typing import Any

import structlog

# A server inside somebody else's program must not write where that program writes, nor change how
# it logs. What is set in the context the server runs in holds for that server alone.
_instead: ContextVar[Any] = ContextVar("keyferry_log", default=None)


def divert(logger: Any) -> None:
    """Send the events of this context, and of every task begun in it, to a structlog logger."""
    _instead.set(logger)


class EventLog:
    """The events of one part of keyferry; `name` is passed to structlog's logger factory."""

    __slots__ = ("_bound", "_configured", "_logger")

    def __init__(self, name: str) -> None:
        self._logger = structlog.get_logger(name)
        self._bound: Any = None
        self._configured: object = None

    def _current(self) -> Any:
        """The logger to write to now; binding one for each event would cost a third of it."""
        instead = _instead.get()
        if instead is not None:
            return instead
        # Whoever configures structlog anew gives it another list.
        configured = structlog.get_config()["processors"]
        if configured is not self._configured:
            self._bound = self._logger.bind()
            self._configured = configured
        return self._bound

    def shows_debug(self) -> bool:
        """Whether an event of level debug would be written, for who makes very many of them."""
        enabled = getattr(self._current().bind(), "is_enabled_for", None)
        return enabled is None or bool(enabled(logging.DEBUG))

    def debug(self, event: str, **values: Any) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._current().debug(event, **values)

    def info(self, event: str, **values: Any) -> None:
        # As the others do, without the price of a context manager: a service's line for a request.
        try:
            self._current().info(event, **values)
        except (OSError, ValueError):  # ValueError: the stream is closed
            return

    def warning(self, event: str, **values: Any) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._current().warning(event, **values)

    def error(self, event: str, **values: Any) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._current().error(event, **values)

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

    __slots__ = ("_logger",)

    def __init__(self, name: str) -> None:
        self._logger = structlog.get_logger(name)

    def shows_debug(self) -> bool:
        """Whether an event of level debug would be written, for who makes very many of them."""
        enabled = getattr((_instead.get() or self._logger).bind(), "is_enabled_for", None)
        return enabled is None or bool(enabled(logging.DEBUG))

    def debug(self, event: str, **values: Any) -> None:
        with contextlib.suppress(OSError, ValueError):
            (_instead.get() or self._logger).debug(event, **values)

    def info(self, event: str, **values: Any) -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: the stream is closed
            (_instead.get() or self._logger).info(event, **values)

    def warning(self, event: str, **values: Any) -> None:
        with contextlib.suppress(OSError, ValueError):
            (_instead.get() or self._logger).warning(event, **values)

    def error(self, event: str, **values: Any) -> None:
        with contextlib.suppress(OSError, ValueError):
            (_instead.get() or self._logger).error(event, **values)

"""
The service's log: structlog, and a promise that logging fails nobody.

An event that cannot be written (standard error is gone, the disk behind it is full) is lost. A
request that was answered, or a shutdown that writes what waits, must not be lost with it.
"""

from __future__ import annotations

import contextlib
from typing import Any

import structlog

_log = structlog.get_logger("keyferry.service")


def info(event: str, **values: Any) -> None:
    with contextlib.suppress(OSError, ValueError):  # ValueError: the stream is closed
        _log.info(event, **values)


def warning(event: str, **values: Any) -> None:
    with contextlib.suppress(OSError, ValueError):
        _log.warning(event, **values)


def error(event: str, **values: Any) -> None:
    with contextlib.suppress(OSError, ValueError):
        _log.error(event, **values)

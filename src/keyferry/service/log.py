"""The service's log, as functions of a module."""

from __future__ import annotations

import traceback

from keyferry.log import EventLog

_log = EventLog("keyferry.service")

debug = _log.debug
shows_debug = _log.shows_debug
info = _log.info
warning = _log.warning
error = _log.error


def failure(failed: Exception, request_id: str) -> None:
    """Log where an unexpected error came from; its words may hold what it worked on."""
    frames = traceback.extract_tb(failed.__traceback__)
    error(
        "request_failed",
        request_id=request_id,
        error=type(failed).__name__,
        where=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-8:]],
    )

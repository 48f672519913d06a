"""The service's log, as functions of a module."""

from __future__ import annotations

from keyferry.log import EventLog

_log = EventLog("keyferry.service")

info = _log.info
warning = _log.warning
error = _log.error

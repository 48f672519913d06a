"""
Logs: events on standard error, never on standard output, and never a secret.

`refuse_secrets` stands last before the renderer: an event with a `bytes` value, a `Secret` or a
container that holds one is a mistake in the program, and the log call fails.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from keyferry.crypto.secret import Secret


class SecretInLogError(TypeError):
    """A log call was handed bytes or a Secret."""


# What most values are; asked first, since a service writes a line for every change.
_PLAIN = frozenset({str, int, float, bool, type(None)})


def _holds_secret(value: object) -> bool:
    if type(value) in _PLAIN:
        return False
    if isinstance(value, bytes | bytearray | memoryview | Secret):
        return True
    if isinstance(value, Mapping):
        return any(_holds_secret(member) for member in value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return any(_holds_secret(member) for member in value)
    return False


def refuse_secrets(
    logger: object,  # noqa: ARG001 (structlog's signature)
    method: str,  # noqa: ARG001 (structlog's signature)
    event: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """
    Pass an event on if none of its values is bytes or a Secret.

    Raises:
        SecretInLogError: naming the event and the member, never the value.
    """
    for name, value in event.items():
        if type(value) not in _PLAIN and _holds_secret(value):
            raise SecretInLogError(f"event {event.get('event')!r} member {name!r} holds bytes")
    return event


def tell_retries(
    logger: object,  # noqa: ARG001 (structlog's signature)
    method: str,  # noqa: ARG001 (structlog's signature)
    event: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """
    Say in our words that stamina tries again: why and when.

    Its own event holds the arguments of the call, which may be anything.
    """
    if event.get("event") != "stamina.retry_scheduled":
        return event
    kept = {name: event[name] for name in ("timestamp", "level") if name in event}
    return {
        **kept,
        "event": "trying_again",
        "attempt": event.get("retry_num", 0) + 1,
        "in_s": event.get("wait_for"),
        "after": event.get("caused_by"),
    }


class TextRenderer:
    """
    Lines for people: time, level, event, then the members by name.

    structlog's console renderer writes the same and takes five times as long, most of it for the
    colours there are not. What is rarer than a line of plain members is left to it.
    """

    _QUOTED = re.compile(r"[ \t=\r\n\"']")
    _RARE = frozenset({"exc_info", "exception", "stack", "logger", "logger_name"})
    _LEVEL_WIDTH = len("exception")
    _EVENT_WIDTH = 30

    def __init__(self) -> None:
        self._console = structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        )

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        """Render an event as the last processor."""
        if (
            not self._RARE.isdisjoint(event)
            or type(event.get("timestamp")) is not str
            or type(event.get("level")) is not str
            or type(event.get("event")) is not str
        ):
            return self._console(logger, method, event)
        time, level = event.pop("timestamp"), event.pop("level")
        parts = [f"{time} [{level:<{self._LEVEL_WIDTH}}] {event.pop('event'):<{self._EVENT_WIDTH}}"]
        quoted = self._QUOTED.search
        for name in sorted(event):
            value = event[name]
            plain = isinstance(value, str) and not quoted(value)
            parts.append(f"{name}={value if plain else repr(value)}")
        return " ".join(parts).rstrip(" ")


def configure_logs(*, verbose: bool = False, log_format: str = "text") -> None:
    """
    Send events to standard error.

    Args:
        verbose: debug events too; otherwise information and worse.
        log_format: "text" for people, "json" for machines.
    """
    renderer: Any
    trace: list[Any] = []
    if log_format == "json":
        # Local variables may be keys: tracebacks are told without them.
        trace = [
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            )
        ]
        renderer = structlog.processors.JSONRenderer()
    elif sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer(
            colors=True, exception_formatter=structlog.dev.plain_traceback
        )
    else:
        renderer = TextRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *trace,
            tell_retries,
            refuse_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.DEBUG if verbose else logging.INFO
        ),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries log through the standard library; botocore at debug level writes whole requests,
    # so only their warnings are let through, however verbose we are.
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")

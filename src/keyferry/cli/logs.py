"""
Logs: events on standard error, never on standard output, and never a secret.

`refuse_secrets` stands last before the renderer: an event with a `bytes` value, a `Secret` or a
container that holds one is a mistake in the program, and the log call fails.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from keyferry.crypto.secret import Secret


class SecretInLogError(TypeError):
    """A log call was handed bytes or a Secret."""


def _holds_secret(value: object) -> bool:
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
        if _holds_secret(value):
            raise SecretInLogError(f"event {event.get('event')!r} member {name!r} holds bytes")
    return event


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
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,
        )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *trace,
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

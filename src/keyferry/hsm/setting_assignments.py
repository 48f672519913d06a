"""Settings of a simulated device, as a command line writes them: `name=value`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from keyferry.errors import ConfigurationError

_S = TypeVar("_S", bound=msgspec.Struct)


def apply_assignments(settings: _S, assignments: Iterable[str]) -> _S:
    """
    Return settings with `name=value` texts applied.

    Args:
        settings: a struct whose members are `bool`, `int`, `str` or `frozenset[str]`.
        assignments: in the order they were given; a later one counts.

    Raises:
        ConfigurationError: no such setting, or not one of its values.
    """
    known = {field.name: field.type for field in msgspec.structs.fields(type(settings))}
    changes: dict[str, object] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or name not in known:
            raise ConfigurationError(
                f"setting {assignment[:60]!r}: expected NAME=VALUE of a known setting",
                hint="known settings: " + ", ".join(sorted(known)),
            )
        changes[name] = _value(name, text, known[name])
    return msgspec.structs.replace(settings, **changes)


def _value(name: str, text: str, kind: object) -> object:
    if kind is bool:
        if text.lower() not in ("yes", "no", "true", "false", "on", "off"):
            raise ConfigurationError(f"setting {name}: expected yes or no")
        return text.lower() in ("yes", "true", "on")
    if kind is int:
        if not text.isdecimal():
            raise ConfigurationError(f"setting {name}: expected a number")
        return int(text)
    if kind is str:
        return text
    return frozenset(part.strip().upper() for part in text.split(",") if part.strip())

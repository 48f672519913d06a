"""
Requests and responses as the trail shows them.

Members in lowerCamelCase at every depth, absent ones left out, names of a map's entries unchanged,
instants as `Aug 21, 2025, 6:25:54 PM` (UTC). What the API model marks sensitive is replaced. Only
members the model knows are shown, and only with the type it gives them: a refused request can
hold anything, and what we do not know we cannot judge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from types import ModuleType
from typing import Any

import msgspec

from keyferry.service.wire import control_types
from keyferry.service.wire.constraints import lower_camel
from keyferry.service.wire.shapes import (
    Flag,
    ListOf,
    MapOf,
    Number,
    Shape,
    Structure,
    Text,
    Timestamp,
)

REDACTED = "*** Sensitive Data Redacted ***"

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ABSENT = object()
_Shown = Callable[[Any], Any]


def shown_elements(
    value: msgspec.Struct | Mapping[str, Any], shape: str, *, types: ModuleType = control_types
) -> dict[str, Any] | None:
    """
    Return a request or response as the trail shows it; None if it has no members.

    Args:
        value: of a generated type, or the plain JSON object of a request that was refused before
            it became one.
        shape: its name in the API model, `CreateKeyInput`.
        types: the generated module of the plane; the two have shapes of the same name.
    """
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value, builtin_types=(datetime,))
    shown = _shower(types, shape)(value)
    return shown if shown is not _ABSENT and shown else None


def shown_instant(moment: datetime) -> str:
    """An instant inside the elements: `Aug 21, 2025, 6:25:54 PM`, English whatever the locale."""
    utc = moment.astimezone(UTC)
    hour = utc.hour % 12 or 12
    half = "AM" if utc.hour < 12 else "PM"
    return (
        f"{_MONTHS[utc.month - 1]} {utc.day}, {utc.year}, "
        f"{hour}:{utc.minute:02}:{utc.second:02} {half}"
    )


@cache
def _shower(types: ModuleType, name: str) -> _Shown:
    """How a shape of the model is shown; built once for each."""
    of_name: Shape = types.SHAPES[name]
    match of_name:
        case Structure() as shape:
            return _structure(types, shape, types.SENSITIVE_MEMBERS.get(name, frozenset()))
        case ListOf() as shape:
            return _list(types, shape)
        case MapOf() as shape:
            return _map(types, shape)
        case Text(sensitive=True):
            return lambda _: REDACTED
        case Text():
            return _of_type(str)
        case Number():
            return _of_type(int)
        case Flag():
            return _of_type(bool)
        case Timestamp():
            return _timestamp


def _structure(types: ModuleType, shape: Structure, sensitive: frozenset[str]) -> _Shown:
    # SENSITIVE_MEMBERS names members as Python does; a map can be sensitive as a whole.
    hidden = {name.replace("_", "") for name in sensitive}
    members: list[tuple[str, str, _Shown]] | None = None

    def show(value: Any) -> Any:
        if not isinstance(value, dict):
            return _ABSENT
        nonlocal members
        if members is None:
            # At first use, since shapes may refer to each other in circles; assigned as a whole,
            # since records are made on several threads.
            members = [
                (
                    member,
                    lower_camel(member),
                    (lambda _: REDACTED)
                    if member.lower() in hidden
                    else _shower(types, member_shape),
                )
                for member, member_shape in shape.members.items()
            ]
        shown = {}
        for name, shown_name, shower in members:
            member = value.get(name)
            if member is not None and (part := shower(member)) is not _ABSENT:
                shown[shown_name] = part
        return shown

    return show


def _list(types: ModuleType, shape: ListOf) -> _Shown:
    def show(value: Any) -> Any:
        if not isinstance(value, list):
            return _ABSENT
        shower = _shower(types, shape.member)
        return [part for member in value if (part := shower(member)) is not _ABSENT]

    return show


def _map(types: ModuleType, shape: MapOf) -> _Shown:
    def show(value: Any) -> Any:
        if not isinstance(value, dict):
            return _ABSENT
        shower = _shower(types, shape.value)
        parts = ((str(name), shower(member)) for name, member in value.items())
        return {name: part for name, part in parts if part is not _ABSENT}

    return show


def _of_type(kind: type) -> _Shown:
    return lambda value: value if type(value) is kind else _ABSENT


def _timestamp(value: Any) -> Any:
    return shown_instant(value) if isinstance(value, datetime) else _ABSENT

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
    if (kind := _plain_type(of_name)) is not None:
        return _of_type(kind)
    match of_name:
        case Structure() as shape:
            return _structure(types, shape, types.SENSITIVE_MEMBERS.get(name, frozenset()))
        case ListOf() as shape:
            return _list(types, shape)
        case MapOf() as shape:
            return _map(types, shape)
        case Timestamp():
            return _timestamp
        case _:
            return _redacted  # a sensitive text


def _structure(types: ModuleType, shape: Structure, sensitive: frozenset[str]) -> _Shown:
    # SENSITIVE_MEMBERS names members as Python does; a map can be sensitive as a whole.
    hidden = {name.replace("_", "") for name in sensitive}
    # Wire name → shown name, and the type of what is shown as it is or else how it is shown. Filled
    # at first use, since shapes may refer to each other in circles; assigned as a whole, since
    # records are made on several threads.
    members: dict[str, tuple[str, type | None, _Shown]] | None = None

    def show(value: Any) -> Any:
        if not isinstance(value, dict):
            return _ABSENT
        nonlocal members
        if members is None:
            members = {
                member: (lower_camel(member), None, _redacted)
                if member.lower() in hidden
                else (
                    lower_camel(member),
                    _plain_type(types.SHAPES[member_shape]),
                    _shower(types, member_shape),
                )
                for member, member_shape in shape.members.items()
            }
        shown = {}
        known = members.get
        for name, member in value.items():
            if member is None or (how := known(name)) is None:
                continue
            shown_name, kind, shower = how
            # Most members are plain; a call for each would be half the cost of a record.
            if kind is not None:
                if type(member) is kind:
                    shown[shown_name] = member
            elif (part := shower(member)) is not _ABSENT:
                shown[shown_name] = part
        return shown

    return show


def _plain_type(shape: Shape) -> type | None:
    """The type of a value that is shown as it is, None for any other shape."""
    match shape:
        case Text(sensitive=False):
            return str
        case Number():
            return int
        case Flag():
            return bool
        case _:
            return None


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


def _redacted(_: Any) -> str:
    return REDACTED


def _timestamp(value: Any) -> Any:
    return shown_instant(value) if isinstance(value, datetime) else _ABSENT

"""
Shape validation: what the API model says about a request, enforced before an operation runs.

A checker is compiled once per shape from the generated tables and walks the decoded JSON. Broken
constraints are collected and told together, in the wording of the AWS services:
`2 validation errors detected: Value 'x' at 'keyIdentifier' failed to satisfy constraint: Member
must …; …`. Values the model marks sensitive are never repeated. A value of the wrong JSON type ends
the walk with SerializationError. An explicit null counts as absent and is removed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from keyferry.service.errors import InvalidRequestError, SerializationError
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


class Violation(NamedTuple):
    """One broken constraint."""

    path: str  # lowerCamelCase, dotted
    text: str


# A checker of one value: (value, path of the value, violations found so far).
Check = Callable[[Any, str, list[Violation]], None]

# Enough to correct a request by; a request of a thousand bad tags gets no thousand sentences.
TOLD_VIOLATIONS = 10
ECHOED_CHARACTERS = 200

_INTEGER_MIN, _INTEGER_MAX = -(2**31), 2**31 - 1


class RequestValidator:
    """Checks decoded requests against the shapes of one API model."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self._shapes = shapes
        self._checks: dict[str, Check] = {}

    def validate(self, shape_name: str, document: object) -> None:
        """
        Check a decoded JSON document against the shape `shape_name`, removing nulls from it.

        Raises:
            SerializationError: a value has the wrong JSON type; the message names its path.
            InvalidRequestError: constraints are broken; the message lists them.
        """
        violations: list[Violation] = []
        self._check_of(shape_name)(document, "", violations)
        if violations:
            raise violations_error(violations)

    def _check_of(self, shape_name: str) -> Check:
        check = self._checks.get(shape_name)
        if check is None:
            check = self._compile(self._shapes[shape_name])
            self._checks[shape_name] = check
        return check

    def _compile(self, shape: Shape) -> Check:
        match shape:
            case Text():
                return _text(shape)
            case Number():
                return _number(shape)
            case Flag():
                return _flag
            case Timestamp():
                return _timestamp
            case ListOf():
                return _list(shape, self._check_of(shape.member))
            case MapOf():
                return _map(shape, self._check_of(shape.key), self._check_of(shape.value))
            case Structure():
                return self._structure(shape)

    def _structure(self, shape: Structure) -> Check:
        required = frozenset(shape.required)
        members = [
            (name, lower_camel(name), name in required, self._check_of(member))
            for name, member in shape.members.items()
        ]
        union = shape.union

        def check(value: Any, path: str, violations: list[Violation]) -> None:
            if type(value) is not dict:
                raise wrong_type(path, "an object")
            prefix = f"{path}." if path else ""
            present = 0
            for name, shown, is_required, check_member in members:
                member = value.get(name)
                if member is not None:
                    present += 1
                    check_member(member, prefix + shown, violations)
                    continue
                if name in value:
                    del value[name]
                if is_required:
                    violations.append(violation(prefix + shown, "not be null", value="null "))
            if union and present != 1:
                violations.append(violation(path, f"have exactly one variant set, not {present}"))

        return check


def violation(path: str, constraint: str, *, value: str = "") -> Violation:
    """One broken constraint in words; `value` with a blank behind it, if it may be told."""
    return Violation(
        path, f"Value {value}at '{path}' failed to satisfy constraint: Member must {constraint}"
    )


def violations_error(violations: list[Violation]) -> InvalidRequestError:
    """The error that tells broken constraints together, the count in front."""
    errors = "error" if len(violations) == 1 else "errors"
    told = violations[:TOLD_VIOLATIONS]
    words = "; ".join(broken.text for broken in told)
    return InvalidRequestError(
        f"{len(violations)} validation {errors} detected: {words}",
        fields=tuple((broken.path, broken.text) for broken in told),
    )


def wrong_type(path: str, expected: str) -> SerializationError:
    return SerializationError(f"{path or 'request body'}: expected {expected}")


def lower_camel(name: str) -> str:
    """The member as error messages and audit records spell it: `keyAttributes`."""
    return name[:1].lower() + name[1:]


def _echo(value: str) -> str:
    if len(value) > ECHOED_CHARACTERS:
        value = value[:ECHOED_CHARACTERS] + "…"
    return f"'{value}' "


def _text(shape: Text) -> Check:
    minimum = shape.minimum or 0
    maximum = shape.maximum
    # The model's patterns speak of the whole value, whatever anchors some of them carry.
    fits = re.compile(shape.pattern, re.ASCII).fullmatch if shape.pattern is not None else None
    pattern = shape.pattern
    allowed = frozenset(shape.enum)
    listed = ", ".join(shape.enum)
    sensitive = shape.sensitive

    def check(value: Any, path: str, violations: list[Violation]) -> None:
        if type(value) is not str:
            raise wrong_type(path, "a string")
        if maximum is not None and len(value) > maximum:
            constraint = f"have length less than or equal to {maximum}"
        elif len(value) < minimum:
            constraint = f"have length greater than or equal to {minimum}"
        elif fits is not None and fits(value) is None:
            constraint = f"satisfy regular expression pattern: {pattern}"
        elif allowed and value not in allowed:
            constraint = f"satisfy enum value set: [{listed}]"
        else:
            return
        echo = "" if sensitive else _echo(value)
        violations.append(violation(path, constraint, value=echo))

    return check


def _number(shape: Number) -> Check:
    minimum = _INTEGER_MIN if shape.minimum is None else shape.minimum
    maximum = _INTEGER_MAX if shape.maximum is None else shape.maximum

    def check(value: Any, path: str, violations: list[Violation]) -> None:
        # bool is a subclass of int; type() tells them apart.
        if type(value) is not int or not _INTEGER_MIN <= value <= _INTEGER_MAX:
            raise wrong_type(path, "a 32-bit integer")
        if value < minimum:
            constraint = f"have value greater than or equal to {minimum}"
        elif value > maximum:
            constraint = f"have value less than or equal to {maximum}"
        else:
            return
        violations.append(violation(path, constraint, value=f"'{value}' "))

    return check


def _flag(value: Any, path: str, violations: list[Violation]) -> None:  # noqa: ARG001 (a Check)
    if value is not True and value is not False:
        raise wrong_type(path, "a boolean")


def _timestamp(value: Any, path: str, violations: list[Violation]) -> None:  # noqa: ARG001 (a Check)
    if type(value) not in (int, float):
        raise wrong_type(path, "epoch seconds")


def _list(shape: ListOf, check_member: Check) -> Check:
    def check(value: Any, path: str, violations: list[Violation]) -> None:
        if type(value) is not list:
            raise wrong_type(path, "a list")
        if _breaks_size(len(value), shape, path, violations):
            return
        for position, member in enumerate(value, start=1):
            place = f"{path}.{position}.member"
            if member is None:
                violations.append(violation(place, "not be null", value="null "))
            else:
                check_member(member, place, violations)

    return check


def _map(shape: MapOf, check_key: Check, check_value: Check) -> Check:
    def check(value: Any, path: str, violations: list[Violation]) -> None:
        if type(value) is not dict:
            raise wrong_type(path, "an object")
        if _breaks_size(len(value), shape, path, violations):
            return
        # Members are named by position: a key of the map may itself be sensitive.
        for position, (key, member) in enumerate(value.items(), start=1):
            check_key(key, f"{path}.{position}.key", violations)
            if member is None:
                violations.append(
                    violation(f"{path}.{position}.value", "not be null", value="null ")
                )
            else:
                check_value(member, f"{path}.{position}.value", violations)

    return check


def _breaks_size(size: int, shape: ListOf | MapOf, path: str, violations: list[Violation]) -> bool:
    if shape.maximum is not None and size > shape.maximum:
        constraint = f"have length less than or equal to {shape.maximum}"
    elif shape.minimum is not None and size < shape.minimum:
        constraint = f"have length greater than or equal to {shape.minimum}"
    else:
        return False
    violations.append(violation(path, constraint))
    return True

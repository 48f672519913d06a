"""How data operations refuse a parameter: member and rule, never the value."""

from __future__ import annotations

from keyferry.service.errors import InvalidRequestError
from keyferry.service.wire.constraints import lower_camel


def refused(member: str, expected: str) -> InvalidRequestError:
    """The error that names a member of the request and what was expected of it."""
    text = f"{member}: {expected}"
    return InvalidRequestError(text, fields=((lower_camel(member), expected),))

"""
AWS JSON 1.0: bodies to request types and back.

Decoding is in three steps, because the services tell every broken constraint at once and a typed
decoder stops at the first: JSON to plain objects, the walk of `constraints.py`, plain objects to
the request type.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from keyferry.service.errors import SerializationError
from keyferry.service.wire.constraints import RequestValidator

CONTENT_TYPE = b"application/x-amz-json-1.0"

Request = TypeVar("Request", bound=msgspec.Struct)

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def decode_document(body: bytes) -> dict[str, Any]:
    """Read a JSON object; an empty body is `{}`. SerializationError if it is anything else."""
    if not body:
        return {}
    try:
        document = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # msgspec's words name a byte position, not the content.
        words = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise SerializationError(f"the request body is not JSON: {words}") from None
    if type(document) is not dict:
        raise SerializationError("request body: expected an object")
    return document


def typed_request(
    document: dict[str, Any], request_type: type[Request], validator: RequestValidator
) -> Request:
    """
    Make the request of an operation from a decoded body, removing nulls from `document`.

    Raises:
        SerializationError: a member of the wrong JSON type.
        InvalidRequestError: a constraint of the API model is broken.
    """
    validator.validate(request_type.__name__, document)
    return msgspec.convert(document, request_type)


def encode_response(response: msgspec.Struct) -> bytes:
    """Write a response: timestamps as epoch seconds with milliseconds, absent members left out."""
    plan = _timestamps_of(type(response))
    if plan is None:
        return _encode(response)
    document = msgspec.to_builtins(response, builtin_types=(datetime,))
    _write_timestamps(document, plan)
    return _encode(document)


def encode_document(document: Mapping[str, Any]) -> bytes:
    """Write a JSON object that has no type of its own, such as an error."""
    return _encode(document)


def epoch_seconds(moment: datetime) -> float:
    """A timestamp as the API writes it: seconds since 1970 with a precision of milliseconds."""
    if moment.tzinfo is None:
        raise ValueError("a timestamp without a time zone")
    return round(moment.timestamp(), 3)


# Where the timestamps of a type are: wire name of a member → None (it is one) or the plan of what
# it holds. Computed once per type.
_Plan = dict[str, "_Plan | None"]
_PLANS: dict[type[msgspec.Struct], _Plan | None] = {}


def _timestamps_of(struct: type[msgspec.Struct]) -> _Plan | None:
    if struct not in _PLANS:
        plan: _Plan = {}
        for member in msgspec.structs.fields(struct):
            for kind in _kinds(member.type):
                if kind is datetime:
                    plan[member.encode_name] = None
                elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                    inner = _timestamps_of(kind)
                    if inner is not None:
                        plan[member.encode_name] = inner
        _PLANS[struct] = plan or None
    return _PLANS[struct]


def _kinds(annotation: Any) -> list[Any]:
    """The types inside `X | None`, `list[X]` and `dict[str, X]`."""
    arguments = typing.get_args(annotation)
    if not arguments:
        return [annotation]
    return [kind for argument in arguments for kind in _kinds(argument)]


def _write_timestamps(value: Any, plan: _Plan) -> None:
    if isinstance(value, list):
        for member in value:
            _write_timestamps(member, plan)
        return
    for name, inner in plan.items():
        member = value.get(name)
        if member is None:
            continue
        if inner is None:
            value[name] = epoch_seconds(member)
        else:
            _write_timestamps(member, inner)

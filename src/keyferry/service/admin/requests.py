"""
How an admin request is read: JSON to its type, refused with the API's own errors.

The AWS operations have generated types and constraint tables; these few are written by hand, with
their limits in the types.
"""

from __future__ import annotations

import re
import typing
from functools import cache

import msgspec

from keyferry.service.errors import InvalidRequestError, SerializationError
from keyferry.service.operation import Operation
from keyferry.service.wire.json10 import decode_document

# msgspec tells a broken limit as "Expected `int` >= 0 - at `$.After`", a wrong type as
# "Expected `int`, got `str` - at `$.After`".
_WRONG_TYPE = re.compile(r"Expected `[^`]+`, got ")


@cache
def _request_type(operation: Operation) -> type[msgspec.Struct]:
    """The type an operation's function declares for its `request`."""
    declared = typing.get_type_hints(operation.function)["request"]
    if not issubclass(declared, msgspec.Struct):
        raise TypeError(f"{operation.name} declares no request type")
    return declared


def decode_admin_request(body: bytes, operation: Operation) -> msgspec.Struct:
    """
    Read the body of a call of `operation`; unknown members are ignored, null counts as absent.

    Raises:
        SerializationError: not a JSON object, or a member of the wrong JSON type.
        InvalidRequestError: a member is missing or out of its limits.
    """
    document = {name: value for name, value in decode_document(body).items() if value is not None}
    try:
        return msgspec.convert(document, _request_type(operation))
    except msgspec.ValidationError as error:
        if _WRONG_TYPE.match(str(error)):
            raise SerializationError(f"request body: {error}") from None
        raise InvalidRequestError(f"1 validation error detected: {error}") from None

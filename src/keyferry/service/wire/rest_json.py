"""
REST-JSON 1.x, as the data plane speaks it: paths to operations, bodies to requests, errors back.

A key identifier in the path is one segment of the raw, still percent-encoded path: clients encode
the slashes and colons of an ARN, and whoever decoded them before routing would find other segments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from keyferry.service.errors import SerializationError
from keyferry.service.wire import json10
from keyferry.service.wire.constraints import RequestValidator, lower_camel
from keyferry.service.wire.errors import APIError
from keyferry.service.wire.http import HTTPResponse
from keyferry.service.wire.shapes import OperationShape
from keyferry.service.wire.strict_types import StrictTypes

CONTENT_TYPE = b"application/json"

# Statuses of the data plane's exceptions; 400 for those that are not listed.
_STATUSES = {
    "AccessDeniedException": 403,
    "ResourceNotFoundException": 404,
    "ThrottlingException": 429,
    "UnknownOperationException": 404,
    # What the front of every REST service of AWS answers to a signature that does not hold.
    "IncompleteSignatureException": 403,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "UnrecognizedClientException": 403,
}


@dataclass(frozen=True, slots=True)
class RESTOperation:
    """One operation of a REST-JSON API: how its path looks and its request is read."""

    name: str
    shape: OperationShape
    in_path: str | None  # the member that travels in the path, by its wire name
    decode: Callable[[bytes], msgspec.Struct]  # strictly; msgspec's errors
    convert: Callable[[dict[str, Any]], msgspec.Struct]  # the same from a decoded body


class RESTProtocol:
    """The operations of one API model, by path."""

    def __init__(self, generated: ModuleType) -> None:
        """`generated` is a module of types with SHAPES and OPERATIONS."""
        self._validator = RequestValidator(generated.SHAPES)
        strict = StrictTypes(generated)
        operations: Mapping[str, OperationShape] = generated.OPERATIONS
        self._fixed: dict[bytes, RESTOperation] = {}
        # (first segment, last segment) → the operation whose middle segment is a member.
        self._with_member: dict[tuple[bytes, bytes], RESTOperation] = {}
        for name, shape in operations.items():
            request_type = strict.of(shape.input.__name__)
            operation = RESTOperation(
                name,
                shape,
                shape.in_uri[0] if shape.in_uri else None,
                msgspec.json.Decoder(request_type).decode,
                _converter(request_type),
            )
            if operation.in_path is None:
                self._fixed[shape.uri.encode()] = operation
                continue
            _, first, _, last = shape.uri.encode().split(b"/")
            self._with_member[first, last] = operation

    def route(self, path: bytes) -> tuple[RESTOperation, bytes | None] | None:
        """
        Return the operation of a raw path and the member in it, still encoded; None if it is no
        path of the API.
        """
        operation = self._fixed.get(path)
        if operation is not None:
            return operation, None
        parts = path.split(b"/")
        if len(parts) != 4 or parts[0] or not parts[2]:
            return None
        operation = self._with_member.get((parts[1], parts[3]))
        return None if operation is None else (operation, parts[2])

    def read(self, operation: RESTOperation, member: bytes | None, body: bytes) -> msgspec.Struct:
        """
        Make the typed request of an operation.

        Args:
            operation, member: as `route` returned them.
            body: as it arrived.

        Raises:
            SerializationError: the body is no JSON object, or a member has the wrong JSON type.
            InvalidRequestError: constraints of the API model are broken.
        """
        try:
            if member is None:
                return operation.decode(body)
            return operation.convert(self.document(operation, member, body))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            # Once more, slowly, for the words; a request the walk accepts after all is taken.
            document = self.document(operation, member, body)
            return json10.typed_request(document, operation.shape.input, self._validator)

    @staticmethod
    def document(operation: RESTOperation, member: bytes | None, body: bytes) -> dict[str, Any]:
        """
        Return the request as a plain JSON object, what travels in the path among its members.

        Raises:
            SerializationError: the body is no JSON object, or the path is not UTF-8.
        """
        document = json10.decode_document(body)
        if operation.in_path is not None and member is not None:
            try:
                document[operation.in_path] = unquote_to_bytes(member).decode()
            except UnicodeDecodeError:
                raise SerializationError(
                    f"{lower_camel(operation.in_path)}: the path is not UTF-8"
                ) from None
        return document


def error_response(error: APIError, request_id: str, *, close: bool = False) -> HTTPResponse:
    """The whole answer to a refused request; the connection is closed after it if `close`."""
    document: dict[str, Any]
    if error.resource_id is not None:
        document = {"ResourceId": error.resource_id}
    elif error.code.reason is not None:
        document = {"Reason": error.code.reason, "Message": error.message}
    elif error.name == "ValidationException":
        # The one exception of this API whose text is in a member of lower case.
        document = {"message": error.message}
        if error.fields:
            document["fieldList"] = [
                {"path": path, "message": message} for path, message in error.fields
            ]
    else:
        document = {"message" if error.code.generic else "Message": error.message}
    return HTTPResponse(
        status=_STATUSES.get(error.name, error.code.status),
        body=json10.encode_document(document),
        content_type=CONTENT_TYPE,
        request_id=request_id,
        close=close,
        error_type=error.name.encode("ascii"),
    )


def _converter(request_type: type[msgspec.Struct]) -> Callable[[dict[str, Any]], msgspec.Struct]:
    def convert(document: dict[str, Any]) -> msgspec.Struct:
        return msgspec.convert(document, request_type)

    return convert

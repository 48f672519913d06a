"""From the bytes of a request to the operation they name, and to its typed request."""

from __future__ import annotations

import functools
import importlib
import pkgutil
import re
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from keyferry.service.authz.principal import Principal
from keyferry.service.authz.roles import AWS_API, check_api_role
from keyferry.service.errors import AccessDeniedError, SerializationError, UnknownOperationError
from keyferry.service.operation import ADMIN, CONTROL, Operation
from keyferry.service.wire import control_types, json10
from keyferry.service.wire.constraints import RequestValidator
from keyferry.service.wire.http import HTTPRequest

CONTROL_TARGET = "PaymentCryptographyControlPlane"
ADMIN_TARGET = "KeyferryAdmin"

_TARGET = re.compile(r"([A-Za-z]+)\.([A-Za-z0-9]{1,64})")
_VALIDATOR = RequestValidator(control_types.SHAPES)


def register_operations() -> None:
    """Import every module that registers operations; what is not imported would not be served."""
    for room in ("keyferry.service.control", "keyferry.service.data", "keyferry.service.admin"):
        package = importlib.import_module(room)
        for module in pkgutil.walk_packages(package.__path__, f"{room}."):
            importlib.import_module(module.name)


@dataclass(frozen=True, slots=True)
class Route:
    """An operation of this build, and how its request is read."""

    operation: Operation
    read: Callable[[dict[str, Any]], msgspec.Struct]  # from the decoded body
    errors: frozenset[str] | None  # the exceptions the API model declares for it
    control: bool  # of the AWS API, so that its request and response have shapes


def asked_operation(request: HTTPRequest) -> str | None:
    """The operation of the AWS API the request names, whether this build has it or not."""
    plane, _, name = (request.text(b"x-amz-target") or "").partition(".")
    return name if plane == CONTROL_TARGET and name in control_types.OPERATIONS else None


def find_route(request: HTTPRequest) -> Route:
    """
    The operation the request asks for.

    Raises:
        UnknownOperationError: the API has no such operation, or this build does not have it.
    """
    target = request.text(b"x-amz-target")
    if target is None:
        raise UnknownOperationError("the header X-Amz-Target is missing")
    match = _TARGET.fullmatch(target)
    route = _route(match[1], match[2]) if match is not None else None
    if route is None:
        name = match[2] if match is not None else "of X-Amz-Target"
        raise UnknownOperationError(f"the operation {name} is not known to this service")
    return route


def check_role(route: Route, principal: Principal) -> None:
    """
    Refuse a principal without the role an operation needs.

    Raises:
        AccessDeniedError: the operation is for administrators, or for users, and this is none.
    """
    if route.control or route.operation.for_users:
        service = AWS_API if route.control else ADMIN_TARGET
        check_api_role(principal, route.operation.name, service=service)
        return
    if principal.may_administer:
        return
    raise AccessDeniedError(
        f"{principal.arn} is not authorized to perform {ADMIN_TARGET}:{route.operation.name}",
        hint='give its access key role = "admin" in the credentials file',
    )


@functools.cache  # what can be asked with success is bounded; what cannot is not kept
def _known_route(plane: str, name: str) -> Route:
    if plane == CONTROL_TARGET:
        operation = CONTROL.get(name)
        if operation is not None:
            shape = control_types.OPERATIONS[name]
            read = functools.partial(
                json10.typed_request, request_type=shape.input, validator=_VALIDATOR
            )
            return Route(operation, read, shape.errors, control=True)
    elif plane == ADMIN_TARGET:
        operation = ADMIN.get(name)
        if operation is not None:
            request_type = typing.get_type_hints(operation.function)["request"]
            read = functools.partial(_read_admin, request_type)
            return Route(operation, read, None, control=False)
    raise LookupError(name)


def _route(plane: str, name: str) -> Route | None:
    try:
        return _known_route(plane, name)
    except LookupError:
        return None


def _read_admin(request_type: type[msgspec.Struct], document: dict[str, Any]) -> msgspec.Struct:
    """Requests of the admin targets are our own types; msgspec's words name path and type."""
    present = {name: value for name, value in document.items() if value is not None}
    try:
        return msgspec.convert(present, request_type)
    except msgspec.ValidationError as error:
        raise SerializationError(f"request body: {error}") from None

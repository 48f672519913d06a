"""
The register of operations: API name to function.

An operation is `async def (context, request) -> response` over the generated types. It is
registered once, under its API name; a name of the API that nobody registered answers
UnknownOperationException.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from keyferry.service.admin.context import AdminContext
from keyferry.service.context import Context
from keyferry.service.data.context import DataContext

CallContext = TypeVar("CallContext")
Request = TypeVar("Request", bound=msgspec.Struct)
Response = TypeVar("Response", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the API and how the app treats it."""

    name: str
    function: Callable[[Any, Any], Awaitable[msgspec.Struct]]
    read_only: bool  # CloudTrail's readOnly; a read is audited through the queue
    for_users: bool = False  # of the admin target: whether a principal needs no role for it


class OperationRegistry(Generic[CallContext]):
    """The operations of one plane."""

    def __init__(self) -> None:
        self._operations: dict[str, Operation] = {}

    def operation(
        self, name: str, *, read_only: bool = False, for_users: bool = False
    ) -> Callable[
        [Callable[[CallContext, Request], Awaitable[Response]]],
        Callable[[CallContext, Request], Awaitable[Response]],
    ]:
        """Register the decorated function as API operation `name`."""

        def register(
            function: Callable[[CallContext, Request], Awaitable[Response]],
        ) -> Callable[[CallContext, Request], Awaitable[Response]]:
            if name in self._operations:
                raise ValueError(f"operation {name} is registered twice")
            self._operations[name] = Operation(name, function, read_only, for_users)
            return function

        return register

    def get(self, name: str) -> Operation | None:
        return self._operations.get(name)

    def names(self) -> frozenset[str]:
        return frozenset(self._operations)


CONTROL = OperationRegistry[Context]()
DATA = OperationRegistry[DataContext]()
# X-Amz-Target: KeyferryAdmin.<Operation>, not part of the AWS API.
ADMIN = OperationRegistry[AdminContext]()

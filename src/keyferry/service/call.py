"""One signed call on its way through the service: its context, its audit record, its log line."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from keyferry.service.audit import Caller, api_call
from keyferry.service.authz.principal import Principal
from keyferry.service.context import Context, Limits, Offload, Peers
from keyferry.service.operation import Operation
from keyferry.service.region import Region
from keyferry.service.rules import STRICT, Rules
from keyferry.service.store.interface import Transaction
from keyferry.service.store.records import AuditRecord
from keyferry.service.wire.errors import APIError

T = TypeVar("T")


def new_id() -> str:
    """A random UUID, version 4; as text it takes a third of the time of the library's."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


class RequestIds:
    """
    Ids of requests by the thousand: a random UUID whose last twelve digits count on.

    They are unique as random ones are; that the next one can be guessed is of no use to anyone.
    """

    __slots__ = ("_count", "_prefix")

    def __init__(self) -> None:
        first = new_id()
        self._prefix = first[:24]
        # From anywhere, but with room to count in.
        self._count = itertools.count(int(first[24:], 16) >> 1)

    def next(self) -> str:
        return f"{self._prefix}{next(self._count):012x}"


@dataclass(slots=True, kw_only=True)
class Call:
    """
    A call whose signature was verified.

    It is audited once: a change within its own transaction, everything else through the Region's
    queue. `operation`, `document` and `request` become known as the call is understood.
    """

    region: Region
    principal: Principal
    caller: Caller
    request_id: str
    now: datetime
    operation_name: str | None = None  # None while the request names no operation of the API
    operation: Operation | None = None
    in_model: bool = True  # of the AWS API; the admin targets have no shapes to audit
    document: dict[str, Any] | None = None
    request: msgspec.Struct | None = None
    # Called when something for other Regions was committed.
    wake: Callable[[], None] = lambda: None
    _recorded: bool = field(default=False, init=False)

    def context(
        self, *, offload: Offload, limits: Limits, peers: Peers, rules: Rules = STRICT
    ) -> Context:
        """What the operation gets."""
        return Context(
            region=self.region.name,
            principal=self.principal,
            request_id=self.request_id,
            now=self.now,
            store=self.region.store,
            vault=self.region.vault,
            offload=offload,
            limits=limits,
            peers=peers,
            rules=rules,
            write=self.write,
        )

    async def write(
        self, change: Callable[[Transaction], T], about: Collection[tuple[str, str]] = ()
    ) -> T:
        """
        Run a change of the operation and record its answer in the same transaction.

        A change that returns no answer (a certificate authority made on the way, say) is a step
        of the call, not the call, and leaves no record. `about`: see
        KeyStore.write.
        """

        to_send = False

        def audited(tx: Transaction) -> T:
            nonlocal to_send
            answer = change(tx)
            to_send = tx.outbox_written
            if isinstance(answer, msgspec.Struct):
                tx.append_audit(self._record(answer, None))
            return answer

        answer = await self.region.store.write(audited, about=about)
        if isinstance(answer, msgspec.Struct):
            self._recorded = True
        if to_send:
            self.wake()
        return answer

    def finish(self, response: msgspec.Struct | None, error: APIError | None) -> None:
        """Record a call that no change has recorded yet."""
        if self._recorded or self.operation_name is None:
            return
        if not self.in_model and self.operation is not None and self.operation.read_only:
            return  # whoever follows the trail would read of nothing but that
        self.region.audit.put(self._record(response, error))

    def _record(self, response: msgspec.Struct | None, error: APIError | None) -> AuditRecord:
        name = self.operation_name
        if name is None:
            raise ValueError("a call without an operation has no record")
        return api_call(
            operation=name,
            read_only=self.operation is not None and self.operation.read_only,
            request=(self.request or self.document) if self.in_model else None,
            response=response if self.in_model else None,
            error=None if error is None else (error.name, error.message),
            region=self.region.name,
            principal=self.principal,
            caller=self.caller,
            request_id=self.request_id,
            event_id=new_id(),
            now=self.now,
        )

    def key_of(self, response: msgspec.Struct | None) -> str | None:
        """The key the call was about, for the log: its ARN, or the alias it was named by."""
        key = getattr(response, "key", None)
        if key is not None:
            return str(key.key_arn)
        for member in ("key_identifier", "export_key_identifier", "resource_arn", "key_arn"):
            value = getattr(self.request, member, None)
            if isinstance(value, str):
                return value
        return None

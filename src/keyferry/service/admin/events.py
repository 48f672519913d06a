"""Reading the trail: `KeyferryAdmin.ListEvents`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from keyferry.service.context import Context
from keyferry.service.operation import ADMIN

MAX_RESULTS = 1000


class ListEventsInput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """Events behind a position, which an earlier answer gave; 0 starts at the oldest."""

    after: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    max_results: Annotated[int, msgspec.Meta(ge=1, le=MAX_RESULTS)] = 100


class ListEventsOutput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """Events in order of writing, as they were written; `position` is that of the last."""

    events: list[msgspec.Raw]
    position: int


@ADMIN.operation("ListEvents", read_only=True)
async def list_events(context: Context, request: ListEventsInput) -> ListEventsOutput:
    """The events of the caller's own account; an empty list at the end, with the same position."""
    found = context.store.audit_events(
        context.account, after=request.after, limit=request.max_results
    )
    return ListEventsOutput(
        events=[msgspec.Raw(record.body) for _, record in found],
        position=found[-1][0] if found else request.after,
    )

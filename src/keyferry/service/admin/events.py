"""Reading the trail: `KeyferryAdmin.ListEvents`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from keyferry.service.context import Context
from keyferry.service.operation import ADMIN

MAX_RESULTS = 1000


class ListEventsInput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """
    Events behind a position, which an earlier answer gave; 0 starts at the oldest.

    Without `After` the newest are meant, as many as `MaxResults` says.
    """

    after: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    max_results: Annotated[int, msgspec.Meta(ge=1, le=MAX_RESULTS)] = 100


class ListEventsOutput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """Events in order of writing, as they were written; `position` is that of the last."""

    events: list[msgspec.Raw]
    position: int


@ADMIN.operation("ListEvents", read_only=True, for_users=True)
async def list_events(context: Context, request: ListEventsInput) -> ListEventsOutput:
    """The events of the caller's own account; an empty list at the end, with the same position."""
    limit = request.max_results
    if request.after is None:
        found = context.store.newest_audit_events(context.account, limit=limit)
    else:
        found = context.store.audit_events(context.account, after=request.after, limit=limit)
    return ListEventsOutput(
        events=[msgspec.Raw(record.body) for _, record in found],
        position=found[-1][0] if found else request.after or 0,
    )

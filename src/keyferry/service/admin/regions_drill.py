"""
Cutting two Regions off from each other for a drill, and the canary that shows when they are not:
`KeyferryAdmin.CutRegion`, `RestoreRegion` and `ProbeCanary`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec

from keyferry.errors import KeyferryError
from keyferry.service import log
from keyferry.service.admin.context import AdminContext
from keyferry.service.admin.region_pairs import find_link
from keyferry.service.audit import service_event
from keyferry.service.call import new_id
from keyferry.service.errors import InvalidRequestError
from keyferry.service.operation import ADMIN
from keyferry.service.replication.rehearsal.cuts import LONGEST_CUT, begin_cut, end_cut
from keyferry.service.store.interface import Transaction

CUT_EVENT, RESTORE_EVENT = "CutMultiRegionReplication", "RestoreMultiRegionReplication"

_Region = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_Seconds = Annotated[int, msgspec.Meta(ge=1, le=int(LONGEST_CUT.total_seconds()))]
_Patience = Annotated[float, msgspec.Meta(gt=0, le=30)]


class CutRegionInput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """Nothing passes between the Region of the call and the peer, in neither direction."""

    peer: _Region
    seconds: _Seconds = 60


class CutRegionOutput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """When the cut ends by itself, and whether one was in force already."""

    peer: str
    until: float  # seconds since the epoch
    continued: bool


class RestoreRegionInput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """The Region of the call and the peer may talk to each other again."""

    peer: _Region


class RestoreRegionOutput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """Whether a cut was in force until now."""

    peer: str
    ended: bool


class ProbeCanaryInput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """Send a canary to the peer now, and wait so many seconds for the proof that it arrived."""

    peer: _Region
    timeout: _Patience = 10.0


class ProbeCanaryOutput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """Whether it arrived; the lag in seconds, or why not."""

    peer: str
    proven: bool
    change_number: int | None = None
    lag: float | None = None
    reason: str = ""


@ADMIN.operation("CutRegion")
async def cut_region(context: AdminContext, request: CutRegionInput) -> CutRegionOutput:
    """Cut the Region off from a peer, or have a cut that is in force last longer."""
    find_link(context, request.peer)

    def change(tx: Transaction) -> CutRegionOutput:
        cut, held = begin_cut(
            tx,
            request.peer,
            lasts=timedelta(seconds=request.seconds),
            started_by=context.principal.arn,
            now=context.now,
        )
        if not held:
            _record(context, tx, CUT_EVENT, request.peer, until=cut.ends_at.isoformat())
        return CutRegionOutput(peer=request.peer, until=cut.ends_at.timestamp(), continued=held)

    answer = await context.write(change)
    if not answer.continued:
        log.warning(
            "region_cut_off",
            region=context.region,
            peer=request.peer,
            seconds=request.seconds,
            by=context.principal.arn,
        )
    return answer


@ADMIN.operation("RestoreRegion")
async def restore_region(context: AdminContext, request: RestoreRegionInput) -> RestoreRegionOutput:
    """End a cut before it ends by itself; that there is none is no error."""
    link = find_link(context, request.peer)

    def change(tx: Transaction) -> RestoreRegionOutput:
        ended = end_cut(tx, request.peer, now=context.now)
        if ended:
            _record(context, tx, RESTORE_EVENT, request.peer)
        return RestoreRegionOutput(peer=request.peer, ended=ended)

    answer = await context.write(change)
    if answer.ended:
        log.info("region_restored", region=context.region, peer=request.peer)
    link.wake()
    return answer


@ADMIN.operation("ProbeCanary")
async def probe_canary(context: AdminContext, request: ProbeCanaryInput) -> ProbeCanaryOutput:
    """Send the canary of the pair once, whoever looks after it otherwise."""
    canary = context.replication.canaries.get((context.region, request.peer))
    if canary is None:
        find_link(context, request.peer)
        raise InvalidRequestError(f"there is no canary for {request.peer}")
    try:
        found = await canary.round(timeout_s=request.timeout)
    except KeyferryError as error:
        return ProbeCanaryOutput(peer=request.peer, proven=False, reason=str(error))
    if found is None:
        raise ValueError("a canary that was not claimed was left to another process")
    return ProbeCanaryOutput(
        peer=request.peer,
        proven=True,
        change_number=found.change_number,
        lag=found.lag_s,
    )


def _record(context: AdminContext, tx: Transaction, event: str, peer: str, **details: str) -> None:
    tx.append_audit(
        service_event(
            event_name=event,
            details={"replicationRegion": peer, "requestedBy": context.principal.arn} | details,
            account=context.account,
            region=context.region,
            event_id=new_id(),
            now=context.now,
        )
    )

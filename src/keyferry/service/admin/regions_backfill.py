"""
Replicating keys that are there already: `KeyferryAdmin.PlanBackfill`, `Backfill` and
`DescribeReplicaQuota`.

Whoever asks goes on from the place the last answer gave, so that a call is short however many keys
there are, and one that was interrupted is simply asked again.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import msgspec

from keyferry.service import log
from keyferry.service.admin.context import AdminContext
from keyferry.service.admin.region_pairs import find_link, sender_of
from keyferry.service.control.replication_regions import check_regions
from keyferry.service.errors import InvalidRequestError
from keyferry.service.operation import ADMIN
from keyferry.service.replication import backfill as core
from keyferry.service.replication import messages as m

_Region = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_Account = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{12}\Z")]
_Limit = Annotated[int, msgspec.Meta(ge=1, le=2**53)]


class Place(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """Where to go on: behind an alias (`Alias`), or behind a key (`Position`)."""

    account: Annotated[str, msgspec.Meta(max_length=12)]
    alias: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    position: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None


class PlanBackfillInput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """Count what `Backfill` would do; of one account, or of all."""

    to: _Region
    account: _Account | None = None
    after: Place | None = None


class BackfillInput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """Add the Region `To` to keys that could have it, `Limit` at most."""

    to: _Region
    account: _Account | None = None
    after: Place | None = None
    limit: _Limit = 2**53


class AccountCounts(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """Keys of one account. `LeftOut` has a number for each reason."""

    account: str
    added: int
    retried: int
    present: int
    left_out: dict[str, int]
    aliases: int  # sent
    tags: int  # keys whose tags are sent, beside those of keys that are added


class FailedKey(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """A key that could not be written, and why."""

    key_arn: str
    reason: str


class BackfillOutput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """
    What this call did or counted. `Next` is where to go on; absent at the end.

    `Waiting` and `Held` are all changes for the Region, whoever made them.
    """

    accounts: list[AccountCounts]
    failed: list[FailedKey]
    waiting: int
    held: int
    next: Place | None = None


class DescribeReplicaQuotaInput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """Ask the Region `To` how many keys an account has there, and may have."""

    to: _Region
    account: _Account


class DescribeReplicaQuotaOutput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """Absent numbers are unlimited."""

    keys: int
    key_limit: int | None = None
    room: int | None = None


@ADMIN.operation("PlanBackfill", read_only=True)
async def plan_backfill(context: AdminContext, request: PlanBackfillInput) -> BackfillOutput:
    """Count, and change nothing."""
    backfill = _backfill(context, request.to, request.account)
    place = await _place(context, backfill, request.after)
    progress = core.Progress(None) if place is None else await backfill.plan(place)
    return await _answer(context, backfill, progress)


@ADMIN.operation("Backfill")
async def run_backfill(context: AdminContext, request: BackfillInput) -> BackfillOutput:
    """Do some of it. Users' own changes go on being replicated meanwhile."""
    backfill = _backfill(context, request.to, request.account)
    place = await _place(context, backfill, request.after)
    progress = (
        core.Progress(None) if place is None else await backfill.run(place, limit=request.limit)
    )
    if progress.changed:
        log.info(
            "replication_backfilled",
            region=context.region,
            peer=request.to,
            keys=progress.changed,
            by=context.principal.arn,
        )
    return await _answer(context, backfill, progress)


@ADMIN.operation("DescribeReplicaQuota", read_only=True)
async def describe_replica_quota(
    context: AdminContext, request: DescribeReplicaQuotaInput
) -> DescribeReplicaQuotaOutput:
    """The peer's own answer, over the way replication takes."""
    link = find_link(context, request.to)
    asked = m.encode(m.DescribeQuotaInput(account=request.account))
    answer = m.decode(await link.transport.call(m.DESCRIBE_QUOTA, asked), m.DescribeQuotaOutput)
    limit = answer.key_limit
    return DescribeReplicaQuotaOutput(
        keys=answer.keys,
        key_limit=limit,
        room=None if limit is None else max(0, limit - answer.keys),
    )


def _backfill(context: AdminContext, to: str, account: str | None) -> core.Backfill:
    find_link(context, to)
    check_regions(context, [to])
    return core.Backfill(
        region=context.region,
        to=to,
        store=context.store,
        sender=sender_of(context),
        offload=context.offload,
        wake=partial(context.replication.wake, context.region),
        account=account,
    )


async def _place(
    context: AdminContext, backfill: core.Backfill, after: Place | None
) -> core.Place | None:
    if after is None:
        return await context.offload(backfill.start)
    if (after.alias is None) == (after.position is None):
        raise InvalidRequestError("After: expected either Alias or Position")
    if after.alias is not None:
        return core.AliasPlace(after.account, after.alias)
    return core.KeyPlace(after.account, after.position or 0)


async def _answer(
    context: AdminContext, backfill: core.Backfill, progress: core.Progress
) -> BackfillOutput:
    backlog = await context.offload(partial(context.store.outbox_backlog, backfill.to))
    return BackfillOutput(
        accounts=[
            AccountCounts(
                account=account,
                added=counts.verdicts[core.Verdict.ADD],
                retried=counts.verdicts[core.Verdict.RETRY],
                present=counts.verdicts[core.Verdict.PRESENT],
                left_out={
                    verdict.value: count
                    for verdict, count in sorted(counts.verdicts.items())
                    if verdict.is_left_out
                },
                aliases=counts.aliases,
                tags=counts.tags,
            )
            for account, counts in sorted(progress.accounts.items())
        ],
        failed=[
            FailedKey(key_arn=context.key_arn(one.key_id, one.account), reason=one.reason)
            for one in progress.failed
        ],
        waiting=backlog.waiting,
        held=backlog.held,
        next=_shown(progress.place),
    )


def _shown(place: core.Place | None) -> Place | None:
    match place:
        case core.AliasPlace(account, name):
            return Place(account=account, alias=name)
        case core.KeyPlace(account, position):
            return Place(account=account, position=position)
        case None:
            return None

"""Changes that were given up: `KeyferryAdmin.ListDeadLetters` and `ReplayDeadLetters`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import msgspec

from keyferry.service.admin.context import AdminContext
from keyferry.service.admin.region_pairs import find_link
from keyferry.service.operation import ADMIN
from keyferry.service.replication.outbox_rows import release_row
from keyferry.service.store.inspection_records import KeyName
from keyferry.service.store.interface import Transaction
from keyferry.service.store.replication_records import OutboxRecord, ReplicaStatus

MAX_RESULTS = 500

_Region = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_Subject = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]


class Position(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """A place in the order of all."""

    account: Annotated[str, msgspec.Meta(max_length=12)]
    subject: _Subject


class ListDeadLettersInput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """What was given up for a peer, behind `After`; or of one key or alias."""

    peer: _Region
    subject: _Subject | None = None
    after: Position | None = None
    max_results: Annotated[int, msgspec.Meta(ge=1, le=MAX_RESULTS)] = MAX_RESULTS


class DeadLetter(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """A change nobody tries any more. `Subject` is a key id or an alias."""

    account: str
    subject: str
    change_number: int
    attempts: int
    age: float  # seconds since the change
    message: str


class ListDeadLettersOutput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """In the order of accounts and subjects. `Next` is where the next page begins."""

    dead_letters: list[DeadLetter]
    next: Position | None = None


class ReplayDeadLettersInput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """Try again what was given up for a peer: all, or one key or alias."""

    peer: _Region
    subject: _Subject | None = None


class ReplayDeadLettersOutput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """How many changes are tried again."""

    replayed: int


@ADMIN.operation("ListDeadLetters", read_only=True)
async def list_dead_letters(
    context: AdminContext, request: ListDeadLettersInput
) -> ListDeadLettersOutput:
    """What was given up for a peer, and why. The peer need not be one any more."""
    store, after = context.store, request.after

    def read() -> list[DeadLetter]:
        if request.subject is not None:
            rows = store.outbox_held_of_key(request.peer, request.subject)
        else:
            start = None if after is None else KeyName(after.account, after.subject)
            rows = store.outbox_held_page(request.peer, after=start, limit=request.max_results)
        return [_letter(context, row) for row in rows]

    letters = await context.offload(read)
    more = request.subject is None and len(letters) == request.max_results
    return ListDeadLettersOutput(
        dead_letters=letters,
        next=Position(account=letters[-1].account, subject=letters[-1].subject) if more else None,
    )


@ADMIN.operation("ReplayDeadLetters")
async def replay_dead_letters(
    context: AdminContext, request: ReplayDeadLettersInput
) -> ReplayDeadLettersOutput:
    """Try again at once what was given up, with all attempts anew."""
    find_link(context, request.peer)
    replayed = 0
    if request.subject is not None:
        rows = context.store.outbox_held_of_key(request.peer, request.subject)
        replayed = await _release(context, rows)
    else:
        after: KeyName | None = None
        while rows := context.store.outbox_held_page(request.peer, after=after, limit=MAX_RESULTS):
            after = KeyName(rows[-1].account, rows[-1].key_id)
            replayed += await _release(context, rows)
    return ReplayDeadLettersOutput(replayed=replayed)


async def _release(context: AdminContext, rows: Sequence[OutboxRecord]) -> int:
    def change(tx: Transaction) -> int:
        released = 0
        for row in rows:
            if release_row(tx, row, owner=context.peers.owner, now=context.now):
                _show_under_way(tx, row)
                released += 1
        return released

    return await context.write(change)


def _show_under_way(tx: Transaction, row: OutboxRecord) -> None:
    """A key's status says that it is tried, not any more why it was given up."""
    replica = tx.replica(row.account, row.key_id, row.region)
    if replica is not None and replica.status is ReplicaStatus.FAILED:
        tx.put_replica(replace(replica, status=ReplicaStatus.IN_PROGRESS, message=None))


def _letter(context: AdminContext, row: OutboxRecord) -> DeadLetter:
    replica = context.store.replica(row.account, row.key_id, row.region)
    alias = context.store.followed_alias(row.account, row.key_id, row.region)
    message = (replica and replica.message) or (alias and alias.message) or "no reason is kept"
    return DeadLetter(
        account=row.account,
        subject=row.key_id,
        change_number=row.change_number,
        attempts=row.attempts,
        age=max(0.0, (context.now - row.written_at).total_seconds()),
        message=message,
    )

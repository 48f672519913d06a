"""What deliveries of all kinds do with rows of the outbox: put them off, take them up again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from keyferry.service.replication.backoff import Backoff
from keyferry.service.replication.messages import MAX_CHANGES
from keyferry.service.store.interface import KeyStore, Transaction
from keyferry.service.store.replication_records import OutboxRecord

# Rows that clocks ahead wrote one after the other are made due together.
_FAR = timedelta(days=1)


def current_row(tx: Transaction, sent: OutboxRecord) -> OutboxRecord | None:
    """The row as it is now, if it still stands for the change that was sent."""
    row = tx.outbox(sent.account, sent.key_id, sent.region)
    return row if row is not None and row.change_number == sent.change_number else None


def put_off(
    tx: Transaction, row: OutboxRecord, *, owner: str, backoff: Backoff, now: datetime
) -> None:
    """Try a row again later; whoever tried it goes on."""
    attempts = row.attempts + 1
    due_at = now + backoff.after(attempts)
    tx.put_outbox(replace(row, attempts=attempts, due_at=due_at, owner=owner))


def release_row(tx: Transaction, sent: OutboxRecord, *, owner: str, now: datetime) -> bool:
    """Try a row again that was given up, with all attempts anew; False if it is no more."""
    row = current_row(tx, sent)
    if row is None or not row.held:
        return False
    tx.put_outbox(replace(row, held=False, attempts=0, due_at=now, owner=owner))
    return True


async def release_all(store: KeyStore, peer: str, *, owner: str, now: datetime) -> None:
    """Try again whatever was given up for a peer."""

    def release(tx: Transaction, rows: Sequence[OutboxRecord]) -> None:
        for row in rows:
            release_row(tx, row, owner=owner, now=now)

    while rows := store.outbox_held(peer, limit=MAX_CHANGES):
        await store.write(partial(release, rows=rows))


async def hasten(store: KeyStore, peer: str, *, owner: str, now: datetime, until: datetime) -> int:
    """
    Make rows due that are put off for longer than any pause lasts, up to `until` and beyond;
    return how many.

    They were written by a clock that ran ahead, and was set back since. When it said they were
    due, nobody would know why they waited for so long.
    """
    rows = store.outbox_due(
        peer, owner=owner, now=until + _FAR, lease=timedelta(0), limit=MAX_CHANGES
    )

    def make_due(tx: Transaction) -> None:
        for late in rows:
            row = current_row(tx, late)
            if row is not None:
                tx.put_outbox(replace(row, due_at=now))

    if rows:
        await store.write(make_due)
    return len(rows)

"""What deliveries of all kinds do with their rows of the outbox."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from keyferry.service.replication.backoff import Backoff
from keyferry.service.store.interface import Transaction
from keyferry.service.store.replication_records import OutboxRecord


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

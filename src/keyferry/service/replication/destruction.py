"""The end of a replica: destroyed at once, in its own Region."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from keyferry.service.replication.aliases.receiver import remove_copies
from keyferry.service.replication.events import DELETE_REPLICA, synchronized
from keyferry.service.store.interface import Transaction
from keyferry.service.store.records import KeyRecord, KeyState


def destroy_replica(tx: Transaction, record: KeyRecord, *, region: str, now: datetime) -> KeyRecord:
    """
    Destroy a replica's material and leave the tombstone, and a record of it on the trail.

    Aliases that were brought with it go too.
    """
    remove_copies(tx, record.account, record.key_id, region=region, now=now)
    tombstone = replace(
        record,
        state=KeyState.DELETE_COMPLETE,
        enabled=False,
        usage_started_at=None,
        usage_stopped_at=record.usage_stopped_at or now,
        deleted_at=now,
        sealed=None,
        revision=record.revision + 1,
    )
    tx.destroy_key(tombstone, replacing=record.revision)
    tx.append_audit(
        synchronized(DELETE_REPLICA, record, region=region, replica_region=region, now=now)
    )
    return tombstone

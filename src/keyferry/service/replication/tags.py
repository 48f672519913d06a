"""Tags that follow their key: a replica's become exactly those of its primary."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from keyferry.errors import StoreIntegrityError
from keyferry.service.replication.follow_events import tags_put, tags_removed
from keyferry.service.store.interface import Transaction
from keyferry.service.store.records import KeyRecord


def mirror_tags(
    tx: Transaction,
    record: KeyRecord,
    tags: Sequence[tuple[str, str]],
    *,
    region: str,
    now: datetime,
) -> None:
    """
    Write what differs, and a record of it on the trail.

    Tags that cannot be read are replaced: they were to be like the primary's, whatever they are.
    """
    wanted = dict(tags)
    try:
        present = dict(tx.tags(record.account, record.key_id))
    except StoreIntegrityError:
        tx.erase_tags(record.account, record.key_id)
        present = {}
    surplus = sorted(present.keys() - wanted.keys())
    missing = [(key, value) for key, value in wanted.items() if present.get(key) != value]
    if surplus:
        tx.remove_tags(record.account, record.key_id, surplus)
        tx.append_audit(tags_removed(record, surplus, region=region, now=now))
    if missing:
        tx.put_tags(record.account, record.key_id, missing)
        tx.append_audit(tags_put(record, missing, region=region, now=now))

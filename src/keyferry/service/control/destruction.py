"""The end of the waiting period: material, tags and certificates of a deleted key are destroyed."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import datetime

from keyferry.service.audit import service_event
from keyferry.service.store.interface import KeyStore, Transaction
from keyferry.service.store.records import KeyRecord, KeyState

BATCH = 100


async def destroy_due_keys(store: KeyStore, *, region: str, now: datetime) -> int:
    """
    Destroy every key whose waiting period is over at `now`, each in a change of its own.

    What remains is a tombstone that GetKey answers with, and the aliases, without a target. The
    trail gets an event `DeleteKey` of the service itself, in the same transaction.

    Args:
        store: of the Region.
        region: its name.
        now: aware; the caller's clock.

    Returns:
        How many keys were destroyed.

    Raises:
        StoreError: the store failed. One key that cannot be destroyed does not keep the others
            alive; its error is raised when they are gone.
    """
    destroyed = 0
    while due := store.keys_due_for_destruction(now, limit=BATCH):
        outcomes = await asyncio.gather(
            *(_destroy(store, record, region=region, now=now) for record in due),
            return_exceptions=True,
        )
        done = sum(outcome is True for outcome in outcomes)
        destroyed += done
        failure = next((o for o in outcomes if isinstance(o, BaseException)), None)
        if failure is not None and (done == 0 or len(due) < BATCH):
            raise failure
        if done == 0:
            # Restored or destroyed by another process between the look and the change.
            break
    return destroyed


async def _destroy(store: KeyStore, due: KeyRecord, *, region: str, now: datetime) -> bool:
    def change(tx: Transaction) -> bool:
        record = tx.key(due.account, due.key_id)
        if (
            record is None
            or record.state is not KeyState.DELETE_PENDING
            or record.delete_pending_at is None
            or record.delete_pending_at > now
        ):
            return False
        tombstone = replace(
            record,
            state=KeyState.DELETE_COMPLETE,
            enabled=False,
            delete_pending_at=None,
            deleted_at=now,
            sealed=None,
            revision=record.revision + 1,
        )
        tx.destroy_key(tombstone, replacing=record.revision)
        arn = f"arn:aws:payment-cryptography:{region}:{record.account}:key/{record.key_id}"
        tx.append_audit(
            service_event(
                event_name="DeleteKey",
                details={"keyArn": arn},
                account=record.account,
                region=region,
                event_id=str(uuid.uuid4()),
                now=now,
            )
        )
        return True

    return await store.write(change)

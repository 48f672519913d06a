"""
Replicas whose row was edited, or that are not what their primary says: made good by what arrives.

A replica is a copy. Where the part of a key (a row of its own, verified) says that it is a replica
of the Region that speaks, nothing of the copy is worth keeping against what that Region says.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from keyferry.crypto.secret import Secret
from keyferry.errors import StoreIntegrityError
from keyferry.service import log
from keyferry.service.replication.aliases.receiver import remove_copies
from keyferry.service.replication.events import DELETE_REPLICA, IMPORT_REPLICA, synchronized
from keyferry.service.store.interface import StoreView, Transaction
from keyferry.service.store.records import AliasRecord, KeyRecord
from keyferry.service.store.replication_records import MultiRegionRecord
from keyferry.service.vault.binding import key_binding
from keyferry.service.vault.interface import Vault


def read_key(view: StoreView, account: str, key_id: str) -> tuple[KeyRecord | None, bool]:
    """A key's record, and whether there is one that cannot be read."""
    try:
        return view.key(account, key_id), False
    except StoreIntegrityError:
        return None, True


def read_part(view: StoreView, account: str, key_id: str) -> tuple[MultiRegionRecord | None, bool]:
    """A key's part among Regions, and whether there is one that cannot be read."""
    try:
        return view.multi_region(account, key_id), False
    except StoreIntegrityError:
        return None, True


def holds(record: KeyRecord, arrived: KeyRecord, *, region: str, vault: Vault) -> bool:
    """
    Whether a replica's seal opens to the material that arrived, sealed for `region`.

    Args:
        record: the replica as it is; of its immutable attributes all are those of `arrived`.
    """
    if record.sealed is None or arrived.sealed is None:
        return False
    binding = key_binding(region, arrived)
    try:
        with (
            Secret(vault.open(record.sealed, binding=binding)) as present,
            Secret(vault.open(arrived.sealed, binding=binding)) as wanted,
        ):
            return present == wanted
    except StoreIntegrityError:
        return False


def replace_replica(
    tx: Transaction, current: KeyRecord | None, arrived: KeyRecord, *, region: str, now: datetime
) -> None:
    """Write what arrived over a replica that is something else, and say so on the trail."""
    revision = 1 if current is None else current.revision + 1
    tx.replace_key(replace(arrived, revision=revision))
    log.warning("replica_replaced", region=region, key=arrived.key_id)
    tx.append_audit(
        synchronized(IMPORT_REPLICA, arrived, region=region, replica_region=region, now=now)
    )


def erase_replica(tx: Transaction, part: MultiRegionRecord, *, region: str, now: datetime) -> None:
    """Destroy a replica whose row cannot be read: there is nothing to make a tombstone of."""
    account, key_id = part.account, part.key_id
    remove_copies(tx, account, key_id, region=region, now=now)
    while attached := tx.aliases(account, key_id=key_id, limit=1000):
        for alias in attached:
            detached = AliasRecord(
                account=account, name=alias.name, key_id=None, revision=alias.revision + 1
            )
            tx.update_alias(detached, replacing=alias.revision)
    tx.erase_key(account, key_id)
    log.warning("replica_erased", region=region, key=key_id)
    tx.append_audit(
        synchronized(DELETE_REPLICA, part, region=region, replica_region=region, now=now)
    )

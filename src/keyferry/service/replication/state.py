"""
What follows for other Regions from a change of a key, within that change's own transaction.

A key has one change number, which every change that other Regions must follow raises. The outbox
holds at most one row for a key and a Region, with the number that Region must be brought to; a
later change raises it in place, so that what is sent last is what holds, in whatever order
messages arrive. The number with which a Region was added is the replica's incarnation: it tells a
replica that was deleted in its own Region from one that is to be made again.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from keyferry.errors import StoreIntegrityError
from keyferry.service.store.interface import StoreView, Transaction
from keyferry.service.store.records import KeyRecord, KeyState
from keyferry.service.store.replication_records import (
    MultiRegionRecord,
    OutboxRecord,
    RegionPart,
    ReplicaRecord,
    ReplicaStatus,
)


@dataclass(frozen=True, slots=True)
class Part:
    """A key's part, and the Regions a primary is replicated to."""

    record: MultiRegionRecord
    replicas: tuple[ReplicaRecord, ...] = ()

    @property
    def is_replica(self) -> bool:
        return self.record.part is RegionPart.REPLICA


@dataclass(frozen=True, slots=True)
class Sender:
    """Who writes to the outbox, and when."""

    owner: str  # the process, which will deliver
    now: datetime
    reachable: frozenset[str]  # Regions it has a way to; what is for others is held
    aliases: frozenset[str] = frozenset()  # Regions aliases follow their keys to
    tags: frozenset[str] = frozenset()  # Regions tags follow their keys to


def part_of(view: StoreView, key: KeyRecord) -> Part | None:
    """The part of a key among Regions; None for a key of one Region."""
    record = view.multi_region(key.account, key.key_id)
    if record is None or record.part is RegionPart.SINGLE:
        return None
    if record.part is RegionPart.REPLICA:
        return Part(record)
    return Part(record, tuple(view.replicas(key.account, key.key_id)))


def add_replicas(
    tx: Transaction,
    key: KeyRecord,
    regions: Iterable[str],
    *,
    using_default: bool,
    sender: Sender,
) -> None:
    """
    Have a key replicated to `regions`; it becomes a primary.

    A Region that is there already is left alone, but for one that failed: it is tried again.
    """
    part = _raised(tx, key)
    known = {replica.region: replica for replica in tx.replicas(key.account, key.key_id)}
    for region in sorted(set(regions)):
        replica = known.get(region)
        if replica is None:
            replica = ReplicaRecord(
                account=key.account,
                key_id=key.key_id,
                region=region,
                status=ReplicaStatus.IN_PROGRESS,
                incarnation=part.change_number,
            )
        elif replica.status is not ReplicaStatus.FAILED:
            continue
        _put(tx, replica, ReplicaStatus.IN_PROGRESS, part.change_number, sender)
    tx.put_multi_region(replace(part, part=RegionPart.PRIMARY, using_default=using_default))


def follow(tx: Transaction, key: KeyRecord, *, sender: Sender) -> None:
    """Have the replicas follow a primary whose state or attributes changed."""
    part = tx.multi_region(key.account, key.key_id)
    if part is None or part.part is not RegionPart.PRIMARY:
        return
    if key.state is KeyState.CREATE_COMPLETE:
        status = ReplicaStatus.IN_PROGRESS
    else:
        # A primary that is to be destroyed has no replicas: they go at once.
        status = ReplicaStatus.DELETE_IN_PROGRESS
    _have_all(tx, key, tx.replicas(key.account, key.key_id), status, sender)


def follow_tags(
    tx: Transaction, key: KeyRecord, *, sender: Sender, only: Container[str] | None = None
) -> bool:
    """
    Have the replicas follow the tags of a primary, where tags follow at all.

    Args:
        only: Regions; None is all.

    Returns:
        Whether any replica has something to follow.
    """
    part = tx.multi_region(key.account, key.key_id)
    if part is None or part.part is not RegionPart.PRIMARY or not sender.tags:
        return False
    replicas = [
        replica
        for replica in tx.replicas(key.account, key.key_id)
        if replica.region in sender.tags and (only is None or replica.region in only)
    ]
    return _have_all(tx, key, replicas, ReplicaStatus.IN_PROGRESS, sender)


def remove_replicas(
    tx: Transaction, key: KeyRecord, regions: Iterable[str], *, sender: Sender
) -> None:
    """Have the replicas in `regions` destroyed; their entries disappear when they are."""
    wanted = set(regions)
    replicas = [r for r in tx.replicas(key.account, key.key_id) if r.region in wanted]
    _have_all(tx, key, replicas, ReplicaStatus.DELETE_IN_PROGRESS, sender)


def _have_all(
    tx: Transaction,
    key: KeyRecord,
    replicas: Iterable[ReplicaRecord],
    status: ReplicaStatus,
    sender: Sender,
) -> bool:
    """Have replicas brought to the next change number; False if there are none to bring."""
    # One that is being destroyed stays so.
    staying = [r for r in replicas if r.status is not ReplicaStatus.DELETE_IN_PROGRESS]
    if not staying:
        return False
    part = _raised(tx, key)
    tx.put_multi_region(part)
    for replica in staying:
        _put(tx, replica, status, part.change_number, sender)
    return True


def leave(tx: Transaction, part: MultiRegionRecord, *, sender: Sender) -> None:
    """Tell the primary that a replica was deleted in its own Region."""
    if part.primary_region is None:
        raise ValueError(f"key {part.key_id}: a replica without a primary")
    enqueue(tx, part.account, part.key_id, part.primary_region, part.incarnation, sender)


def forget_replica(tx: Transaction, replica: ReplicaRecord) -> None:
    """Take a Region whose replica is gone off a key; without any the key is of one Region."""
    tx.delete_replica(replica.account, replica.key_id, replica.region)
    tx.delete_outbox(replica.account, replica.key_id, replica.region)
    part = tx.multi_region(replica.account, replica.key_id)
    if part is not None and not tx.replicas(replica.account, replica.key_id):
        tx.put_multi_region(replace(part, part=RegionPart.SINGLE, using_default=False))


def resend(tx: Transaction, key: KeyRecord, replica: ReplicaRecord, *, sender: Sender) -> None:
    """Send a primary once more, under its next number, whatever is said of its replica."""
    part = _raised(tx, key)
    tx.put_multi_region(part)
    staying = (
        key.state is KeyState.CREATE_COMPLETE
        and replica.status is not ReplicaStatus.DELETE_IN_PROGRESS
    )
    status = ReplicaStatus.IN_PROGRESS if staying else ReplicaStatus.DELETE_IN_PROGRESS
    _put(tx, replica, status, part.change_number, sender)


def raise_above(tx: Transaction, replica: ReplicaRecord, number: int, *, sender: Sender) -> None:
    """
    Bring a key's change number above one the replica has seen, and send it again.

    A store that was taken back to an earlier copy counts on from there; its replicas would take
    what it says for something they know.
    """
    part = tx.multi_region(replica.account, replica.key_id)
    if part is None:
        raise ValueError(f"key {replica.key_id}: a replica without a part")
    raised = replace(part, change_number=max(part.change_number, number) + 1)
    tx.put_multi_region(raised)
    renewed = replace(replica, incarnation=raised.change_number)
    _put(tx, renewed, replica.status, raised.change_number, sender)


def _raised(tx: Transaction, key: KeyRecord) -> MultiRegionRecord:
    """The key's part with the next change number, not written yet."""
    part = tx.multi_region(key.account, key.key_id)
    if part is None:
        part = MultiRegionRecord(
            account=key.account, key_id=key.key_id, part=RegionPart.PRIMARY, change_number=0
        )
    return replace(part, change_number=part.change_number + 1)


def _put(
    tx: Transaction,
    replica: ReplicaRecord,
    status: ReplicaStatus,
    change_number: int,
    sender: Sender,
) -> None:
    message = None
    if replica.region not in sender.reachable:
        message = f"Region {replica.region} is not served, and no peer of this service"
        if status is not ReplicaStatus.DELETE_IN_PROGRESS:
            status = ReplicaStatus.FAILED
    tx.put_replica(replace(replica, status=status, message=message))
    enqueue(tx, replica.account, replica.key_id, replica.region, change_number, sender)


def enqueue(
    tx: Transaction, account: str, key_id: str, region: str, change_number: int, sender: Sender
) -> None:
    """
    Write the row that brings a Region to a change number; `key_id` may be an alias's name.

    A row that waits already stays as old as it is: the Region has been behind since then.
    """
    tx.put_outbox(
        OutboxRecord(
            account=account,
            key_id=key_id,
            region=region,
            change_number=change_number,
            owner=sender.owner,
            written_at=_behind_since(tx, account, key_id, region, sender.now),
            due_at=sender.now,
            held=region not in sender.reachable,
        )
    )


def _behind_since(
    tx: Transaction, account: str, key_id: str, region: str, now: datetime
) -> datetime:
    try:
        waiting = tx.outbox(account, key_id, region)
    except StoreIntegrityError:
        return now  # a row that was edited is written anew, and its link goes on
    return now if waiting is None else min(waiting.written_at, now)

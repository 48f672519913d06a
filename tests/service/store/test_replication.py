"""What a store keeps about keys in several Regions, on every engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from keyferry.service.errors import ConflictError
from keyferry.service.store.records import Sealed
from keyferry.service.store.replication_records import (
    KEKDirection,
    MultiRegionRecord,
    OutboxRecord,
    RegionPart,
    ReplicaRecord,
    ReplicaStatus,
    ReplicationKEKRecord,
)
from keyferry.service.store.store import SQLStore

ACCOUNT = "111122223333"
NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
LEASE = timedelta(seconds=10)


def row(number: int, **changes: object) -> OutboxRecord:
    record = OutboxRecord(
        account=ACCOUNT,
        key_id=f"key{number:013d}",
        region="us-west-2",
        change_number=number,
        owner="me",
        written_at=NOW,
        due_at=NOW + timedelta(seconds=number),
    )
    return replace(record, **changes)  # type: ignore[arg-type]


def test_parts_and_replicas_come_back_as_they_were_put(store: SQLStore) -> None:
    """One row a key and one a Region, replaced when put again; a page of parts at once."""
    parts = [
        MultiRegionRecord(
            account=ACCOUNT,
            key_id=f"key{number:013d}",
            part=RegionPart.REPLICA,
            primary_region="us-east-1",
            change_number=number,
            incarnation=2,
        )
        for number in range(150)
    ]
    store.write_blocking(lambda tx: [tx.put_multi_region(part) for part in parts])
    changed = replace(parts[0], part=RegionPart.SINGLE, primary_region=None, using_default=True)
    store.write_blocking(lambda tx: tx.put_multi_region(changed))
    assert store.multi_region(ACCOUNT, parts[0].key_id) == changed
    assert store.multi_region(ACCOUNT, "unknown") is None
    asked = [part.key_id for part in parts] + ["unknown"]
    assert store.multi_regions(ACCOUNT, asked) == {p.key_id: p for p in [changed, *parts[1:]]}
    replicas = [
        ReplicaRecord(
            account=ACCOUNT,
            key_id="k",
            region=region,
            status=ReplicaStatus.FAILED,
            message="why",
            incarnation=3,
            imported=True,
        )
        for region in ("eu-west-1", "us-west-2")
    ]
    store.write_blocking(lambda tx: [tx.put_replica(replica) for replica in reversed(replicas)])
    assert store.replicas(ACCOUNT, "k") == replicas
    store.write_blocking(lambda tx: tx.delete_replica(ACCOUNT, "k", "eu-west-1"))
    assert store.replica(ACCOUNT, "k", "eu-west-1") is None
    assert store.replica(ACCOUNT, "k", "us-west-2") == replicas[1]


def test_the_outbox_gives_out_what_is_due(store: SQLStore) -> None:
    """Own rows when due, others' a lease later, held ones never; oldest first."""
    own, later, foreign = row(1), row(8), row(2, owner="other")
    held, tried = row(3, held=True), row(4, attempts=2)

    def put(tx: object) -> None:
        for record in (own, later, foreign, held, tried):
            tx.put_outbox(record)  # type: ignore[attr-defined]

    store.write_blocking(put)
    now = NOW + timedelta(seconds=5)

    def due(at: datetime, limit: int = 10) -> list[OutboxRecord]:
        return store.outbox_due("us-west-2", owner="me", now=at, lease=LEASE, limit=limit)

    assert due(now) == [own, tried]
    assert due(now, limit=1) == [own]
    assert due(NOW + timedelta(seconds=12)) == [own, foreign, tried, later]
    assert store.outbox_due("eu-west-1", owner="me", now=now, lease=LEASE, limit=9) == []
    assert store.outbox_next("us-west-2", owner="me", lease=LEASE) == own.due_at
    assert store.outbox_next("us-west-2", owner="third", lease=LEASE) == own.due_at + LEASE
    assert store.outbox_next("eu-west-1", owner="me", lease=LEASE) is None
    assert store.outbox_untried("us-west-2", limit=9) == [own, foreign, later]
    assert store.outbox_held("us-west-2", limit=9) == [held]
    assert store.outbox_regions() == ["us-west-2"]
    store.write_blocking(lambda tx: tx.delete_outbox(ACCOUNT, own.key_id, "us-west-2"))
    assert store.outbox(ACCOUNT, own.key_id, "us-west-2") is None
    assert store.outbox(ACCOUNT, held.key_id, "us-west-2") == held


def test_default_regions_are_a_set(store: SQLStore) -> None:
    """Added twice is added once; removing what is not there is nothing."""
    for region in ("us-west-2", "eu-west-1", "us-west-2"):
        store.write_blocking(lambda tx, region=region: tx.add_default_region(ACCOUNT, region))
    assert store.default_regions(ACCOUNT) == ["eu-west-1", "us-west-2"]
    assert store.default_regions("444455556666") == []
    for _ in range(2):
        store.write_blocking(lambda tx: tx.remove_default_region(ACCOUNT, "eu-west-1"))
    assert store.default_regions(ACCOUNT) == ["us-west-2"]


def test_keks_by_id_and_the_newest(store: SQLStore) -> None:
    """Directions are apart; an id is taken once."""
    keks = [
        ReplicationKEKRecord(
            direction=KEKDirection.TO,
            peer="us-west-2",
            kek_id=f"{number:032x}",
            check_value="0011223344",
            sealed=Sealed(b"data key", b"kek %d" % number),
            created_at=NOW + timedelta(seconds=number),
        )
        for number in (2, 1)
    ]
    store.write_blocking(lambda tx: [tx.insert_replication_kek(kek) for kek in keks])
    assert store.replication_kek(KEKDirection.TO, "us-west-2") == keks[0]
    assert store.replication_kek(KEKDirection.TO, "us-west-2", keks[1].kek_id) == keks[1]
    assert store.replication_kek(KEKDirection.FROM, "us-west-2") is None
    with pytest.raises(ConflictError):
        store.write_blocking(lambda tx: tx.insert_replication_kek(keks[0]))
    store.write_blocking(
        lambda tx: tx.delete_replication_kek(KEKDirection.TO, "us-west-2", keks[0].kek_id)
    )
    assert store.replication_kek(KEKDirection.TO, "us-west-2") == keks[1]

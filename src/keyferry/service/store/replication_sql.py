"""The tables of multi-Region keys, their statements, and their rows to records and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from keyferry.service.store.engine import Row, Value
from keyferry.service.store.records import Sealed
from keyferry.service.store.replication_records import (
    ArrivedAliasRecord,
    FollowedAliasRecord,
    KEKDirection,
    MultiRegionRecord,
    OutboxRecord,
    RegionPart,
    ReplicaRecord,
    ReplicaStatus,
    ReplicationKEKRecord,
)
from keyferry.service.store.sql import Table

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MULTI_REGION_KEYS = Table(
    "multi_region_keys",
    ("account", "key_id"),
    (
        "account",
        "key_id",
        "part",
        "primary_region",
        "using_default",
        "change_number",
        "incarnation",
    ),
)
REPLICAS = Table(
    "replicas",
    ("account", "key_id", "region"),
    ("account", "key_id", "region", "status", "message", "incarnation", "imported"),
)
OUTBOX = Table(
    "replication_outbox",
    ("account", "key_id", "region"),
    (
        "account",
        "key_id",
        "region",
        "change_number",
        "owner",
        "written_at",
        "due_at",
        "attempts",
        "held",
    ),
)
FOLLOWED_ALIASES = Table(
    "followed_aliases",
    ("account", "name", "region"),
    ("account", "name", "region", "change_number", "message"),
)
ARRIVED_ALIASES = Table(
    "arrived_aliases",
    ("account", "name", "region"),
    ("account", "name", "region", "change_number", "is_copy"),
)
DEFAULT_REGIONS = Table("default_replication_regions", ("account", "region"), ("account", "region"))
REPLICATION_KEKS = Table(
    "replication_keks",
    ("direction", "peer", "kek_id"),
    (
        "direction",
        "peer",
        "kek_id",
        "check_value",
        "wrapped_data_key",
        "ciphertext",
        "created_at",
    ),
)
# As many keys as a page of a list has; fewer are filled up with empty ids, so that the statement
# is prepared once.
KEYS_AT_ONCE = 100

SELECT_PART = f"{MULTI_REGION_KEYS.select} WHERE account = ? AND key_id = ?"
SELECT_PARTS = (
    f"{MULTI_REGION_KEYS.select} WHERE account = ? AND key_id IN ({', '.join('?' * KEYS_AT_ONCE)})"
)
SELECT_REPLICA = f"{REPLICAS.select} WHERE account = ? AND key_id = ? AND region = ?"
SELECT_REPLICAS = f"{REPLICAS.select} WHERE account = ? AND key_id = ? ORDER BY region"
DELETE_REPLICA = "DELETE FROM replicas WHERE account = ? AND key_id = ? AND region = ?"
SELECT_OUTBOX = f"{OUTBOX.select} WHERE account = ? AND key_id = ? AND region = ?"
SELECT_OUTBOX_DUE = (
    f"{OUTBOX.select} WHERE region = ? AND held = 0 AND due_at <= ? "
    "AND (owner = ? OR due_at <= ?) ORDER BY due_at LIMIT ?"
)
SELECT_OUTBOX_NEXT_OWN = (
    "SELECT due_at FROM replication_outbox WHERE region = ? AND held = 0 AND owner = ? "
    "ORDER BY due_at LIMIT 1"
)
SELECT_OUTBOX_NEXT_OTHER = (
    "SELECT due_at FROM replication_outbox WHERE region = ? AND held = 0 AND owner <> ? "
    "ORDER BY due_at LIMIT 1"
)
SELECT_OUTBOX_UNTRIED = (
    f"{OUTBOX.select} WHERE region = ? AND held = 0 AND attempts = 0 ORDER BY due_at LIMIT ?"
)
SELECT_OUTBOX_HELD = f"{OUTBOX.select} WHERE region = ? AND held = 1 ORDER BY due_at LIMIT ?"
SELECT_OUTBOX_REGIONS = "SELECT DISTINCT region FROM replication_outbox"
# A subquery, so that the count ends where nobody wants to know more.
COUNT_OUTBOX_WAITING = (
    "SELECT count(*) FROM (SELECT 1 FROM replication_outbox WHERE region = ? AND held = 0 LIMIT ?)"
    " AS waiting"
)
DELETE_OUTBOX = "DELETE FROM replication_outbox WHERE account = ? AND key_id = ? AND region = ?"
SELECT_FOLLOWED_ALIAS = f"{FOLLOWED_ALIASES.select} WHERE account = ? AND name = ? AND region = ?"
SELECT_FOLLOWED_NAMES = (
    "SELECT account, name FROM followed_aliases WHERE region = ? AND (account, name) > (?, ?) "
    "ORDER BY account, name LIMIT ?"
)
SELECT_ARRIVED_ALIASES = f"{ARRIVED_ALIASES.select} WHERE account = ? AND name = ? ORDER BY region"
SELECT_DEFAULT_REGIONS = f"{DEFAULT_REGIONS.select} WHERE account = ? ORDER BY region"
DELETE_DEFAULT_REGION = "DELETE FROM default_replication_regions WHERE account = ? AND region = ?"
SELECT_KEK = f"{REPLICATION_KEKS.select} WHERE direction = ? AND peer = ? AND kek_id = ?"
SELECT_NEWEST_KEK = (
    f"{REPLICATION_KEKS.select} WHERE direction = ? AND peer = ? "
    "ORDER BY created_at DESC, kek_id DESC LIMIT 1"
)
DELETE_KEK = "DELETE FROM replication_keks WHERE direction = ? AND peer = ? AND kek_id = ?"

# Built once: the engine keeps prepared statements by their text.
UPSERT_PART = MULTI_REGION_KEYS.upsert
UPSERT_REPLICA = REPLICAS.upsert
UPSERT_OUTBOX = OUTBOX.upsert
UPSERT_FOLLOWED_ALIAS = FOLLOWED_ALIASES.upsert
UPSERT_ARRIVED_ALIAS = ARRIVED_ALIASES.upsert
INSERT_DEFAULT_REGION = DEFAULT_REGIONS.insert
INSERT_KEK = REPLICATION_KEKS.insert


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)


def _instant(value: int) -> datetime:
    return _EPOCH + timedelta(microseconds=value)


def part_values(record: MultiRegionRecord) -> tuple[Value, ...]:
    return (
        record.account,
        record.key_id,
        record.part.value,
        record.primary_region,
        int(record.using_default),
        record.change_number,
        record.incarnation,
    )


def part_from_row(row: Row) -> MultiRegionRecord:
    return MultiRegionRecord(
        account=row[0],
        key_id=row[1],
        part=RegionPart(row[2]),
        primary_region=row[3],
        using_default=bool(row[4]),
        change_number=row[5],
        incarnation=row[6],
    )


def replica_values(record: ReplicaRecord) -> tuple[Value, ...]:
    return (
        record.account,
        record.key_id,
        record.region,
        record.status.value,
        record.message,
        record.incarnation,
        int(record.imported),
    )


def replica_from_row(row: Row) -> ReplicaRecord:
    return ReplicaRecord(
        account=row[0],
        key_id=row[1],
        region=row[2],
        status=ReplicaStatus(row[3]),
        message=row[4],
        incarnation=row[5],
        imported=bool(row[6]),
    )


def outbox_values(record: OutboxRecord) -> tuple[Value, ...]:
    return (
        record.account,
        record.key_id,
        record.region,
        record.change_number,
        record.owner,
        _microseconds(record.written_at),
        _microseconds(record.due_at),
        record.attempts,
        int(record.held),
    )


def outbox_from_row(row: Row) -> OutboxRecord:
    return OutboxRecord(
        account=row[0],
        key_id=row[1],
        region=row[2],
        change_number=row[3],
        owner=row[4],
        written_at=_instant(row[5]),
        due_at=_instant(row[6]),
        attempts=row[7],
        held=bool(row[8]),
    )


def followed_alias_values(record: FollowedAliasRecord) -> tuple[Value, ...]:
    return (record.account, record.name, record.region, record.change_number, record.message)


def followed_alias_from_row(row: Row) -> FollowedAliasRecord:
    return FollowedAliasRecord(
        account=row[0], name=row[1], region=row[2], change_number=row[3], message=row[4]
    )


def arrived_alias_values(record: ArrivedAliasRecord) -> tuple[Value, ...]:
    return (
        record.account,
        record.name,
        record.region,
        record.change_number,
        int(record.is_copy),
    )


def arrived_alias_from_row(row: Row) -> ArrivedAliasRecord:
    return ArrivedAliasRecord(
        account=row[0],
        name=row[1],
        region=row[2],
        change_number=row[3],
        is_copy=bool(row[4]),
    )


def kek_values(record: ReplicationKEKRecord) -> tuple[Value, ...]:
    return (
        record.direction.value,
        record.peer,
        record.kek_id,
        record.check_value,
        record.sealed.wrapped_data_key,
        record.sealed.ciphertext,
        _microseconds(record.created_at),
    )


def kek_from_row(row: Row) -> ReplicationKEKRecord:
    return ReplicationKEKRecord(
        direction=KEKDirection(row[0]),
        peer=row[1],
        kek_id=row[2],
        check_value=row[3],
        sealed=Sealed(row[4], row[5]),
        created_at=_instant(row[6]),
    )

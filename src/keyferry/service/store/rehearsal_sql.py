"""The tables of canaries and drills, their statements, and their rows to records and back."""

from __future__ import annotations

from keyferry.service.store.engine import Row, Value
from keyferry.service.store.rehearsal_records import CanaryRecord, CutRecord
from keyferry.service.store.rows import from_microseconds, to_microseconds
from keyferry.service.store.sql import Table

CANARIES = Table(
    "replication_canaries",
    ("peer",),
    ("peer", "key_id", "owner", "claimed_until", "change_number", "succeeded_at", "lag_us"),
)
CUTS = Table("replication_cuts", ("peer",), ("peer", "started_at", "ends_at", "started_by"))

SELECT_CANARY = f"{CANARIES.select} WHERE peer = ?"
SELECT_CUT = f"{CUTS.select} WHERE peer = ?"

# Built once: the engine keeps prepared statements by their text.
UPSERT_CANARY = CANARIES.upsert
UPSERT_CUT = CUTS.upsert


def canary_values(record: CanaryRecord) -> tuple[Value, ...]:
    return (
        record.peer,
        record.key_id,
        record.owner,
        to_microseconds(record.claimed_until),
        record.change_number,
        None if record.succeeded_at is None else to_microseconds(record.succeeded_at),
        record.lag_us,
    )


def canary_from_row(row: Row) -> CanaryRecord:
    return CanaryRecord(
        peer=row[0],
        key_id=row[1],
        owner=row[2],
        claimed_until=from_microseconds(row[3]),
        change_number=row[4],
        succeeded_at=None if row[5] is None else from_microseconds(row[5]),
        lag_us=row[6],
    )


def cut_values(record: CutRecord) -> tuple[Value, ...]:
    return (
        record.peer,
        to_microseconds(record.started_at),
        to_microseconds(record.ends_at),
        record.started_by,
    )


def cut_from_row(row: Row) -> CutRecord:
    return CutRecord(
        peer=row[0],
        started_at=from_microseconds(row[1]),
        ends_at=from_microseconds(row[2]),
        started_by=row[3],
    )

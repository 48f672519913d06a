"""Reading and changing what a store keeps about keys in several Regions; part of `SQLView`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from keyferry.service.errors import ConflictError
from keyferry.service.store import replication_sql as sql
from keyferry.service.store.engine import Row, Value
from keyferry.service.store.replication_records import (
    ArrivedAliasRecord,
    FollowedAliasRecord,
    KEKDirection,
    MultiRegionRecord,
    OutboxRecord,
    ReplicaRecord,
    ReplicationKEKRecord,
)
from keyferry.service.store.row_mac import RowMAC
from keyferry.service.store.rows import from_microseconds, to_microseconds
from keyferry.service.store.sql import Table


class ReplicationReads:
    """The reads of ReplicationView. Every sealed row is verified before it is decoded."""

    _row_mac: RowMAC

    def _fetch(self, statement: str, parameters: Sequence[Value] = ()) -> list[Row]:
        raise NotImplementedError

    def _verified(self, table: Table, found: list[Row]) -> list[Row]:
        for row in found:
            self._row_mac.verify(table.name, row, name=" ".join(str(part) for part in row[:3]))
        return found

    def multi_region(self, account: str, key_id: str) -> MultiRegionRecord | None:
        found = self._fetch(sql.SELECT_PART, (account, key_id))
        rows = self._verified(sql.MULTI_REGION_KEYS, found)
        return sql.part_from_row(rows[0]) if rows else None

    def multi_regions(self, account: str, key_ids: Sequence[str]) -> dict[str, MultiRegionRecord]:
        parts = {}
        for start in range(0, len(key_ids), sql.KEYS_AT_ONCE):
            asked = list(key_ids[start : start + sql.KEYS_AT_ONCE])
            asked += [""] * (sql.KEYS_AT_ONCE - len(asked))
            found = self._fetch(sql.SELECT_PARTS, (account, *asked))
            for row in self._verified(sql.MULTI_REGION_KEYS, found):
                part = sql.part_from_row(row)
                parts[part.key_id] = part
        return parts

    def replica(self, account: str, key_id: str, region: str) -> ReplicaRecord | None:
        found = self._fetch(sql.SELECT_REPLICA, (account, key_id, region))
        rows = self._verified(sql.REPLICAS, found)
        return sql.replica_from_row(rows[0]) if rows else None

    def replicas(self, account: str, key_id: str) -> list[ReplicaRecord]:
        found = self._fetch(sql.SELECT_REPLICAS, (account, key_id))
        return [sql.replica_from_row(row) for row in self._verified(sql.REPLICAS, found)]

    def outbox(self, account: str, key_id: str, region: str) -> OutboxRecord | None:
        found = self._fetch(sql.SELECT_OUTBOX, (account, key_id, region))
        rows = self._verified(sql.OUTBOX, found)
        return sql.outbox_from_row(rows[0]) if rows else None

    def outbox_due(
        self, region: str, *, owner: str, now: datetime, lease: timedelta, limit: int
    ) -> list[OutboxRecord]:
        found = self._fetch(
            sql.SELECT_OUTBOX_DUE,
            (region, to_microseconds(now), owner, to_microseconds(now - lease), limit),
        )
        return [sql.outbox_from_row(row) for row in self._verified(sql.OUTBOX, found)]

    def outbox_next(self, region: str, *, owner: str, lease: timedelta) -> datetime | None:
        own = self._fetch(sql.SELECT_OUTBOX_NEXT_OWN, (region, owner))
        other = self._fetch(sql.SELECT_OUTBOX_NEXT_OTHER, (region, owner))
        instants = [from_microseconds(row[0]) for row in own]
        instants += [from_microseconds(row[0]) + lease for row in other]
        return min(instants, default=None)

    def outbox_untried(self, region: str, *, limit: int) -> list[OutboxRecord]:
        found = self._fetch(sql.SELECT_OUTBOX_UNTRIED, (region, limit))
        return [sql.outbox_from_row(row) for row in self._verified(sql.OUTBOX, found)]

    def outbox_held(self, region: str, *, limit: int) -> list[OutboxRecord]:
        found = self._fetch(sql.SELECT_OUTBOX_HELD, (region, limit))
        return [sql.outbox_from_row(row) for row in self._verified(sql.OUTBOX, found)]

    def outbox_regions(self) -> list[str]:
        return sorted(row[0] for row in self._fetch(sql.SELECT_OUTBOX_REGIONS))

    def outbox_waiting(self, region: str, *, limit: int) -> int:
        return int(self._fetch(sql.COUNT_OUTBOX_WAITING, (region, limit))[0][0])

    def followed_alias(self, account: str, name: str, region: str) -> FollowedAliasRecord | None:
        found = self._fetch(sql.SELECT_FOLLOWED_ALIAS, (account, name, region))
        rows = self._verified(sql.FOLLOWED_ALIASES, found)
        return sql.followed_alias_from_row(rows[0]) if rows else None

    def followed_names(
        self, region: str, *, after: tuple[str, str], limit: int
    ) -> list[tuple[str, str]]:
        found = self._fetch(sql.SELECT_FOLLOWED_NAMES, (region, *after, limit))
        return [(row[0], row[1]) for row in found]

    def arrived_aliases(self, account: str, name: str) -> list[ArrivedAliasRecord]:
        found = self._fetch(sql.SELECT_ARRIVED_ALIASES, (account, name))
        rows = self._verified(sql.ARRIVED_ALIASES, found)
        return [sql.arrived_alias_from_row(row) for row in rows]

    def default_regions(self, account: str) -> list[str]:
        found = self._fetch(sql.SELECT_DEFAULT_REGIONS, (account,))
        return [row[1] for row in self._verified(sql.DEFAULT_REGIONS, found)]

    def replication_kek(
        self, direction: KEKDirection, peer: str, kek_id: str | None = None
    ) -> ReplicationKEKRecord | None:
        if kek_id is None:
            found = self._fetch(sql.SELECT_NEWEST_KEK, (direction.value, peer))
        else:
            found = self._fetch(sql.SELECT_KEK, (direction.value, peer, kek_id))
        rows = self._verified(sql.REPLICATION_KEKS, found)
        return sql.kek_from_row(rows[0]) if rows else None


class ReplicationWrites(ReplicationReads):
    """The changes of ReplicationTransaction."""

    outbox_written = False  # by some change of this batch

    def _write(self, statement: str, table: Table, values: tuple[Value, ...]) -> int:
        raise NotImplementedError

    def _put(self, statement: str, table: Table, values: tuple[Value, ...]) -> None:
        raise NotImplementedError

    def _delete(self, statement: str, table: Table, key: tuple[Value, ...]) -> None:
        raise NotImplementedError

    def put_multi_region(self, record: MultiRegionRecord) -> None:
        self._put(sql.UPSERT_PART, sql.MULTI_REGION_KEYS, sql.part_values(record))

    def put_replica(self, record: ReplicaRecord) -> None:
        self._put(sql.UPSERT_REPLICA, sql.REPLICAS, sql.replica_values(record))

    def delete_replica(self, account: str, key_id: str, region: str) -> None:
        self._delete(sql.DELETE_REPLICA, sql.REPLICAS, (account, key_id, region))

    def put_outbox(self, record: OutboxRecord) -> None:
        self._put(sql.UPSERT_OUTBOX, sql.OUTBOX, sql.outbox_values(record))
        self.outbox_written = True

    def delete_outbox(self, account: str, key_id: str, region: str) -> None:
        self._delete(sql.DELETE_OUTBOX, sql.OUTBOX, (account, key_id, region))

    def put_followed_alias(self, record: FollowedAliasRecord) -> None:
        values = sql.followed_alias_values(record)
        self._put(sql.UPSERT_FOLLOWED_ALIAS, sql.FOLLOWED_ALIASES, values)

    def put_arrived_alias(self, record: ArrivedAliasRecord) -> None:
        values = sql.arrived_alias_values(record)
        self._put(sql.UPSERT_ARRIVED_ALIAS, sql.ARRIVED_ALIASES, values)

    def add_default_region(self, account: str, region: str) -> None:
        self._put(sql.INSERT_DEFAULT_REGION, sql.DEFAULT_REGIONS, (account, region))

    def remove_default_region(self, account: str, region: str) -> None:
        self._delete(sql.DELETE_DEFAULT_REGION, sql.DEFAULT_REGIONS, (account, region))

    def insert_replication_kek(self, record: ReplicationKEKRecord) -> None:
        if not self._write(sql.INSERT_KEK, sql.REPLICATION_KEKS, sql.kek_values(record)):
            raise ConflictError(f"a KEK {record.kek_id} was agreed with {record.peer} before")

    def delete_replication_kek(self, direction: KEKDirection, peer: str, kek_id: str) -> None:
        self._delete(sql.DELETE_KEK, sql.REPLICATION_KEKS, (direction.value, peer, kek_id))

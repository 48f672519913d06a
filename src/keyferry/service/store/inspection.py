"""Looking after replication: part of `SQLView` and of `SQLTransaction`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from keyferry.service.store import inspection_sql as sql
from keyferry.service.store import replication_sql, rows
from keyferry.service.store.engine import Engine, Row, Value
from keyferry.service.store.inspection_records import (
    AliasName,
    Backlog,
    KeyName,
    VerificationRecord,
)
from keyferry.service.store.records import KeyRecord
from keyferry.service.store.replication_records import (
    KEKDirection,
    OutboxRecord,
    ReplicationKEKRecord,
)
from keyferry.service.store.row_mac import RowMAC
from keyferry.service.store.sql import DELETE_TAGS_OF_KEY, KEYS, Table

# After every account, key id and name of an alias there can be.
_LAST = "~"


class InspectionReads:
    """The reads of InspectionView."""

    _row_mac: RowMAC

    def _fetch(self, statement: str, parameters: Sequence[Value] = ()) -> list[Row]:
        raise NotImplementedError

    def _verified(self, table: Table, found: list[Row]) -> list[Row]:
        raise NotImplementedError

    def outbox_backlog(self, region: str) -> Backlog:
        oldest = self._fetch(sql.SELECT_OLDEST_WAITING, (region,))
        return Backlog(
            waiting=int(self._fetch(sql.COUNT_WAITING, (region,))[0][0]),
            held=int(self._fetch(sql.COUNT_HELD, (region,))[0][0]),
            oldest=rows.from_microseconds(oldest[0][0]) if oldest else None,
        )

    def outbox_held_messages(self, region: str) -> list[tuple[str | None, int]]:
        counts: Counter[str | None] = Counter()
        for statement in (sql.COUNT_HELD_KEYS_BY_MESSAGE, sql.COUNT_HELD_ALIASES_BY_MESSAGE):
            for message, count in self._fetch(statement, (region,)):
                counts[message] += int(count)
        return counts.most_common()

    def outbox_held_page(
        self, region: str, *, after: KeyName | None, limit: int
    ) -> list[OutboxRecord]:
        start = ("", "") if after is None else (after.account, after.key_id)
        found = self._fetch(sql.SELECT_HELD_PAGE, (region, *start, limit))
        return self._outbox(found)

    def outbox_held_of_key(self, region: str, key_id: str) -> list[OutboxRecord]:
        return self._outbox(self._fetch(sql.SELECT_HELD_OF_KEY, (region, key_id)))

    def _outbox(self, found: list[Row]) -> list[OutboxRecord]:
        return [
            replication_sql.outbox_from_row(row)
            for row in self._verified(replication_sql.OUTBOX, found)
        ]

    def replicated_names(self, region: str, *, after: KeyName | None, limit: int) -> list[KeyName]:
        start = ("", "") if after is None else (after.account, after.key_id)
        found = self._fetch(sql.SELECT_REPLICATED_NAMES, (region, *start, limit))
        return [KeyName(*row) for row in found]

    def replica_names(
        self, primary_region: str, *, after: KeyName | None, until: KeyName | None, limit: int
    ) -> list[KeyName]:
        start = ("", "") if after is None else (after.account, after.key_id)
        end = (_LAST, _LAST) if until is None else (until.account, until.key_id)
        found = self._fetch(sql.SELECT_REPLICA_NAMES, (primary_region, *end, *start, limit))
        return [KeyName(*row) for row in found]

    def aliases_to_follow(
        self, region: str, *, after: AliasName | None, limit: int
    ) -> list[AliasName]:
        start = ("", "") if after is None else (after.account, after.name)
        found = self._fetch(sql.SELECT_ALIASES_TO_FOLLOW, (region, *start, limit))
        return [AliasName(*row) for row in found]

    def copied_aliases(
        self, region: str, *, after: AliasName | None, until: AliasName | None, limit: int
    ) -> list[AliasName]:
        start = ("", "") if after is None else (after.account, after.name)
        end = (_LAST, _LAST) if until is None else (until.account, until.name)
        found = self._fetch(sql.SELECT_COPIED_ALIASES, (region, *end, *start, limit))
        return [AliasName(*row) for row in found]

    def replication_keks(self) -> list[ReplicationKEKRecord]:
        found = self._fetch(sql.SELECT_KEKS)
        return [
            replication_sql.kek_from_row(row)
            for row in self._verified(replication_sql.REPLICATION_KEKS, found)
        ]

    def replication_verification(self, peer: str) -> VerificationRecord | None:
        found = self._fetch(sql.SELECT_VERIFICATION, (peer,))
        verified = self._verified(sql.VERIFICATIONS, found)
        return sql.verification_from_row(verified[0]) if verified else None


class InspectionWrites(InspectionReads):
    """The changes of InspectionTransaction."""

    _engine: Engine
    erased: bool  # something was destroyed, and the engine's own copies of it must go

    def _write(self, statement: str, table: Table, values: tuple[Value, ...]) -> int:
        raise NotImplementedError

    def _delete(self, statement: str, table: Table, key: tuple[Value, ...]) -> None:
        raise NotImplementedError

    def delete_replication_kek(self, direction: KEKDirection, peer: str, kek_id: str) -> None:
        raise NotImplementedError

    def _begin_key_epoch(self) -> None:
        raise NotImplementedError

    def put_replication_verification(self, record: VerificationRecord) -> None:
        self._write(sql.UPSERT_VERIFICATION, sql.VERIFICATIONS, sql.verification_values(record))

    def replace_key(self, key: KeyRecord) -> None:
        values = rows.immutable_key_values(key) + rows.mutable_key_values(key)
        self._write(sql.UPSERT_KEY, KEYS, values)
        self.erased = True
        self._begin_key_epoch()

    def erase_tags(self, account: str, key_id: str) -> None:
        self._engine.send(DELETE_TAGS_OF_KEY, (account, key_id))

    def erase_replication_keks(self, keks: Sequence[ReplicationKEKRecord]) -> None:
        for kek in keks:
            self.delete_replication_kek(kek.direction, kek.peer, kek.kek_id)
            self.erased = True

    def erase_key(self, account: str, key_id: str) -> None:
        for statement in sql.ERASE_WHAT_KEYS_HAVE:
            self._engine.send(statement, (account, key_id))
        self._delete(sql.DELETE_KEY, KEYS, (account, key_id))
        self.erased = True
        self._begin_key_epoch()

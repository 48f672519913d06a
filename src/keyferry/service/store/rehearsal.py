"""Canaries and drills: part of `SQLView` and of `SQLTransaction`."""

from __future__ import annotations

from collections.abc import Sequence

from keyferry.service.store import rehearsal_sql as sql
from keyferry.service.store.engine import Row, Value
from keyferry.service.store.rehearsal_records import CanaryRecord, CutRecord
from keyferry.service.store.sql import Table


class RehearsalReads:
    """The reads of RehearsalView."""

    def _fetch(self, statement: str, parameters: Sequence[Value] = ()) -> list[Row]:
        raise NotImplementedError

    def _verified(self, table: Table, found: list[Row]) -> list[Row]:
        raise NotImplementedError

    def canary(self, peer: str) -> CanaryRecord | None:
        rows = self._verified(sql.CANARIES, self._fetch(sql.SELECT_CANARY, (peer,)))
        return sql.canary_from_row(rows[0]) if rows else None

    def cut(self, peer: str) -> CutRecord | None:
        rows = self._verified(sql.CUTS, self._fetch(sql.SELECT_CUT, (peer,)))
        return sql.cut_from_row(rows[0]) if rows else None


class RehearsalWrites(RehearsalReads):
    """The changes of RehearsalTransaction."""

    def _write(self, statement: str, table: Table, values: tuple[Value, ...]) -> int:
        raise NotImplementedError

    def put_canary(self, record: CanaryRecord) -> None:
        self._write(sql.UPSERT_CANARY, sql.CANARIES, sql.canary_values(record))

    def put_cut(self, record: CutRecord) -> None:
        self._write(sql.UPSERT_CUT, sql.CUTS, sql.cut_values(record))

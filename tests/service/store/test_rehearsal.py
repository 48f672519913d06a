"""Canaries and cuts, on every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from keyferry.errors import StoreIntegrityError
from keyferry.service.store.rehearsal_records import CanaryRecord, CutRecord
from keyferry.service.store.store import SQLStore

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
CANARY = CanaryRecord(
    peer="us-west-2", key_id="abcdefghijklmnop", owner="1f2e3d4c5b6a7988", claimed_until=NOW
)
CUT = CutRecord(
    peer="us-west-2",
    started_at=NOW,
    ends_at=NOW + timedelta(seconds=60),
    started_by="arn:aws:iam::111122223333:user/alice",
)


def test_a_canary_comes_back_as_it_was_put(store: SQLStore) -> None:
    """One for each peer, without a success at first; a later one replaces it."""
    assert store.canary(CANARY.peer) is None
    store.write_blocking(lambda tx: tx.put_canary(CANARY))
    assert store.canary(CANARY.peer) == CANARY
    proven = replace(CANARY, change_number=7, succeeded_at=NOW, lag_us=1500)
    other = replace(CANARY, peer="eu-west-1")
    store.write_blocking(lambda tx: tx.put_canary(proven))
    store.write_blocking(lambda tx: tx.put_canary(other))
    assert store.canary(CANARY.peer) == proven
    assert store.canary("eu-west-1") == other
    assert store.canary("eu-central-1") is None


def test_a_cut_comes_back_as_it_was_put(store: SQLStore) -> None:
    """The last one for each peer, whether it still holds or not."""
    assert store.cut(CUT.peer) is None
    store.write_blocking(lambda tx: tx.put_cut(CUT))
    assert store.cut(CUT.peer) == CUT
    ended = replace(CUT, ends_at=NOW + timedelta(seconds=5))
    store.write_blocking(lambda tx: tx.put_cut(ended))
    assert store.cut(CUT.peer) == ended


def test_when_a_cut_holds() -> None:
    """From its beginning up to its end; before and after it is none."""
    second = timedelta(seconds=1)
    assert CUT.holds(NOW)
    assert CUT.holds(NOW + 59 * second)
    assert not CUT.holds(NOW + 60 * second)
    assert not CUT.holds(NOW - second)


def _canary(store: SQLStore) -> object:
    return store.canary(CANARY.peer)


def _cut(store: SQLStore) -> object:
    return store.cut(CUT.peer)


@pytest.mark.parametrize(
    ("table", "column", "read"),
    [
        ("replication_canaries", "claimed_until", _canary),
        ("replication_cuts", "ends_at", _cut),
    ],
)
def test_an_edited_row_is_refused(
    store: SQLStore, table: str, column: str, read: Callable[[SQLStore], object]
) -> None:
    """Who may edit the database can neither cut Regions off nor vouch for a canary."""
    store.write_blocking(lambda tx: tx.put_canary(CANARY))
    store.write_blocking(lambda tx: tx.put_cut(CUT))
    statement = f"UPDATE {table} SET {column} = {column} + 1"
    store.write_blocking(lambda tx: tx._engine.execute(statement))  # type: ignore[attr-defined]
    with pytest.raises(StoreIntegrityError, match=table):
        read(store)

"""What a store keeps about aliases of other Regions, on every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keyferry.errors import StoreIntegrityError
from keyferry.service.store.maintenance import check_store, copy_store
from keyferry.service.store.opening import open_engine, open_store
from keyferry.service.store.records import KeyRecord
from keyferry.service.store.replication_records import (
    ArrivedAliasRecord,
    FollowedAliasRecord,
    OutboxRecord,
)
from keyferry.service.store.store import SQLStore
from keyferry.service.vault.master_key import LocalMasterKey

ACCOUNT = "111122223333"
NAME = "alias/pin"
NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)

FOLLOWED = FollowedAliasRecord(account=ACCOUNT, name=NAME, region="us-west-2", change_number=3)
ARRIVED = ArrivedAliasRecord(
    account=ACCOUNT, name=NAME, region="eu-west-1", change_number=7, is_copy=True
)


def test_numbers_come_back_as_they_were_put(store: SQLStore) -> None:
    """One row an alias and Region on either side, replaced when put again."""
    told = replace(FOLLOWED, change_number=4, message="why")
    other = replace(ARRIVED, region="ap-south-1", is_copy=False)
    for record in (FOLLOWED, told):
        store.write_blocking(lambda tx, record=record: tx.put_followed_alias(record))
    for record in (replace(ARRIVED, change_number=1), other, ARRIVED):
        store.write_blocking(lambda tx, record=record: tx.put_arrived_alias(record))
    assert store.followed_alias(ACCOUNT, NAME, "us-west-2") == told
    assert store.followed_alias(ACCOUNT, NAME, "eu-west-1") is None
    assert store.arrived_aliases(ACCOUNT, NAME) == [other, ARRIVED]
    assert store.arrived_aliases(ACCOUNT, "alias/other") == []


def test_accounts_one_after_the_other(
    store: SQLStore, key_record: Callable[..., KeyRecord]
) -> None:
    """Every account with keys once, by number; none behind the last."""
    assert store.account_after("") is None
    for number, account in enumerate(("222222222222", "000000000001", "222222222222")):
        key = key_record(number, account=account)
        store.write_blocking(lambda tx, key=key: tx.insert_key(key))
    assert store.account_after("") == "000000000001"
    assert store.account_after("000000000001") == "222222222222"
    assert store.account_after("222222222222") is None


def test_waiting_rows_are_counted_up_to_a_limit(store: SQLStore) -> None:
    """Rows for that Region that are not held; the count ends at the limit."""

    def put(tx: object) -> None:
        for number in range(6):
            tx.put_outbox(  # type: ignore[attr-defined]
                OutboxRecord(
                    account=ACCOUNT,
                    key_id=f"key{number:013d}",
                    region="us-west-2" if number else "eu-west-1",
                    change_number=1,
                    owner="me",
                    written_at=NOW,
                    due_at=NOW,
                    held=number == 5,
                )
            )

    store.write_blocking(put)
    assert store.outbox_waiting("us-west-2", limit=100) == 4
    assert store.outbox_waiting("us-west-2", limit=3) == 3
    assert store.outbox_waiting("ap-south-1", limit=3) == 0


@pytest.mark.parametrize(
    ("table", "column"), [("followed_aliases", "message"), ("arrived_aliases", "region")]
)
def test_a_changed_row_is_noticed(
    database: Path, master_key: LocalMasterKey, table: str, column: str
) -> None:
    """Both tables are under the row MAC; check names the row, and a copy is refused."""
    url = f"sqlite:///{database}"
    with open_store(url, region="us-east-1", master_key=master_key) as store:
        store.write_blocking(lambda tx: tx.put_followed_alias(FOLLOWED))
        store.write_blocking(lambda tx: tx.put_arrived_alias(ARRIVED))
    engine, target = open_engine(url), open_engine(f"{url}-copy")
    try:
        checked = check_store(engine, region="us-east-1", master_key=master_key)
        assert checked.findings == ()
        assert checked.rows[table] == 1
        engine.begin()
        engine.execute(f"UPDATE {table} SET {column} = 'us-gov-1'")
        engine.commit()
        (finding,) = check_store(engine, region="us-east-1", master_key=master_key).findings
        assert table in finding
        assert NAME in finding
        with pytest.raises(StoreIntegrityError, match=table):
            copy_store(engine, target, region="us-east-1", master_key=master_key)
    finally:
        engine.close()
        target.close()

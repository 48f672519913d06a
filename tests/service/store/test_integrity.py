"""Rows that were changed behind the store's back are not believed."""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from keyferry.errors import StoreIntegrityError
from keyferry.service.store import sql
from keyferry.service.store.records import (
    AliasRecord,
    AuthorityRecord,
    CertificateFamily,
    IssuedCertificateRecord,
    KeyRecord,
    KeyState,
    TokenPurpose,
    TokenRecord,
)
from keyferry.service.store.row_mac import RowMAC
from keyferry.service.store.store import SQLStore

ACCOUNT = "111122223333"
MakeKey = Callable[..., KeyRecord]
MakeAlias = Callable[..., AliasRecord]


def edit(database: Path, statement: str, *parameters: object) -> None:
    """Change the file as someone with access to it would."""
    connection = sqlite3.connect(database)
    with connection:
        assert connection.execute(statement, parameters).rowcount > 0
    connection.close()


@pytest.fixture
def filled(
    file_store: SQLStore,
    key_record: MakeKey,
    alias_record: MakeAlias,
    token_record: Callable[..., TokenRecord],
    authority_record: AuthorityRecord,
    issued_certificate: IssuedCertificateRecord,
) -> SQLStore:
    """A store with a row in every table."""

    def fill(tx: SQLStore) -> None:
        tx.insert_key(key_record(1, usage_stopped_at=None), [("team", "pin")])
        tx.insert_key(key_record(2), [("team", "mac")])
        tx.insert_alias(alias_record("pin", key_record(1).key_id))
        tx.insert_token(token_record(1))
        tx.insert_authority(authority_record)
        tx.put_issued_certificate(issued_certificate)

    file_store.write_blocking(fill)
    return file_store


def read_everything(store: SQLStore) -> None:
    """Every read of one row of every table."""
    store.key(ACCOUNT, "key0000000000001")
    store.alias(ACCOUNT, "alias/pin")
    store.tags(ACCOUNT, "key0000000000001")
    store.token(ACCOUNT, f"import-token-{1:016d}")
    store.authority(ACCOUNT, CertificateFamily.RSA)
    store.issued_certificate(ACCOUNT, "key0000000000001")


# Columns that find a row are changed by copying it, further below.
EDITED_COLUMNS = [
    pytest.param(table, column, id=f"{table.name}.{column}")
    for table in (
        sql.KEYS,
        sql.ALIASES,
        sql.TAGS,
        sql.TOKENS,
        sql.AUTHORITIES,
        sql.ISSUED_CERTIFICATES,
    )
    for column in (*table.columns, "row_mac")
    if column not in table.key
]


@pytest.mark.parametrize(("table", "column"), EDITED_COLUMNS)
def test_every_column_is_covered(
    filled: SQLStore, database: Path, table: sql.Table, column: str
) -> None:
    """Another value in any column of any table makes the row unusable; its neighbours live."""
    read_everything(filled)
    where = " WHERE key_id = 'key0000000000001'" if table.name in ("keys", "tags") else ""
    edit(
        database,
        f"UPDATE {table.name} SET {column} = "
        f"CASE typeof({column}) WHEN 'integer' THEN {column} + 1 WHEN 'null' THEN 'X' "
        f"WHEN 'text' THEN {column} || 'X' ELSE CAST({column} || x'00' AS BLOB) END{where}",
    )
    with pytest.raises(StoreIntegrityError, match=table.name):
        read_everything(filled)
    assert filled.key(ACCOUNT, "key0000000000002") is not None


def test_listings_verify_too(
    filled: SQLStore, database: Path, token_record: Callable[..., TokenRecord]
) -> None:
    """A changed row is found by every way to read it, within a change as well."""
    edit(database, "UPDATE keys SET state = 'DELETE_PENDING', delete_pending_at = 0")
    edit(database, "UPDATE aliases SET key_id = 'key0000000000002'")
    edit(database, "UPDATE tokens SET valid_until = valid_until + 1")
    now = token_record(1).created_at
    for read in (
        lambda view: view.keys(ACCOUNT, limit=10),
        lambda view: view.keys(ACCOUNT, state=KeyState.DELETE_PENDING, limit=10),
        lambda view: view.keys_due_for_destruction(now, limit=10),
        lambda view: view.aliases(ACCOUNT, limit=10),
        lambda view: view.aliases(ACCOUNT, key_id="key0000000000002", limit=10),
        lambda view: view.latest_token(ACCOUNT, TokenPurpose.IMPORT, "TR34_KEY_BLOCK", "RSA_2048"),
    ):
        with pytest.raises(StoreIntegrityError):
            read(filled)
        with pytest.raises(StoreIntegrityError):
            filled.write_blocking(read)


def test_a_row_is_not_another_row(filled: SQLStore, database: Path) -> None:
    """A row copied whole onto another name, MAC included, does not verify."""
    edit(database, "UPDATE aliases SET name = 'alias/other'")
    with pytest.raises(StoreIntegrityError):
        filled.alias(ACCOUNT, "alias/other")
    columns = ", ".join((*sql.KEYS.columns[2:], "row_mac"))
    edit(
        database,
        f"INSERT INTO keys (account, key_id, {columns}) "
        f"SELECT account, 'key0000000000003', {columns} FROM keys "
        "WHERE key_id = 'key0000000000001'",
    )
    with pytest.raises(StoreIntegrityError):
        filled.key(ACCOUNT, "key0000000000003")


def test_mac_is_bound_to_table_and_region() -> None:
    """The same columns in another table, Region or store give another MAC."""
    row = (ACCOUNT, "a", None, 1)
    macs = {
        RowMAC(bytes(32), region="us-east-1").mac("aliases", row),
        RowMAC(bytes(32), region="us-east-1").mac("tags", row),
        RowMAC(bytes(32), region="us-west-2").mac("aliases", row),
        RowMAC(bytes([1] * 32), region="us-east-1").mac("aliases", row),
        RowMAC(bytes(32), region="us-east-1").mac("aliases", (ACCOUNT, "a", "", 1)),
        RowMAC(bytes(32), region="us-east-1").mac("aliases", (ACCOUNT, "a", None, "1")),
        RowMAC(bytes(32), region="us-east-1").mac("aliases", (ACCOUNT + "a", None, 1)),
    }
    assert len(macs) == 7


def test_mac_is_what_it_was() -> None:
    """The encoding under the MAC does not change between releases: a store must stay readable."""
    row = ("1", b"\x01\x02", None, 300)
    # MessagePack written by hand: array of 6, "t", "r", "1", bin 0102, nil, uint16 300.
    message = bytes.fromhex("96a174a172a131c4020102c0cd012c")
    expected = hmac.new(bytes(32), message, "sha256").digest()
    assert RowMAC(bytes(32), region="r").mac("t", row) == expected

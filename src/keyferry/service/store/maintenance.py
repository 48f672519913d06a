"""
Looking after stores while no request does: checking every row, and copying a store elsewhere.

Both go through whatever tables the database has, page by page in the order of the primary key, so
that a table added later is neither left out nor needs a word here. A table whose rows carry a row
MAC is verified; one that carries a MAC but that this build does not know is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from keyferry.errors import StoreError, StoreIntegrityError
from keyferry.service.store import inspection_sql, rehearsal_sql, replication_sql, sql
from keyferry.service.store.engine import Engine, Row, TableShape, Value
from keyferry.service.store.migrate import migrate, missing
from keyferry.service.store.opening import kept_store_key
from keyferry.service.store.row_mac import RowMAC
from keyferry.service.vault.master_key import MasterKey

PAGE_ROWS = 500
_VERSIONS = "schema_migrations"  # each database keeps its own
_SEALED = {
    table.name: table
    for module in (sql, replication_sql, inspection_sql, rehearsal_sql)
    for table in vars(module).values()
    if isinstance(table, sql.Table)
}
_encode = msgspec.msgpack.Encoder().encode
Fetch = Callable[[str, Sequence[Value]], list[Row]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedStore:
    """What a check found."""

    rows: dict[str, int]  # by table
    findings: tuple[str, ...]  # what is wrong, a line each; empty if nothing is


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedStore:
    """What a copy brought over; every row was read back and compared."""

    rows: dict[str, int]  # by table


def check_store(engine: Engine, *, region: str, master_key: MasterKey | str) -> CheckedStore:
    """
    Verify every row of a store; a service may go on using it meanwhile.

    Raises:
        ConfigurationError, MasterKeyError, StoreError: the store cannot be opened at all.
    """
    row_mac = _row_mac(engine.fetch, engine, region=region, master_key=master_key)
    findings = engine.findings()
    rows: dict[str, int] = {}
    for name, shape in _content(engine).items():
        rows[name] = 0
        for row in _rows(engine.fetch, name, shape):
            rows[name] += 1
            try:
                _verify(row_mac, name, shape, row)
            except StoreIntegrityError as error:
                findings.append(str(error))
    return CheckedStore(rows=rows, findings=tuple(findings))


def copy_store(
    source: Engine, target: Engine, *, region: str, master_key: MasterKey | str
) -> CopiedStore:
    """
    Copy a Region's store into an empty database, in one transaction of the target.

    The source is locked against writers while it is read. Positions stay what they are, so that
    cursors of lists and of the trail go on in the copy; the master key stays the same too.

    Raises:
        ConfigurationError, MasterKeyError: the source does not open for this Region.
        StoreIntegrityError: a row of the source does not verify; nothing is copied.
        StoreError: the target holds something, the source is of an older schema, a database
            failed, or what was read back is not what was written. Nothing is copied.
    """
    if any(_count(target, name) for name in _content(target)):
        raise StoreError(
            "the target is not empty", hint="copy into a new database; nothing is overwritten"
        )
    migrate(target)
    target.begin()
    try:
        written = _copy_tables(source, target, region=region, master_key=master_key)
    except BaseException:
        target.rollback()
        raise
    target.commit()
    return CopiedStore(rows={name: count for name, (count, _) in written.items()})


def _copy_tables(
    source: Engine, target: Engine, *, region: str, master_key: MasterKey | str
) -> dict[str, tuple[int, bytes]]:
    """Copy all tables within the target's transaction; their row counts and digests, by name."""
    source.begin()
    try:
        row_mac = _row_mac(
            source.fetch_in_transaction, source, region=region, master_key=master_key
        )
        tables, present = _content(source), _content(target)
        for name, shape in tables.items():
            if name not in present or {*shape.columns} != {*present[name].columns}:
                raise StoreError(f"table {name} is not the same in source and target")
            # A service may have opened the target since we looked; from here on it must wait.
            if target.fetch_in_transaction(f"SELECT 1 FROM {name} LIMIT 1"):  # noqa: S608
                raise StoreError("the target is not empty: somebody uses it")
        written = {
            name: _copy_table(source, target, row_mac, name, shape)
            for name, shape in tables.items()
        }
    finally:
        source.rollback()
    for name, shape in tables.items():
        if _digest(target, row_mac, name, shape) != written[name]:
            raise StoreError(f"table {name} of the copy is not what was written")
        if "position" in shape.columns:
            target.continue_positions(name)
    return written


def _content(engine: Engine) -> dict[str, TableShape]:
    return {name: shape for name, shape in engine.tables().items() if name != _VERSIONS}


def _count(engine: Engine, name: str) -> int:
    return int(engine.fetch(f"SELECT count(*) FROM {name}")[0][0])  # noqa: S608 -- its own name


def _row_mac(fetch: Fetch, engine: Engine, *, region: str, master_key: MasterKey | str) -> RowMAC:
    if missing(engine):
        raise StoreError(
            "the store is of an older schema, or none", hint="run keyferry store migrate first"
        )
    meta = {str(name): bytes(value) for name, value in fetch(sql.SELECT_META, ())}
    store_key = kept_store_key(meta, region=region, master_key=master_key)
    return RowMAC(store_key.derive("row MAC"), region=region)


def _rows(fetch: Fetch, name: str, shape: TableShape) -> Iterator[Row]:
    """Every row of a table in the order of its key, with the columns in their own order."""
    key = ", ".join(shape.key)
    marks = ", ".join("?" * len(shape.key))
    select = f"SELECT {', '.join(shape.columns)} FROM {name}"  # noqa: S608 -- names of the schema
    order = f"ORDER BY {key} LIMIT {PAGE_ROWS}"
    places = [shape.columns.index(column) for column in shape.key]
    page = fetch(f"{select} {order}", ())
    while page:
        yield from page
        last = [page[-1][place] for place in places]
        page = fetch(f"{select} WHERE ({key}) > ({marks}) {order}", last)


def _verify(row_mac: RowMAC, name: str, shape: TableShape, row: Row) -> None:
    """Raise StoreIntegrityError unless the row's MAC verifies; some tables have none."""
    if "row_mac" not in shape.columns:
        return
    table = _SEALED.get(name)
    if table is None or not {*table.columns} <= {*shape.columns}:
        raise StoreError(f"table {name} has a row MAC this build does not know")
    by_name = dict(zip(shape.columns, row, strict=True))
    sealed = tuple(by_name[column] for column in (*table.columns, "row_mac"))
    row_mac.verify(name, sealed, name=" ".join(str(by_name[column]) for column in table.key))


def _copy_table(
    source: Engine, target: Engine, row_mac: RowMAC, name: str, shape: TableShape
) -> tuple[int, bytes]:
    """Copy the rows and return their number and a digest over them."""
    marks = ", ".join("?" * len(shape.columns))
    insert = f"INSERT INTO {name} ({', '.join(shape.columns)}) VALUES ({marks})"  # noqa: S608
    digest = hashlib.sha256()
    count = 0
    for row in _rows(source.fetch_in_transaction, name, shape):
        _verify(row_mac, name, shape, row)
        target.execute(insert, row)
        digest.update(_encode(row))
        count += 1
    return count, digest.digest()


def _digest(engine: Engine, row_mac: RowMAC, name: str, shape: TableShape) -> tuple[int, bytes]:
    digest = hashlib.sha256()
    count = 0
    for row in _rows(engine.fetch_in_transaction, name, shape):
        _verify(row_mac, name, shape, row)
        digest.update(_encode(row))
        count += 1
    return count, digest.digest()

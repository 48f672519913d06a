"""
SQLite as the engine of a store: one file in WAL mode, or a database in memory.

The file is durable at every commit (synchronous FULL) and several processes may use it at once:
a writer waits its turn up to BUSY_TIMEOUT_S. Readers have a connection per thread, kept, because
a connection keeps its prepared statements. What is deleted is overwritten with zeros
(secure_delete), and `erase_traces` empties the write-ahead log, which holds older page images.

A database in memory has one connection; a lock keeps readers out while a transaction is open, so
that they too see committed states only.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from keyferry.errors import StoreError
from keyferry.service.errors import ConflictError
from keyferry.service.store.engine import Query, Row, TableShape, Value

BUSY_TIMEOUT_S = 10.0
# The erasure of a log another process still reads is retried later; waiting would hold up writers.
_ERASE_TIMEOUT_S = 0.25
# Pages in the log at which a commit moves them itself (SQLite's default is 1,000); `tidy` is
# there to do it before, so that no commit takes long.
_LONG_LOG_PAGES = 4000

_WRITER_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA trusted_schema = OFF",
    f"PRAGMA wal_autocheckpoint = {_LONG_LOG_PAGES}",
)

_SELECT_TABLES = (
    "SELECT m.name, c.name, c.pk FROM sqlite_master m JOIN pragma_table_info(m.name) c "
    "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' ORDER BY m.name, c.cid"
)


class SQLiteEngine:
    """The engine of a `sqlite:///FILE` store, or of a `memory:` store when `path` is None."""

    is_remote = False
    column_types: Mapping[str, str] = MappingProxyType(
        {"position": "INTEGER PRIMARY KEY", "bytes": "BLOB", "text": "TEXT"}
    )

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._kept = threading.local()
        self._readers: weakref.WeakSet[_Reader] = weakref.WeakSet()
        self._closed = False
        self._tidier: sqlite3.Connection | None = None
        # Only a database in memory shares its connection; re-entrant, since a change may read.
        self._memory_lock = threading.RLock() if path is None else None
        if path is not None:
            _create_file(path)
        self._name = "the store in memory" if path is None else str(path)
        try:
            self._writer = _connect(path)
        except sqlite3.Error as error:
            raise StoreError(f"{self._name}: {error}") from error
        try:
            for pragma in _WRITER_PRAGMAS:
                self._writer.execute(pragma).fetchall()
            # A process that was killed after a destruction may have left its log behind.
            self._truncate_log()
            self._set_busy_timeout(0)
        except sqlite3.Error as error:
            self._writer.close()
            raise StoreError(f"{self._name}: {error}") from error

    # --- reading -------------------------------------------------------------------------------

    def fetch(self, statement: str, parameters: Sequence[Value] = ()) -> list[Row]:
        if self._memory_lock is not None:
            with self._memory_lock:
                return self._run(self._writer, statement, parameters).fetchall()
        try:
            reader: _Reader = self._kept.reader
        except AttributeError:
            reader = self._kept.reader = self._open_reader()
        # fetchall ends the read transaction at once: a snapshot left open would keep the log.
        try:
            return reader.connection.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self._name}: {error}") from error

    def fetch_many(self, queries: Sequence[Query]) -> list[list[Row]]:
        return [self.fetch(*query) for query in queries]

    def _open_reader(self) -> _Reader:
        if self._closed:
            raise StoreError(f"{self._name}: the store is closed")
        try:
            connection = _connect(self._path)
            connection.execute("PRAGMA query_only = ON").fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self._name}: {error}") from error
        reader = _Reader(connection)
        self._readers.add(reader)
        return reader

    def key_epoch(self, read: Callable[[], bytes]) -> bytes:
        return read()  # a row of this machine costs little, and is always the truth

    # --- the one writer ------------------------------------------------------------------------

    def _run(
        self, connection: sqlite3.Connection, statement: str, parameters: Sequence[Value] = ()
    ) -> sqlite3.Cursor:
        try:
            return connection.execute(statement, parameters)
        except sqlite3.Error as error:
            raise StoreError(f"{self._name}: {error}") from error

    def begin(self, *, wait: bool = True) -> bool:
        if self._memory_lock is not None and not self._memory_lock.acquire(blocking=wait):
            return False
        try:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")  # one that could not be rolled back before
            if wait:
                self._set_busy_timeout(BUSY_TIMEOUT_S)
            try:
                self._writer.execute("BEGIN IMMEDIATE")
            finally:
                if wait:
                    self._set_busy_timeout(0)
        except sqlite3.Error as error:
            self._unlock()
            if not wait and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                return False
            raise StoreError(f"{self._name}: {error}") from error
        return True

    def begin_asking(self, queries: Sequence[Query]) -> list[list[Row]]:
        self.begin(wait=True)
        try:
            return [self.fetch_in_transaction(*query) for query in queries]
        except StoreError:
            self.rollback()
            raise

    def _set_busy_timeout(self, seconds: float) -> None:
        self._writer.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}").fetchall()

    def fetch_in_transaction(self, statement: str, parameters: Sequence[Value] = ()) -> list[Row]:
        return self._run(self._writer, statement, parameters).fetchall()

    def execute(self, statement: str, parameters: Sequence[Value] = ()) -> int:
        # Without this a statement after a transaction SQLite gave up would commit by itself.
        if not self._writer.in_transaction:
            raise StoreError(f"{self._name}: the transaction was given up")
        return self._run(self._writer, statement, parameters).rowcount

    def send(
        self, statement: str, parameters: Sequence[Value] = (), *, otherwise: str | None = None
    ) -> None:
        if not self.execute(statement, parameters) and otherwise is not None:
            raise ConflictError(otherwise)

    def savepoint(self) -> None:
        self._run(self._writer, "SAVEPOINT change")

    def release(self) -> None:
        self._run(self._writer, "RELEASE change")

    def undo(self) -> None:
        self._run(self._writer, "ROLLBACK TO change")
        self._run(self._writer, "RELEASE change")

    def announce_key_epoch(self) -> None:
        """Nothing to do: everybody reads the epoch itself."""

    def commit(self) -> None:
        if not self._writer.in_transaction:
            raise StoreError(f"{self._name}: the transaction was given up")
        self._run(self._writer, "COMMIT")
        self._unlock()

    def rollback(self) -> None:
        try:
            # SQLite has rolled back by itself after some failures, a full disk for one.
            if self._writer.in_transaction:
                self._run(self._writer, "ROLLBACK")
        finally:
            self._unlock()

    def _unlock(self) -> None:
        if self._memory_lock is not None:
            self._memory_lock.release()

    # --- for maintenance -----------------------------------------------------------------------

    def tables(self) -> dict[str, TableShape]:
        return TableShape.gather(self.fetch(_SELECT_TABLES))

    def continue_positions(self, table: str) -> None:
        """Nothing to do: SQLite counts on from the largest that is there."""

    def findings(self) -> list[str]:
        found = self.fetch("PRAGMA integrity_check")
        return [f"{self._name}: {line}" for (line,) in found if line != "ok"]

    # --- erasing and closing -------------------------------------------------------------------

    def erase_traces(self) -> bool:
        try:
            self._set_busy_timeout(_ERASE_TIMEOUT_S)
            erased = self._truncate_log()
            self._set_busy_timeout(0)
        except sqlite3.Error as error:
            raise StoreError(f"{self._name}: {error}") from error
        return erased

    def tidy(self) -> None:
        """Move what is in the log into the database; neither readers nor the writer wait for it."""
        if self._path is None:
            return
        try:
            if self._tidier is None:
                self._tidier = _connect(self._path)
            self._tidier.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error:
            # Nothing depends on it: the writer moves the log itself once it is long enough.
            return

    def _truncate_log(self) -> bool:
        """Move the log into the database and cut it to nothing; False if a reader is in it."""
        if self._path is None:
            return True
        busy, _, _ = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0]
        return not busy

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for reader in list(self._readers):
            reader.close()
        if self._tidier is not None:
            self._tidier.close()
        self._writer.close()


class _Reader:
    """A thread's connection; it goes with the thread that kept it."""

    __slots__ = ("__weakref__", "connection")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def close(self) -> None:
        self.connection.close()

    def __del__(self) -> None:
        self.connection.close()


def _connect(path: Path | None) -> sqlite3.Connection:
    return sqlite3.connect(
        ":memory:" if path is None else path,
        isolation_level=None,  # we begin and commit ourselves
        check_same_thread=False,  # opened and closed on other threads than the one that uses it
        cached_statements=256,
        timeout=BUSY_TIMEOUT_S,
    )


def _create_file(path: Path) -> None:
    """Make the file for its owner alone; SQLite gives its log the mode of the file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error

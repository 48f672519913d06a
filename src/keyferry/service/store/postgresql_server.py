"""
How a PostgreSQL database is reached: its URL, the defaults we add to it, and its connections.

The URL is libpq's (`postgresql://USER@HOST:PORT/DATABASE?sslmode=verify-full`), so a password may
stay in `~/.pgpass`, PGPASSWORD or a service file. What a URL or the server says about a password
is never repeated in an error.
"""

from __future__ import annotations

import ipaddress
import os
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from keyferry.errors import ConfigurationError, StoreError
from keyferry.service.store.postgresql_connection import Connection, Context

OLDEST_VERSION = 150000  # 15.0, as the server counts
CONNECT_TIMEOUT_S = 5
# A writer waits so long for its turn, a statement may run so long, and a transaction may stand
# still so long (a stopped process, a machine that is gone) before the server ends it: it holds the
# lock all others wait for.
LOCK_TIMEOUT_S = 10
STATEMENT_TIMEOUT_S = 30
STANDSTILL_TIMEOUT_S = 10

_DEFAULTS = {
    "connect_timeout": str(CONNECT_TIMEOUT_S),
    "fallback_application_name": "keyferry",
    # After a failover a URL of several hosts must lead to the one that takes writes.
    "target_session_attrs": "read-write",
    # A server that is gone without a word is noticed within half a minute.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
# Every statement of ours finds its rows by an index. A plan made while a table was small would
# read it from end to end, and be kept while the table grows.
# One plan does for all values then, and planning takes longer than the statements themselves: left
# to itself the server plans every look-up anew, since it overrates what arrays hold.
_BY_INDEX = "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan"
_READER_SETTINGS = (
    f"SET statement_timeout = '{STATEMENT_TIMEOUT_S}s'; SET default_transaction_read_only = on; "
    f"{_BY_INDEX}"
)
# A role or a database may have a weaker default for what "committed" means; a stronger one stays.
_WRITER_SETTINGS = (
    f"SET statement_timeout = '{STATEMENT_TIMEOUT_S}s'; SET lock_timeout = '{LOCK_TIMEOUT_S}s'; "
    f"SET idle_in_transaction_session_timeout = '{STANDSTILL_TIMEOUT_S}s'; {_BY_INDEX}; "
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') <> 'remote_apply'"
)


class PostgreSQLServer:
    """Opens connections to one database."""

    def __init__(self, url: str) -> None:
        """Raises ConfigurationError if the URL is not one; nothing is connected yet."""
        try:
            given = conninfo_to_dict(url)
        except psycopg.Error:
            # What libpq says here may repeat a password.
            raise ConfigurationError(
                "store postgresql: the URL cannot be read",
                hint="use postgresql://USER@HOST:PORT/DATABASE; %-escape what is special in a URL",
            ) from None
        database = given.get("dbname")
        if not database:
            raise ConfigurationError(
                "store postgresql: the URL names no database",
                hint="use postgresql://USER@HOST:PORT/DATABASE",
            )
        host = given.get("host") or os.environ.get("PGHOST", "")
        if not _is_local(str(host)) and "PGSSLMODE" not in os.environ:
            # Never in the clear by accident; whoever wants the server proven says verify-full.
            given.setdefault("sslmode", "require")
        self.database = str(database)
        self.name = f"PostgreSQL database {self.database}" + (f" at {host}" if host else "")
        self._parameters: dict[str, Any] = {**_DEFAULTS, **given, "client_encoding": "UTF8"}

    def __repr__(self) -> str:
        return f"<PostgreSQLServer: {self.name}>"

    def connect(self) -> Connection:
        """Open a bare connection in autocommit; raises psycopg.Error."""
        return self._connect(self._parameters)

    def connect_reader(self) -> Connection:
        """Open a connection that cannot write; raises psycopg.Error."""
        return self._connect(self._parameters, _READER_SETTINGS)

    def connect_writer(self) -> Connection:
        """Open a connection whose commits are on disk; raises psycopg.Error."""
        return self._connect(self._parameters, _WRITER_SETTINGS)

    @staticmethod
    def _connect(parameters: dict[str, Any], settings: str | None = None) -> Connection:
        connection = Connection.connect(
            make_conninfo(**parameters),
            autocommit=True,
            # A connection prepares its own, and psycopg must not drop them with those it would.
            prepare_threshold=None,
            cursor_factory=psycopg.RawCursor,
            context=Context,
        )
        try:
            if settings is not None:
                connection.execute(settings)
        except BaseException:
            connection.close()
            raise
        return connection

    def require(self, *, create: bool) -> None:
        """
        See that the database is there and fit for a store.

        Args:
            create: make the database if it does not exist and the role may.

        Raises:
            StoreError: it is not, or the server cannot be reached; says why.
        """
        try:
            connection = self.connect()
        except psycopg.Error as error:
            if not self._is_missing():
                raise self.failed(error) from None
            if not create:
                raise StoreError(f"{self.name}: no such database") from None
            self._create()
            try:
                connection = self.connect()
            except psycopg.Error as again:
                raise self.failed(again) from None
        with connection:
            version = connection.info.server_version
            encoding = connection.info.parameter_status("server_encoding")
        if version < OLDEST_VERSION:
            raise StoreError(
                f"{self.name}: server version {version // 10000}, expected 15 or newer"
            )
        if encoding != "UTF8":
            raise StoreError(
                f"{self.name}: its encoding is {encoding}, expected UTF8",
                hint="create the database WITH ENCODING 'UTF8' TEMPLATE template0",
            )

    def failed(self, error: psycopg.Error) -> StoreError:
        """An error of the server in our words: its first line, without the values involved."""
        words = error.diag.message_primary or str(error).strip().partition("\n")[0]
        return StoreError(f"{self.name}: {words or type(error).__name__}")

    def _is_missing(self) -> bool:
        """Whether the server can be reached, and has no such database."""
        try:
            with self._connect(self._maintenance()) as connection:
                found = connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = $1", (self.database,)
                ).fetchone()
        except psycopg.Error:
            return False
        return found is None

    def _create(self) -> None:
        statement = sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(
            sql.Identifier(self.database)
        )
        try:
            with self._connect(self._maintenance()) as connection:
                connection.execute(statement)
        except errors.InsufficientPrivilege:
            raise StoreError(
                f"{self.name}: no such database, and this role may not create one",
                hint=f"have it made: createdb --encoding=UTF8 --template=template0 {self.database}",
            ) from None
        except psycopg.Error as error:
            # Two processes that start together both find it missing; one makes it.
            if self._is_missing():
                raise self.failed(error) from None

    def _maintenance(self) -> dict[str, Any]:
        return {**self._parameters, "dbname": "postgres"}


def is_broken(connection: Connection, error: psycopg.Error) -> bool:
    """
    Whether a connection is of no use after an error: it is cut, the server shuts down (57P..),
    something lies in between that gave up (08...), or the server takes no writes any more (25006).
    """
    state = error.sqlstate or ""
    return connection.closed or state.startswith(("57P", "08")) or state in ("25006", "25P03")


def _is_local(hosts: str) -> bool:
    """Whether all hosts of a URL are sockets or loopback addresses of this machine."""
    return all(map(_is_local_host, hosts.split(",")))


def _is_local_host(host: str) -> bool:
    if host in ("", "localhost") or host.startswith(("/", "@")):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

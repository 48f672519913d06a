"""
A PostgreSQL server of a test run's own: made in a temporary folder, on loopback, gone afterwards.

It needs the programs of PostgreSQL 15 or newer (Debian: `apt install postgresql`), but no server
that runs already. PostgreSQL refuses to run as root; started by root, it runs as `postgres`.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Self

import psycopg
from psycopg import sql

from keyferry.errors import ConfigurationError

_TIMEOUT_S = 60


def find_programs() -> Path | None:
    """The folder of initdb and pg_ctl, the newest if there are several; None without any."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3])
    )
    if found:
        return found[-1].parent
    program = shutil.which("pg_ctl")
    return None if program is None else Path(program).resolve().parent


class PostgreSQLCluster:
    """A server on a free port of 127.0.0.1, with the role `keyferry`, which needs no password."""

    def __init__(self) -> None:
        """Make the cluster; raises ConfigurationError if PostgreSQL is not installed."""
        programs = find_programs()
        if programs is None:
            raise ConfigurationError(
                "PostgreSQL is not installed", hint="on Debian: apt install postgresql"
            )
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="keyferry-postgresql-"))
        self._user: str | None = None
        if os.geteuid() == 0:
            self._user = "postgres"
            shutil.chown(self._folder, self._user)
        self._data = self._folder / "data"
        # Found free now; between this and the start somebody else may take it, so `start` retries.
        self.port = _free_port()
        try:
            self._run(
                *("initdb", "--pgdata", str(self._data), "--username", "keyferry"),
                *("--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
            )
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def __enter__(self) -> Self:
        try:
            self.start(retries=5)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop("immediate")
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def start(self, *, retries: int = 0) -> None:
        """Start the server and wait until it takes connections."""
        while True:
            options = (
                f"-c listen_addresses=127.0.0.1 -c port={self.port}"
                f" -c unix_socket_directories={self._folder} -c max_connections=200"
                " -c log_min_messages=warning -c shared_buffers=32MB"
            )
            try:
                self._run(
                    *("pg_ctl", "start", "-w", "-D", str(self._data), "-o", options),
                    *("-l", str(self._folder / "log")),
                )
            except subprocess.CalledProcessError:
                if not retries:
                    raise
                retries -= 1
                self.port = _free_port()
            else:
                return

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; `immediate` is a crash, from which the next start recovers."""
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", "stop", "-w", "-m", mode, "-D", str(self._data))

    def restart(self, mode: str = "fast") -> None:
        self.stop(mode)
        self.start()

    def url(self, database: str) -> str:
        """What `--store` takes."""
        return f"postgresql://keyferry@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """A connection in autocommit."""
        return psycopg.connect(self.url(database), autocommit=True)

    def drop(self, database: str) -> None:
        """Remove a database and whoever is connected to it."""
        with self.connect() as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database))
            )

    def _run(self, program: str, *arguments: str) -> None:
        with (self._folder / f"{program}.out").open("ab") as output:
            subprocess.run(  # noqa: S603 -- our own arguments
                [str(self._programs / program), *arguments],
                check=True,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                # A file: the server keeps what it inherits, and a pipe would never end.
                stdout=output,
                stderr=output,
                user=self._user,
                group=self._user,
                extra_groups=None if self._user is None else [],
                timeout=_TIMEOUT_S,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
            )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])

"""
A connection to PostgreSQL on which many statements make one exchange: all there, all back.

What costs time is not the statements but the turns. Between two of them a thread gives the
interpreter away and, while the event loop is busy, has to win it back, which takes longer than the
database does. psycopg takes a turn for every statement, so here libpq is given all of them first,
and there is one turn for all their answers.

Statements are prepared when they are first met, under names of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import adapt
from psycopg.abc import PQGen
from psycopg.adapt import PyFormat
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult
from psycopg.types.array import ListBinaryDumper
from psycopg.types.numeric import Int8BinaryDumper
from psycopg.waiting import Ready, Wait

from keyferry.service.store.engine import Query, Row

# One type for every integer, so that a statement has one prepared form whatever its values are.
_adapters = adapt.AdaptersMap(psycopg.adapters)
_adapters.register_dumper(int, Int8BinaryDumper)
_adapters.register_dumper(list, ListBinaryDumper)  # with the one above for its integers

# Bounds what a server keeps for a connection. One statement has several forms, since a NULL has no
# type; all of ours are about two hundred.
MOST_PREPARED = 400
# The server has no such prepared statement, or the table is another than it was prepared for.
_STALE = frozenset({"26000", "0A000"})


class Context:
    """What psycopg takes its adapters from."""

    adapters = _adapters
    connection = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a statement."""

    rows: list[Row]
    count: int  # of the rows it found or changed


@dataclass(frozen=True, slots=True)
class _Command:
    """A statement as libpq takes it."""

    text: bytes
    types: tuple[int, ...]
    name: bytes
    is_new: bool  # to be prepared under its name first
    values: Sequence[Any]
    formats: Sequence[Format] | None


class Connection(psycopg.Connection[Row]):
    """Belongs to one thread at a time. Statements of ours go through `ask` or `exchange`."""

    def __init__(self, pgconn: PGconn, *arguments: Any) -> None:
        super().__init__(pgconn, *arguments)
        self._adapter = adapt.Transformer(Context)
        self._names: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        self._named = 0

    def ask(self, queries: Sequence[Query]) -> list[Answer]:
        """The answers to all; raises psycopg.Error if any statement failed."""
        answers, error = self.exchange(queries)
        if error is not None:
            raise error
        return answers

    def exchange(self, queries: Sequence[Query]) -> tuple[list[Answer], psycopg.Error | None]:
        """
        Have statements run one behind the other, in one round trip.

        Returns:
            The answers up to the first statement that failed, and its error; those behind it were
            not run. Unless a transaction was begun, none of them has had an effect then.

        Raises:
            psycopg.Error: a value cannot be sent, and nothing was; or the connection is lost, and
                closed now, and what was run is not known.
        """
        if len(self._names) > MOST_PREPARED:
            self._names.clear()
            self.execute(b"DEALLOCATE ALL")
        commands = self._commands(queries)
        try:
            results = self.wait(_converse(self.pgconn, commands))
        except BaseException:
            # Answers that were not read would be taken for those of the next exchange.
            self.close()
            raise
        return self._read(commands, results)

    def _commands(self, queries: Sequence[Query]) -> list[_Command]:
        commands = []
        new: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        for statement, parameters in queries:
            text = _numbered(statement)
            values = self._adapter.dump_sequence(parameters, [PyFormat.AUTO] * len(parameters))
            types = self._adapter.types or ()
            name = self._names.get((text, types)) or new.get((text, types))
            is_new = name is None
            if name is None:
                self._named += 1
                name = new[text, types] = b"keyferry_%d" % self._named
            commands.append(_Command(text, types, name, is_new, values, self._adapter.formats))
        return commands

    def _read(
        self, commands: Sequence[_Command], results: Iterable[PGresult]
    ) -> tuple[list[Answer], psycopg.Error | None]:
        answers: list[Answer] = []
        following = iter(results)
        for command in commands:
            if command.is_new:
                prepared = next(following)
                if prepared.status != ExecStatus.COMMAND_OK:
                    return answers, error_from_result(prepared)
                self._names[command.text, command.types] = command.name
            result = next(following)
            if result.status == ExecStatus.TUPLES_OK:
                self._adapter.set_pgresult(result)
                rows = self._adapter.load_rows(0, result.ntuples, tuple)
                answers.append(Answer(rows, len(rows)))
            elif result.status == ExecStatus.COMMAND_OK:
                answers.append(Answer([], result.command_tuples or 0))
            else:
                error = error_from_result(result)
                if error.sqlstate in _STALE:
                    del self._names[command.text, command.types]
                return answers, error
        return answers, None


def _converse(pgconn: PGconn, commands: Sequence[_Command]) -> PQGen[list[PGresult]]:
    """Send commands and return their results; a wait of psycopg drives it."""
    pgconn.enter_pipeline_mode()
    expected = 0
    for command in commands:
        if command.is_new:
            pgconn.send_prepare(command.name, command.text, param_types=command.types)
            expected += 1
        pgconn.send_query_prepared(
            command.name,
            command.values,
            param_formats=command.formats,
            result_format=Format.BINARY,
        )
        expected += 1
    pgconn.pipeline_sync()
    while pgconn.flush():
        # Answers are taken in meanwhile: a server nobody listens to stops listening itself.
        if (yield Wait.RW) & Ready.R:
            pgconn.consume_input()
    results = []
    for _ in range(expected):
        results.append((yield from _result(pgconn)))
        if pgconn.get_result() is not None:
            raise psycopg.OperationalError("a statement had two results")
    synchronized = yield from _result(pgconn)
    if synchronized.status != ExecStatus.PIPELINE_SYNC:
        raise psycopg.OperationalError("the connection is out of step")
    pgconn.exit_pipeline_mode()
    return results


def _result(pgconn: PGconn) -> PQGen[PGresult]:
    while pgconn.is_busy():
        while not (yield Wait.R):
            continue  # nothing came for a while; whether to go on is the server's timeouts' to say
        pgconn.consume_input()
    result = pgconn.get_result()
    if result is None:
        raise psycopg.OperationalError("the connection is lost")
    return result


@lru_cache(maxsize=512)
def _numbered(statement: str) -> bytes:
    """Spell the parameters of a statement: $1, $2, … for each `?`; our SQL has no other."""
    first, *rest = statement.split("?")
    return (first + "".join(f"${n}{part}" for n, part in enumerate(rest, start=1))).encode()

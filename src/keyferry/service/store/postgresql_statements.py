"""Statements as PostgreSQL gets them: spelled its way, and many in one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import psycopg

from keyferry.service.store.engine import Query, Row, Value
from keyferry.service.store.postgresql_bulk import BulkStatements, RowName
from keyferry.service.store.postgresql_server import Connection


@lru_cache(maxsize=512)
def numbered(statement: str) -> bytes:
    """Spell the parameters of a statement: $1, $2, … for each `?`; our SQL has no other."""
    first, *rest = statement.split("?")
    return (first + "".join(f"${n}{part}" for n, part in enumerate(rest, start=1))).encode()


def run(
    connection: Connection, statement: str, parameters: Sequence[Value] = ()
) -> psycopg.Cursor[Row]:
    """Run a statement of ours; psycopg wants constants proven by a literal type, bytes or not."""
    return connection.execute(numbered(statement), parameters, binary=True)


def run_together(connection: Connection, queries: Sequence[Query]) -> list[psycopg.Cursor[Row]]:
    """Run several in one round trip; all were answered when this returns."""
    with connection.pipeline():
        return [run(connection, *query) for query in queries]


@dataclass(slots=True)
class _Step:
    """One statement, and the parameters of every time it is wanted."""

    statement: str
    rows: list[Sequence[Value]]
    otherwise: list[str | None]


class StatementQueue:
    """
    Statements of a transaction that nobody waits for, kept back until there is a reason to go.

    They are kept here and not on the way: a server that was told of more to come would not notice
    that the sender stands still, and its locks would stay. The same statement for many rows goes
    as one, where `bulk` knows how.
    """

    def __init__(self, bulk: BulkStatements) -> None:
        self._bulk = bulk
        self._steps: list[_Step] = []
        self._open: dict[str, _Step] = {}  # steps another row may still join
        self._touched: dict[RowName, tuple[_Step, int]] = {}  # by the open steps
        self._change: list[tuple[str, Sequence[Value], str | None]] = []
        self._sent_since_mark = False

    def __bool__(self) -> bool:
        return bool(self._steps or self._change)

    def add(self, statement: str, parameters: Sequence[Value], *, otherwise: str | None) -> None:
        """Keep a statement; `otherwise` is what it means if it changes no row."""
        self._change.append((statement, parameters, otherwise))

    def mark(self) -> None:
        """A change begins; the one before it stays."""
        self._take_in()
        self._sent_since_mark = False

    def note_written(self) -> None:
        """The change writes past the queue."""
        self._sent_since_mark = True

    def drop(self) -> bool:
        """Drop what the change wanted; False if some of it was sent."""
        self._change.clear()
        return not self._sent_since_mark

    def send(
        self, connection: Connection, queries: Sequence[Query] = ()
    ) -> tuple[list[psycopg.Cursor[Row]], str | None]:
        """
        Send what waits, and `queries` behind it.

        Returns:
            The answers to `queries`, and the meaning of the first statement that changed no row
            and should have.

        Raises:
            psycopg.Error: some statement failed, and with it the transaction.
        """
        self._sent_since_mark = self._sent_since_mark or bool(self._change)
        self._take_in()
        steps, self._steps = self._steps, []
        self._open.clear()
        self._touched.clear()
        waiting = [self._query(step) for step in steps]
        if len(waiting) + len(queries) == 1:
            answers = [run(connection, *query) for query in (*waiting, *queries)]
        else:
            answers = run_together(connection, [*waiting, *queries])
        for step, answer in zip(steps, answers, strict=False):
            expected = sum(words is not None for words in step.otherwise)
            if expected and answer.rowcount < expected:
                return [], next(words for words in step.otherwise if words is not None)
        return answers[len(steps) :], None

    def _take_in(self) -> None:
        """Give the statements of a change their places."""
        for statement, parameters, otherwise in self._change:
            bulk = self._bulk.of(statement)
            if bulk is None:
                # What it touches is not known: nothing behind it may go before it.
                self._open.clear()
                self._touched.clear()
                self._steps.append(_Step(statement, [parameters], [otherwise]))
                continue
            step = self._open.get(statement)
            name = bulk.row_name(parameters)
            if name is not None and (before := self._touched.get(name)) is not None:
                earlier, place = before
                if earlier is step and otherwise is None and bulk.replaces:
                    step.rows[place] = parameters
                    continue
                self._open.clear()
                self._touched.clear()
                step = None
            if step is None:
                step = self._open[statement] = _Step(statement, [], [])
                self._steps.append(step)
            if name is not None:
                self._touched[name] = step, len(step.rows)
            step.rows.append(parameters)
            step.otherwise.append(otherwise)
        self._change.clear()

    def _query(self, step: _Step) -> Query:
        if len(step.rows) == 1:
            return step.statement, step.rows[0]
        bulk = self._bulk.of(step.statement)
        if bulk is None:
            raise ValueError("a statement without a bulk form has a step of its own")
        return bulk.statement, [list(column) for column in zip(*step.rows, strict=True)]

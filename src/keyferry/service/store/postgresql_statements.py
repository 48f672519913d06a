"""Statements as PostgreSQL gets them: spelled its way, and many in one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import psycopg

from keyferry.service.store.engine import Query, Row, Value
from keyferry.service.store.postgresql_server import Connection


@lru_cache(maxsize=512)
def numbered(statement: str) -> bytes:
    """Spell the parameters of a statement: $1, $2, … for each `?`; `sql.py` has no other."""
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


@dataclass(frozen=True, slots=True)
class _Unsent:
    query: Query
    otherwise: str | None


class StatementQueue:
    """
    Statements of a transaction that nobody waits for, kept back until there is a reason to go.

    They are kept here and not on the way: a server that was told of more to come would not notice
    that the sender stands still, and its locks would stay.
    """

    def __init__(self) -> None:
        self._unsent: list[_Unsent] = []
        self._mark = 0  # where the change that runs now begins
        self._sent_since_mark = False

    def __bool__(self) -> bool:
        return bool(self._unsent)

    def add(self, statement: str, parameters: Sequence[Value], *, otherwise: str | None) -> None:
        """Keep a statement; `otherwise` is what it means if it changes no row."""
        self._unsent.append(_Unsent((statement, parameters), otherwise))

    def mark(self) -> None:
        """A change begins."""
        self._mark = len(self._unsent)
        self._sent_since_mark = False

    def note_written(self) -> None:
        """The change writes past the queue."""
        self._sent_since_mark = True

    def drop(self) -> bool:
        """Drop what the change wanted; False if some of it was sent."""
        del self._unsent[self._mark :]
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
        waiting, self._unsent = self._unsent, []
        self._sent_since_mark = self._sent_since_mark or len(waiting) > self._mark
        self._mark = 0
        if not waiting and len(queries) == 1:
            return [run(connection, *queries[0])], None
        answers = run_together(connection, [*(each.query for each in waiting), *queries])
        for each, answer in zip(waiting, answers, strict=False):
            if each.otherwise is not None and not answer.rowcount:
                return [], each.otherwise
        return answers[len(waiting) :], None

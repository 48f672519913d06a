"""Statements of a transaction that nobody waits for, and the form they are sent in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from keyferry.service.store.engine import Query, Value
from keyferry.service.store.postgresql_bulk import BulkStatements, RowName

# division_by_zero: the way in which a guarded statement fails.
GUARD_STATE = "22012"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A statement that goes with the next exchange."""

    query: Query
    otherwise: str | None  # what it means if it fails by GUARD_STATE


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

    def take(self) -> list[Waiting]:
        """What waits, in order; it is sent now."""
        self._sent_since_mark = self._sent_since_mark or bool(self._change)
        self._take_in()
        steps, self._steps = self._steps, []
        self._open.clear()
        self._touched.clear()
        return [self._waiting(step) for step in steps]

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

    def _waiting(self, step: _Step) -> Waiting:
        statement, parameters = self._query(step)
        demanded = [words for words in step.otherwise if words is not None]
        if not demanded:
            return Waiting((statement, parameters), None)
        return Waiting((_guarded(statement), [*parameters, len(demanded)]), demanded[0])

    def _query(self, step: _Step) -> Query:
        if len(step.rows) == 1:
            return step.statement, step.rows[0]
        bulk = self._bulk.of(step.statement)
        if bulk is None:
            raise ValueError("a statement without a bulk form has a step of its own")
        return bulk.statement, [list(column) for column in zip(*step.rows, strict=True)]


@lru_cache(maxsize=64)
def _guarded(statement: str) -> str:
    """
    The statement, failing with GUARD_STATE if it changes fewer rows than a last parameter says.

    The commit may already be on its way behind it, so it is the server that has to notice, and SQL
    has no other way to raise an error than a wrong expression.
    """
    return (
        f"WITH changed AS ({statement} RETURNING 1) "  # noqa: S608 -- from constants
        "SELECT 1 / (count(*) >= ?)::int FROM changed"
    )

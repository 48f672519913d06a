"""
The bulk form of a statement: the same for many rows, given as one array for each column.

PostgreSQL takes a hundred rows in one statement at little more than the price of one. Only two
kinds of statement have such a form, those the tables of records are written with: INSERT … VALUES,
with or without ON CONFLICT, and DELETE … WHERE column = ? AND ….
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from keyferry.service.store.engine import Value

# A row as two statements may both mean it: its table and the values of the primary key.
RowName = tuple[str, tuple[Value, ...]]

_INSERT = re.compile(
    r"INSERT INTO (?P<table>\w+) \((?P<columns>[\w, ]+)\) VALUES \([?, ]+\)"
    r"(?P<rest> ON CONFLICT \((?P<key>[\w, ]+)\) DO (?P<action>NOTHING|UPDATE SET .+))?"
)
_DELETE = re.compile(r"DELETE FROM (?P<table>\w+) WHERE (?P<where>\w+ = \?(?: AND \w+ = \?)*)")


@dataclass(frozen=True, slots=True)
class BulkStatement:
    """A statement for many rows; its parameters are arrays, a column each."""

    statement: str
    table: str
    # Where the primary key stands among the parameters; None: every row is a new one.
    key: tuple[int, ...] | None
    replaces: bool  # of two for one row the later holds

    def row_name(self, parameters: Sequence[Value]) -> RowName | None:
        """Which row the statement is about with these parameters."""
        if self.key is None:
            return None
        return self.table, tuple(parameters[place] for place in self.key)


class BulkStatements:
    """
    The bulk forms of the statements of a database.

    Args:
        column_types: asks the database for the type of each column, by table and column.
    """

    def __init__(self, column_types: Callable[[], Mapping[tuple[str, str], str]]) -> None:
        self._ask_types = column_types
        self._types: Mapping[tuple[str, str], str] = {}
        self._known: dict[str, BulkStatement | None] = {}

    def of(self, statement: str) -> BulkStatement | None:
        """The bulk form of a statement; None if it has none."""
        try:
            return self._known[statement]
        except KeyError:
            found = self._known[statement] = self._make(statement)
            return found

    def _make(self, statement: str) -> BulkStatement | None:
        if (insert := _INSERT.fullmatch(statement)) is not None:
            columns = insert["columns"].split(", ")
            key = insert["key"]
            return BulkStatement(
                statement=f"INSERT INTO {insert['table']} ({insert['columns']}) "  # noqa: S608 -- from constants
                f"SELECT * FROM {self._rows(insert['table'], columns)}{insert['rest'] or ''}",
                table=insert["table"],
                key=None if key is None else tuple(columns.index(c) for c in key.split(", ")),
                replaces=(insert["action"] or "").startswith("UPDATE"),
            )
        if (delete := _DELETE.fullmatch(statement)) is not None:
            table = delete["table"]
            columns = [part.removesuffix(" = ?") for part in delete["where"].split(" AND ")]
            same = " AND ".join(f"{table}.{column} = gone.{column}" for column in columns)
            # Row by row by the index, whatever the planner thinks: a join planned while the table
            # was young would read all of it later. Nobody else writes, so the places stay.
            return BulkStatement(
                statement=f"DELETE FROM {table} WHERE ctid = ANY (ARRAY("  # noqa: S608 -- constants
                f"SELECT found.ctid FROM {self._rows(table, columns)} AS gone "
                f"({', '.join(columns)}) CROSS JOIN LATERAL "
                f"(SELECT ctid FROM {table} WHERE {same} OFFSET 0) AS found))",
                table=table,
                key=tuple(range(len(columns))),
                replaces=True,
            )
        return None

    def _rows(self, table: str, columns: Sequence[str]) -> str:
        if any((table, column) not in self._types for column in columns):
            self._types = self._ask_types()
        types = [self._types[table, column] for column in columns]
        return f"unnest({', '.join(f'?::{name}[]' for name in types)})"

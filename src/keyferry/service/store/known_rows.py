"""
Rows looked up together before they are asked for one by one.

A change reads the rows of the key it is about, each when it needs it. Over a network that is a
round trip a row, so who knows which keys a batch of changes is about has their rows looked up at
once; what reads them afterwards finds them here, as the changes since have left them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from keyferry.service.store import replication_sql, sql
from keyferry.service.store.engine import Query, Row, Value

# (account, key id); the name of an alias stands where the outbox has one for a key id.
Subject = tuple[str, str]

_TABLES = (
    sql.KEYS,
    replication_sql.MULTI_REGION_KEYS,
    replication_sql.REPLICAS,
    replication_sql.OUTBOX,
)
_REGION = 2  # the column of replicas and outbox
# Which statement is answered from which table; those of three parameters ask for one Region.
_ANSWERED = {
    sql.SELECT_KEY: sql.KEYS.name,
    replication_sql.SELECT_PART: replication_sql.MULTI_REGION_KEYS.name,
    replication_sql.SELECT_REPLICA: replication_sql.REPLICAS.name,
    replication_sql.SELECT_REPLICAS: replication_sql.REPLICAS.name,
    replication_sql.SELECT_OUTBOX: replication_sql.OUTBOX.name,
}


def _look_up(table: sql.Table) -> str:
    """
    The rows of many keys, by two arrays.

    Row by row within the server, each by its index: a list of ids in a condition leads a planner
    that knows little of the table yet to read all rows of the account.
    """
    one = f"{table.select} WHERE account = asked.account AND key_id = asked.key_id OFFSET 0"
    return (
        "SELECT found.* FROM unnest(?::text[], ?::text[]) AS asked (account, key_id) "  # noqa: S608 -- constants
        f"CROSS JOIN LATERAL ({one}) AS found"
    )


_STATEMENTS = tuple(_look_up(table) for table in _TABLES)


class KnownRows:
    """The rows of some keys in four tables: what is not among them is known not to be there."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[Row, list[Row]]] = {table.name: {} for table in _TABLES}
        self._replaced: list[tuple[str, Row, list[Row]]] = []  # by the change that runs

    @staticmethod
    def queries(subjects: Iterable[Subject]) -> list[Query]:
        """What to ask the database about these keys; `learn` takes the answers."""
        asked = list(subjects)
        arrays = [account for account, _ in asked], [key_id for _, key_id in asked]
        return [(statement, arrays) for statement in _STATEMENTS]

    def learn(self, subjects: Iterable[Subject], answers: Sequence[list[Row]]) -> None:
        """Keep the answers to `queries` of the same keys."""
        asked = list(subjects)
        for table, found in zip(_TABLES, answers, strict=True):
            known = self._rows[table.name]
            known.update({subject: [] for subject in asked})
            for row in found:
                known[row[:2]].append(row)

    def find(self, statement: str, parameters: Sequence[Value]) -> list[Row] | None:
        """The answer to a statement; None if the database has to be asked."""
        table = _ANSWERED.get(statement)
        if table is None:
            return None
        account, key_id, *region = parameters
        found = self._rows[table].get((account, key_id))
        if found is None or not region:
            return None if found is None else sorted(found, key=_by_region)
        return [row for row in found if row[_REGION] == region[0]]

    # --- changes ---------------------------------------------------------------------------------

    def begin_change(self) -> None:
        """From here on `undo_change` brings everything back."""
        self._replaced.clear()

    def undo_change(self) -> None:
        for table, subject, before in reversed(self._replaced):
            self._rows[table][subject] = before
        self._replaced.clear()

    def put(self, table: sql.Table, row: Row) -> None:
        """A row is written: the columns of the table and the MAC."""
        size = len(table.key)
        self._replace(table.name, row[:2], row[:size], [row])

    def delete(self, table: sql.Table, key: Row) -> None:
        """A row is deleted; `key` is that of the table."""
        self._replace(table.name, key[:2], key, [])

    def _replace(self, table: str, subject: Row, key: Row, new: list[Row]) -> None:
        known = self._rows.get(table, {})
        before = known.get(subject)
        if before is not None:
            self._replaced.append((table, subject, before))
            known[subject] = [row for row in before if row[: len(key)] != key] + new


def _by_region(row: Row) -> str:
    return str(row[_REGION])

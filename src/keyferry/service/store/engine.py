"""
What one SQL implementation needs of a database engine.

The statements live in `sql.py` and are the same everywhere; an engine opens connections, begins
and ends transactions, and spells what SQL leaves open (placeholders, a few column types).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from keyferry.errors import KeyferryError

Value = str | int | bytes | None
Row = tuple[Any, ...]  # what a database returns; `rows.py` gives it types again
Query = tuple[str, Sequence[Any]]  # a statement and its parameters


class BatchUndoneError(Exception):
    """
    A transaction cannot lose one of its changes and keep the others: it is to be rolled back, and
    each change tried in a transaction of its own. `reason` is for one that was alone already.
    """

    def __init__(self, reason: KeyferryError) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class TableShape:
    """A table as the database knows it: its columns, and those of its primary key, in order."""

    columns: tuple[str, ...]
    key: tuple[str, ...]

    @classmethod
    def gather(cls, found: Sequence[Row]) -> dict[str, TableShape]:
        """Put rows of (table, column, place in the primary key or 0) together."""
        columns: dict[str, list[tuple[int, str]]] = {}
        for table, column, place in found:
            columns.setdefault(table, []).append((place, column))
        return {
            table: cls(
                columns=tuple(column for _, column in described),
                key=tuple(column for place, column in sorted(described) if place),
            )
            for table, described in columns.items()
        }


class Engine(Protocol):
    """
    One database. Every failure of it is raised as StoreError, without the values involved.

    `fetch` may be called on any thread and sees the last committed state. The methods of a
    transaction are called by one thread at a time, the one that holds the group commit's lock.
    """

    @property
    def is_remote(self) -> bool:
        """Whether an answer is a round trip away: what is known before is asked for together."""
        ...

    @property
    def column_types(self) -> Mapping[str, str]:
        """What {{position}}, {{bytes}} and {{text}} of a migration mean here."""
        ...

    def fetch(self, statement: str, parameters: Sequence[Value] = ()) -> list[Row]: ...

    def fetch_many(self, queries: Sequence[Query]) -> list[list[Row]]:
        """The answers to several questions; over a network, in one round trip."""
        ...

    def key_epoch(self, read: Callable[[], bytes]) -> bytes:
        """
        The key epoch: what `read` fetches, or what it fetched before if the engine is told of
        every change of it.
        """
        ...

    def begin(self, *, wait: bool = True) -> bool:
        """
        Start a transaction that may write.

        Args:
            wait: until other processes have written. If False, and one is writing, or the engine
                takes long anyway (a network lies in between), return False and start nothing.
        """
        ...

    def begin_asking(self, queries: Sequence[Query]) -> list[list[Row]]:
        """
        Start a transaction, waiting for other processes, and answer questions within it; over a
        network, in one round trip. Raises BatchUndoneError if it is the questions that fail.
        """
        ...

    def fetch_in_transaction(
        self, statement: str, parameters: Sequence[Value] = ()
    ) -> list[Row]: ...

    def execute(self, statement: str, parameters: Sequence[Value] = ()) -> int:
        """Run a statement within the transaction and return how many rows it changed."""
        ...

    def send(
        self, statement: str, parameters: Sequence[Value] = (), *, otherwise: str | None = None
    ) -> None:
        """
        Run a statement whose answer nobody needs at once: a failure of it may be raised by what
        follows, `commit` at the latest.

        Args:
            otherwise: it must change a row; the words of the ConflictError if it does not.
        """
        ...

    def savepoint(self) -> None: ...

    def release(self) -> None:
        """Keep what was done since the savepoint."""
        ...

    def undo(self) -> None:
        """Undo what was done since the savepoint; BatchUndoneError if that cannot be done alone."""
        ...

    def announce_key_epoch(self) -> None:
        """This transaction writes another key epoch: tell who keeps one, once it is committed."""
        ...

    def commit(self) -> None:
        """
        Return when the transaction is on disk.

        Raises StoreError if it is not, also when the engine itself gave the transaction up before
        (a full disk, say); or, over a network, if it cannot be told in reasonable time.
        Raises BatchUndoneError if a change of it cannot stand; nothing is committed then.
        """
        ...

    def rollback(self) -> None: ...

    def tables(self) -> dict[str, TableShape]:
        """The tables that are there, by name."""
        ...

    def continue_positions(self, table: str) -> None:
        """Rows were written with positions of their own: new ones go on behind the last."""
        ...

    def findings(self) -> list[str]:
        """What is wrong with the database itself, or with how it is set up; a line each."""
        ...

    def erase_traces(self) -> bool:
        """Remove old versions of rows the engine keeps for itself; False if it must wait."""
        ...

    def tidy(self) -> None:
        """Do what the engine should do now and then, on a thread of its own beside the writer."""
        ...

    def close(self) -> None: ...

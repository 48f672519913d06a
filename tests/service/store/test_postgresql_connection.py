"""Many statements in one exchange with PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from keyferry.service.store import postgresql_connection
from keyferry.service.store.postgresql_connection import Answer, Connection
from keyferry.service.store.postgresql_server import PostgreSQLServer
from keyferry.testing.postgresql import PostgreSQLCluster

INSERT = "INSERT INTO things (name, size) VALUES (?, ?)"
SELECT = "SELECT name, size FROM things ORDER BY name"
PREPARED = "SELECT count(*)::int FROM pg_prepared_statements"


@pytest.fixture
def connection(postgresql_url: str) -> Iterator[Connection]:
    """A connection to a database with an empty table."""
    server = PostgreSQLServer(postgresql_url)
    server.require(create=True)
    with server.connect() as connection:
        connection.execute("CREATE TABLE things (name text PRIMARY KEY, size bigint)")
        yield connection


def prepared(connection: Connection) -> int:
    """How many statements the server keeps for the connection, the one that asks left out."""
    row = connection.execute(PREPARED).fetchone()
    assert row is not None
    return int(row[0])


def test_answers_come_in_order(connection: Connection) -> None:
    """Rows for what asks, a count for what writes, also if a statement comes twice."""
    filled = connection.ask([(INSERT, ("a", 1)), (SELECT, ()), (INSERT, ("b", None)), (SELECT, ())])
    assert [answer.rows for answer in filled] == [[], [("a", 1)], [], [("a", 1), ("b", None)]]
    answers = connection.ask([("UPDATE things SET size = 7", ()), (SELECT, ()), ("SELECT 1", ())])
    assert answers == [Answer([], 2), Answer([("a", 7), ("b", 7)], 2), Answer([(1,)], 1)]


def test_nothing_asked(connection: Connection) -> None:
    """No statement, no answer."""
    assert connection.ask([]) == []


def test_what_fails_ends_the_exchange(connection: Connection) -> None:
    """The answers before it are told; without a transaction nothing of the exchange stays."""
    answers, error = connection.exchange(
        [("SELECT 1", ()), (INSERT, ("a", 1)), (INSERT, ("a", 2)), (INSERT, ("b", 3))]
    )
    assert answers == [Answer([(1,)], 1), Answer([], 1)]
    assert isinstance(error, psycopg.errors.UniqueViolation)
    assert connection.ask([(SELECT, ())])[0].rows == []


def test_a_commit_behind_a_failure_is_not_made(connection: Connection) -> None:
    """What is under way behind a statement that failed is passed over, the commit too."""
    begin, commit = ("BEGIN", ()), ("COMMIT", ())
    answers, error = connection.exchange(
        [begin, (INSERT, ("a", 1)), ("SELECT 1 / (1 > ?)::int", (2,)), commit]
    )
    assert len(answers) == 2
    assert isinstance(error, psycopg.errors.DivisionByZero)
    connection.execute("ROLLBACK")
    assert connection.ask([(SELECT, ())])[0].rows == []


def test_statement_that_is_none(connection: Connection) -> None:
    """A statement the server cannot read fails as one that cannot run, every time."""
    for _ in range(2):
        answers, error = connection.exchange([("SELECT 1", ()), ("SELEKT 2", ()), ("SELECT 3", ())])
        assert answers == [Answer([(1,)], 1)]
        assert isinstance(error, psycopg.errors.SyntaxError)


def test_value_that_cannot_be_sent(connection: Connection) -> None:
    """Nothing of the exchange is sent then, and the connection goes on."""
    with pytest.raises(psycopg.DataError):
        connection.exchange([(INSERT, ("a", 1)), (INSERT, ("\0", 1))])
    assert connection.ask([(SELECT, ())])[0].rows == []


def test_statements_are_prepared_once(connection: Connection) -> None:
    """One that is met again is known to the server by its name."""
    connection.ask([(SELECT, ()), (SELECT, ()), ("SELECT 1", ())])
    assert prepared(connection) == 2
    connection.ask([("SELECT 1", ()), (SELECT, ())])
    assert prepared(connection) == 2


def test_what_the_server_keeps_is_bounded(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More statements than ours are dropped, and work after that."""
    monkeypatch.setattr(postgresql_connection, "MOST_PREPARED", 5)
    for number in range(40):
        assert connection.ask([(f"SELECT {number}", ())])[0].rows == [(number,)]
        assert prepared(connection) <= 6
    assert connection.ask([("SELECT 3", ())])[0].rows == [(3,)]


@pytest.mark.parametrize("change", ["ALTER TABLE things ADD other text", "DEALLOCATE ALL"])
def test_statement_that_grew_stale(connection: Connection, change: str) -> None:
    """After another process changed the table it fails once at most, and is prepared anew."""
    everything = ("SELECT * FROM things", ())
    connection.ask([everything])
    connection.execute(change)
    _, error = connection.exchange([everything])
    assert isinstance(
        error, psycopg.errors.FeatureNotSupported | psycopg.errors.InvalidSqlStatementName
    )
    assert connection.ask([everything])[0].rows == []


def test_more_than_fits_the_sockets(connection: Connection) -> None:
    """Both sides have more to say than the other takes in at once; neither waits for ever."""
    size, count = 400_000, 40
    answers = connection.ask([("SELECT ?::bytea", (b"x" * size,)) for _ in range(count)])
    assert [len(answer.rows[0][0]) for answer in answers] == [size] * count


@pytest.mark.parametrize("state", ["idle", "within an exchange"])
def test_connection_that_is_cut(
    connection: Connection, postgresql: PostgreSQLCluster, state: str
) -> None:
    """It is an error of the connection, which is closed, and no answer is made up."""
    pid = connection.info.backend_pid
    asked = [("SELECT 1", ()), ("SELECT 2", ())]
    if state == "idle":
        with postgresql.connect() as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    else:
        asked.insert(1, ("SELECT pg_terminate_backend(pg_backend_pid())", ()))
    try:
        answers, error = connection.exchange(asked)
    except psycopg.OperationalError:
        assert connection.closed
    else:
        assert len(answers) <= 1
        assert isinstance(error, psycopg.errors.AdminShutdown)

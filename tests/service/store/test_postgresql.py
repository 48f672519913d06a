"""What only a store in PostgreSQL must do: several processes, restarts, notifications."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import psycopg
import pytest

from keyferry.errors import ConfigurationError, StoreError
from keyferry.service.errors import ConflictError
from keyferry.service.store import key_epoch, postgresql_server
from keyferry.service.store.engine import Query
from keyferry.service.store.opening import open_engine, open_store
from keyferry.service.store.postgresql import PostgreSQLEngine
from keyferry.service.store.postgresql_server import PostgreSQLServer
from keyferry.service.store.records import AliasRecord, AuditRecord, KeyRecord, KeyState
from keyferry.service.store.store import SQLStore
from keyferry.service.vault.master_key import LocalMasterKey
from keyferry.testing.postgresql import PostgreSQLCluster

ACCOUNT = "111122223333"
REGION = "us-east-1"
MakeKey = Callable[..., KeyRecord]


@pytest.fixture
def one(postgresql_url: str, master_key: LocalMasterKey) -> Iterator[SQLStore]:
    """A store in PostgreSQL."""
    with open_store(postgresql_url, region=REGION, master_key=master_key) as store:
        yield store


@pytest.fixture
def two(one: SQLStore, postgresql_url: str, master_key: LocalMasterKey) -> Iterator[SQLStore]:
    """The same store, as another process has it."""
    with open_store(postgresql_url, region=REGION, master_key=master_key) as store:
        yield store


def engine_of(store: SQLStore) -> PostgreSQLEngine:
    engine = store._engine
    assert isinstance(engine, PostgreSQLEngine)
    return engine


def eventually(holds: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait for what another thread or process brings about."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < deadline
        pause.wait(0.005)


class TestOpening:
    def test_makes_the_database(
        self, one: SQLStore, postgresql: PostgreSQLCluster, postgresql_url: str
    ) -> None:
        """A role that may gets its database; text compares by code point in it."""
        database = postgresql_url.rpartition("/")[2]
        with postgresql.connect(database) as connection:
            collations = connection.execute(
                "SELECT DISTINCT collation_name FROM information_schema.columns"
                " WHERE table_schema = 'public' AND data_type = 'text'"
            ).fetchall()
        assert collations == [("C",)]

    def test_role_that_may_not(self, postgresql: PostgreSQLCluster, postgresql_url: str) -> None:
        """The error says what to ask for."""
        with postgresql.connect() as connection:
            connection.execute("DROP ROLE IF EXISTS nobody_much")
            connection.execute("CREATE ROLE nobody_much LOGIN NOCREATEDB")
        with pytest.raises(StoreError, match="may not create one") as refused:
            open_engine(postgresql_url.replace("keyferry@", "nobody_much:pass-word@"))
        assert "createdb" in str(refused.value.hint)
        assert "pass-word" not in str(refused.value)

    def test_another_encoding(self, postgresql: PostgreSQLCluster, postgresql_url: str) -> None:
        """A database that cannot hold every text is refused."""
        database = postgresql_url.rpartition("/")[2]
        with postgresql.connect() as connection:
            connection.execute(
                f'CREATE DATABASE "{database}" ENCODING SQL_ASCII LOCALE "C" TEMPLATE template0'
            )
        with pytest.raises(StoreError, match="its encoding is SQL_ASCII"):
            open_engine(postgresql_url)

    def test_nobody_listens(self) -> None:
        """A server that cannot be reached is said at once, without the password."""
        with pytest.raises(StoreError, match="PostgreSQL database db at 127") as refused:
            open_engine("postgresql://user:secret@127.0.0.1:1/db")
        assert "secret" not in str(refused.value)

    def test_leaves_the_clear_to_loopback(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Another machine is spoken to over TLS unless the user says otherwise."""
        monkeypatch.delenv("PGSSLMODE", raising=False)
        monkeypatch.delenv("PGHOST", raising=False)
        modes = {
            "postgresql://db.example/k": "require",
            "postgresql://127.0.0.1,10.0.0.1/k": "require",
            "postgresql://db.example/k?sslmode=verify-full": "verify-full",
            "postgresql://127.0.0.1/k": None,
            "postgresql://[::1]/k": None,
            "postgresql:///k?host=/run/postgresql": None,
            "postgresql:///k": None,
        }
        assert {url: PostgreSQLServer(url)._parameters.get("sslmode") for url in modes} == modes

    def test_url_without_a_database(self) -> None:
        """It would lead to the role's own database."""
        with pytest.raises(ConfigurationError, match="names no database"):
            open_engine("postgresql://user@127.0.0.1")

    def test_many_open_a_new_store_at_once(
        self, postgresql_url: str, master_key: LocalMasterKey
    ) -> None:
        """One makes database, tables and store key, the others find them."""
        opened: list[SQLStore] = []

        def open_one() -> None:
            opened.append(open_store(postgresql_url, region=REGION, master_key=master_key))

        threads = [threading.Thread(target=open_one) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len({store.vault.derive_key("pages") for store in opened}) == 1
        assert len(opened) == 6
        for store in opened:
            store.close()

    def test_weak_defaults_do_not_weaken_commits(
        self, one: SQLStore, postgresql_url: str, postgresql: PostgreSQLCluster
    ) -> None:
        """A database set to answer before it wrote is overruled."""
        database = postgresql_url.rpartition("/")[2]
        with postgresql.connect() as connection:
            connection.execute(f'ALTER DATABASE "{database}" SET synchronous_commit = off')
        server = PostgreSQLServer(postgresql_url)
        with server.connect() as bare, server.connect_writer() as writer:
            asked = "SHOW synchronous_commit"
            assert bare.execute(asked).fetchone() == ("off",)
            assert writer.execute(asked).fetchone() == ("on",)


class TestTwoProcesses:
    def test_positions_follow_the_order_of_commits(
        self, one: SQLStore, two: SQLStore, audit_record: Callable[..., AuditRecord]
    ) -> None:
        """A reader that follows the trail while two write it misses nothing."""
        each, stores = 150, (one, two)
        seen: list[str] = []

        def write(which: int) -> None:
            async def all_of_it() -> None:
                await asyncio.gather(
                    *(
                        stores[which].write(lambda tx, n=n: tx.append_audit(audit_record(n)))
                        for n in range(which * each, (which + 1) * each)
                    )
                )

            asyncio.run(all_of_it())

        threads = [threading.Thread(target=write, args=(which,)) for which in (0, 1)]
        for thread in threads:
            thread.start()
        position = 0
        deadline = time.monotonic() + 30
        while len(seen) < 2 * each and time.monotonic() < deadline:
            for found, record in one.audit_events(ACCOUNT, after=position, limit=7):
                position = found
                seen.append(record.event_id)
        for thread in threads:
            thread.join(30)
        assert sorted(seen) == sorted(f"event-{n}" for n in range(2 * each))

    def test_a_quota_holds_across_processes(
        self, one: SQLStore, two: SQLStore, key_record: MakeKey
    ) -> None:
        """Counting and inserting is one step, whoever else does it at the same time."""
        refused: list[int] = []

        def create(number: int) -> None:
            def change(tx: SQLStore) -> None:
                if tx.count_keys(ACCOUNT) >= 20:
                    raise ConflictError("quota")
                tx.insert_key(key_record(number))

            try:
                (one, two)[number % 2].write_blocking(change)
            except ConflictError:
                refused.append(number)

        threads = [threading.Thread(target=create, args=(number,)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert one.count_keys(ACCOUNT) == two.count_keys(ACCOUNT) == 20
        assert len(refused) == 20

    def test_a_writer_that_stands_still_is_cut_off(
        self, one: SQLStore, two: SQLStore, key_record: MakeKey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its change fails, and those who waited for the lock go on."""
        engine_of(one)._drop_writer()
        monkeypatch.setattr(
            postgresql_server,
            "_WRITER_SETTINGS",
            "SET idle_in_transaction_session_timeout = '200ms'",
        )
        reached, gate = threading.Event(), threading.Event()

        def stand_still(tx: SQLStore) -> None:
            tx.insert_key(key_record(1))
            reached.set()
            assert gate.wait(20)
            tx.insert_key(key_record(2))

        failed: list[StoreError] = []

        def write() -> None:
            try:
                one.write_blocking(stand_still)
            except StoreError as error:
                failed.append(error)

        thread = threading.Thread(target=write)
        thread.start()
        assert reached.wait(20)
        two.write_blocking(lambda tx: tx.insert_key(key_record(3)))
        gate.set()
        thread.join(20)
        assert len(failed) == 1
        assert [key.key_id for _, key in two.keys(ACCOUNT, limit=9)] == [key_record(3).key_id]
        one.write_blocking(lambda tx: tx.insert_key(key_record(4)))

    def test_waiting_for_the_lock_ends(
        self, one: SQLStore, two: SQLStore, key_record: MakeKey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A lock that is not given is an error, and the store works once it is."""
        engine_of(two)._drop_writer()
        monkeypatch.setattr(postgresql_server, "_WRITER_SETTINGS", "SET lock_timeout = '100ms'")
        engine_of(one).begin()
        with pytest.raises(StoreError, match="other processes have been writing"):
            two.write_blocking(lambda tx: tx.insert_key(key_record(1)))
        engine_of(one).rollback()
        two.write_blocking(lambda tx: tx.insert_key(key_record(1)))


class TestKeyEpoch:
    """Kept between changes, and never kept for too long."""

    @staticmethod
    def stop(store: SQLStore, key: KeyRecord) -> None:
        changed = replace(key, enabled=False, revision=key.revision + 1)
        store.write_blocking(lambda tx: tx.update_key(changed, replacing=key.revision))

    @staticmethod
    def counted(store: SQLStore, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """When the database was asked for the epoch."""
        asked: list[float] = []
        engine = engine_of(store)
        fetch = engine.fetch

        def counting(statement: str, parameters: tuple[object, ...] = ()) -> list[object]:
            if "key_epoch" in statement:
                asked.append(time.monotonic())
            return fetch(statement, parameters)

        monkeypatch.setattr(engine, "fetch", counting)
        return asked

    def listen(self, store: SQLStore) -> None:
        store.key_epoch()
        eventually(lambda: engine_of(store)._epoch._listening)

    def test_own_change_is_seen_at_once(self, one: SQLStore, key_record: MakeKey) -> None:
        """The epoch differs as soon as the change has its answer."""
        one.write_blocking(lambda tx: tx.insert_key(key_record(1)))
        self.listen(one)
        key = key_record(1)
        for _ in range(20):
            before = one.key_epoch()
            self.stop(one, key)
            assert one.key_epoch() != before
            key = replace(key, enabled=False, revision=key.revision + 1)

    def test_is_read_once_for_many_uses(
        self, one: SQLStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Ten thousand uses within a moment cost a few reads."""
        self.listen(one)
        asked = self.counted(one, monkeypatch)
        for _ in range(10_000):
            one.key_epoch()
        assert len(asked) <= 3

    def test_a_change_elsewhere_is_notified(
        self, one: SQLStore, two: SQLStore, key_record: MakeKey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without waiting for the kept one to grow old."""
        monkeypatch.setattr(key_epoch, "MAX_AGE_S", 3600.0)
        one.write_blocking(lambda tx: tx.insert_key(key_record(1)))
        self.listen(two)
        before = two.key_epoch()
        self.stop(one, key_record(1))
        eventually(lambda: two.key_epoch() != before)

    def test_a_lost_notification_costs_a_second(
        self, one: SQLStore, two: SQLStore, key_record: MakeKey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A kept epoch is read again when it is old, even if nobody says anything."""
        one.write_blocking(lambda tx: tx.insert_key(key_record(1)))
        monkeypatch.setattr("keyferry.service.store.postgresql.CHANNEL", "another_channel")
        self.listen(two)
        before = two.key_epoch()
        self.stop(one, key_record(1))
        changed = time.monotonic()
        eventually(lambda: two.key_epoch() != before)
        assert time.monotonic() - changed < 1.5

    def test_nothing_is_kept_while_nobody_listens(
        self, one: SQLStore, two: SQLStore, key_record: MakeKey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A listener that lost its connection cannot hear, so every use reads."""
        one.write_blocking(lambda tx: tx.insert_key(key_record(1)))
        monkeypatch.setattr(engine_of(two)._epoch, "_run", lambda: None)
        asked = self.counted(two, monkeypatch)
        before = two.key_epoch()
        for _ in range(9):
            two.key_epoch()
        assert len(asked) == 10
        self.stop(one, key_record(1))
        assert two.key_epoch() != before


class TestRestart:
    @pytest.mark.parametrize("mode", ["fast", "immediate"])
    def test_store_heals_by_itself(
        self, one: SQLStore, postgresql: PostgreSQLCluster, key_record: MakeKey, mode: str
    ) -> None:
        """Readers, writer and listener are there again after a restart or a crash."""
        one.write_blocking(lambda tx: tx.insert_key(key_record(1)))
        one.key_epoch()
        eventually(lambda: engine_of(one)._epoch._listening)
        postgresql.restart(mode)
        assert one.key(ACCOUNT, key_record(1).key_id) == key_record(1)
        one.write_blocking(lambda tx: tx.insert_key(key_record(2)))
        assert one.count_keys(ACCOUNT) == 2
        eventually(lambda: engine_of(one)._epoch._listening)

    def test_while_it_is_down(
        self, one: SQLStore, postgresql: PostgreSQLCluster, key_record: MakeKey
    ) -> None:
        """Reads are refused quickly; a write waits and is made when the database is back."""
        postgresql.stop()
        try:
            started = time.monotonic()
            for _ in range(50):
                with pytest.raises(StoreError):
                    one.key(ACCOUNT, "key0000000000001")
            assert time.monotonic() - started < 5
            waiting = threading.Thread(
                target=lambda: one.write_blocking(lambda tx: tx.insert_key(key_record(1)))
            )
            waiting.start()
        finally:
            postgresql.start()
        waiting.join(20)
        eventually(lambda: self.readable(one))
        assert one.key(ACCOUNT, key_record(1).key_id) == key_record(1)

    @staticmethod
    def readable(store: SQLStore) -> bool:
        try:
            store.check()
        except StoreError:
            return False
        return True

    def test_no_acknowledged_write_is_lost(
        self, one: SQLStore, postgresql: PostgreSQLCluster, key_record: MakeKey
    ) -> None:
        """Under load, with crashes: what was answered is there, what failed is not."""
        written: set[str] = set()
        failed: set[str] = set()
        told: list[str] = []
        stop = threading.Event()

        async def writer(which: int) -> None:
            number = which * 100_000
            while not stop.is_set():
                number += 1
                key = key_record(number)
                try:
                    await one.write(lambda tx, key=key: tx.insert_key(key))
                except StoreError as error:
                    failed.add(key.key_id)
                    told.append(str(error))
                else:
                    written.add(key.key_id)

        async def load() -> None:
            await asyncio.gather(*(writer(which) for which in range(16)))

        thread = threading.Thread(target=lambda: asyncio.run(load()))
        thread.start()
        for mode in ("immediate", "fast", "immediate"):
            before = len(written)
            eventually(lambda before=before: len(written) > before + 100)
            postgresql.restart(mode)
        before = len(written)
        eventually(lambda: len(written) > before + 50)
        stop.set()
        thread.join(30)
        there = {key.key_id for _, key in one.keys(ACCOUNT, limit=1_000_000)}
        assert there == written
        assert not there & failed
        assert not [words for words in told if "cannot be told" in words]


class TestLostAnswer:
    """The connection breaks while a commit is answered: the outcome is looked up."""

    @staticmethod
    def cut(store: SQLStore, postgresql: PostgreSQLCluster, *, after: bool) -> None:
        """Break the writer's connection before or after its commit is made, unheard."""
        engine = engine_of(store)
        writer = engine._writer
        assert writer is not None
        exchange = writer.exchange

        def cutting(queries: Sequence[Query]) -> object:
            if queries[-1] != ("COMMIT", ()):
                return exchange(queries)
            if after:
                exchange(queries)
            pid = writer.info.backend_pid
            with postgresql.connect() as connection:
                connection.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
            writer.close()
            raise psycopg.OperationalError("the connection is lost")

        writer.exchange = cutting  # type: ignore[method-assign,assignment]

    def test_a_commit_that_was_made_is_a_success(
        self, one: SQLStore, postgresql: PostgreSQLCluster, key_record: MakeKey
    ) -> None:
        """The caller hears of no error, so nothing is done twice."""
        one.write_blocking(lambda tx: tx.insert_key(key_record(1)))
        self.cut(one, postgresql, after=True)
        one.write_blocking(lambda tx: tx.insert_key(key_record(2)))
        assert one.count_keys(ACCOUNT) == 2

    def test_a_commit_that_was_not_is_an_error(
        self, one: SQLStore, postgresql: PostgreSQLCluster, key_record: MakeKey
    ) -> None:
        """It says so, and nothing is there."""
        one.write_blocking(lambda tx: tx.insert_key(key_record(1)))
        self.cut(one, postgresql, after=False)
        with pytest.raises(StoreError, match="nothing was written"):
            one.write_blocking(lambda tx: tx.insert_key(key_record(2)))
        assert one.count_keys(ACCOUNT) == 1

    def test_who_cannot_be_asked_is_not_guessed(
        self,
        one: SQLStore,
        postgresql: PostgreSQLCluster,
        key_record: MakeKey,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """With the database gone the answer is that the outcome is unknown."""
        monkeypatch.setattr("keyferry.service.store.postgresql._OUTCOME_TIMEOUT_S", 0.2)
        one.write_blocking(lambda tx: tx.insert_key(key_record(1)))
        self.cut(one, postgresql, after=True)

        def gone() -> None:
            raise psycopg.OperationalError("nobody there")

        monkeypatch.setattr(engine_of(one)._server, "connect_writer", gone)
        with pytest.raises(StoreError, match="cannot be told"):
            one.write_blocking(lambda tx: tx.insert_key(key_record(2)))


def test_old_versions_are_removed(one: SQLStore, key_record: MakeKey) -> None:
    """After a destruction the table holds no dead row any more."""
    key = key_record(1)
    one.write_blocking(lambda tx: tx.insert_key(key))
    tombstone = replace(key, state=KeyState.DELETE_COMPLETE, sealed=None, revision=2)
    one.write_blocking(lambda tx: tx.destroy_key(tombstone, replacing=1))
    engine = engine_of(one)
    assert not one._committer._traces_left
    engine.fetch("SELECT pg_stat_force_next_flush()")
    assert engine.erase_traces()
    dead = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'keys'"
    eventually(lambda: engine.fetch(dead) == [(0,)])


def test_statement_errors_are_undone_alone(
    one: SQLStore, alias_record: Callable[..., AliasRecord]
) -> None:
    """A value PostgreSQL cannot hold fails its own change; the neighbours of the batch stay."""

    async def together() -> list[object]:
        return await asyncio.gather(
            one.write(lambda tx: tx.insert_alias(alias_record("first"))),
            one.write(lambda tx: tx.put_tags(ACCOUNT, "key1", [("good", "x"), ("bad", "\0")])),
            one.write(lambda tx: tx.insert_alias(alias_record("last"))),
            return_exceptions=True,
        )

    results = asyncio.run(together())
    assert [type(result) for result in results] == [type(None), StoreError, type(None)]
    assert one.tags(ACCOUNT, "key1") == []
    assert [alias.name for alias in one.aliases(ACCOUNT, limit=9)] == ["alias/first", "alias/last"]


def test_a_batch_costs_two_exchanges(
    one: SQLStore, key_record: MakeKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One to begin and look up, one to write and commit, however many changes there are."""
    keys = [key_record(number) for number in range(20)]
    writer = engine_of(one)._writer
    assert writer is not None
    exchange, sizes = writer.exchange, list[int]()

    def counted(queries: Sequence[Query]) -> object:
        sizes.append(len(queries))
        return exchange(queries)

    def create(tx: SQLStore, key: KeyRecord) -> None:
        assert tx.key(ACCOUNT, key.key_id) is None
        tx.insert_key(key)

    async def together() -> None:
        await asyncio.gather(
            *(
                one.write(lambda tx, key=key: create(tx, key), about=[(ACCOUNT, key.key_id)])
                for key in keys
            )
        )

    one.write_blocking(lambda tx: tx.insert_key(key_record(21)))  # asks for the types of columns
    monkeypatch.setattr(writer, "exchange", counted)
    reached, gate = threading.Event(), threading.Event()

    def hold_up(tx: SQLStore) -> None:
        reached.set()
        assert gate.wait(20)

    first = threading.Thread(target=lambda: one.write_blocking(hold_up))
    first.start()
    assert reached.wait(20)
    second = threading.Thread(target=lambda: asyncio.run(together()))
    second.start()
    eventually(lambda: one._committer._waiting.qsize() == len(keys))
    sizes.clear()
    gate.set()
    first.join(20)
    second.join(20)
    # The first of them is the commit of what held them up.
    assert len(sizes) == 3
    assert one.count_keys(ACCOUNT) == len(keys) + 1


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM replication_outbox WHERE account = ? AND key_id = ? AND region = ?",
        "DELETE FROM tags WHERE account = ? AND key_id = ?",
    ],
)
def test_rows_are_deleted_by_their_index(one: SQLStore, statement: str) -> None:
    """Many at once too, by the one plan that is kept, made while the table was empty."""
    engine = engine_of(one)
    engine.begin()
    bulk = engine._bulk.of(statement)
    engine.rollback()
    assert bulk is not None
    text, count = bulk.statement, bulk.statement.count("?")
    for number in range(1, count + 1):
        text = text.replace("?", f"${number}", 1)
    with engine._server.connect_writer() as connection:
        connection.execute(f"PREPARE many AS {text}".encode())
        plan = connection.execute(
            f"EXPLAIN EXECUTE many ({', '.join(['NULL'] * count)})".encode()
        ).fetchall()
    lines = [line.strip(" ->") for (line,) in plan]
    assert [line.split("  ")[0] for line in lines if "Scan" in line] == [
        "Function Scan on gone",
        f"Index Scan using {bulk.table}_pkey on {bulk.table} {bulk.table}_1",
        f"Tid Scan on {bulk.table}",
    ]
    assert any(line.startswith("Nested Loop") for line in lines)


def test_what_cannot_be_looked_up_fails_alone(
    one: SQLStore, alias_record: Callable[..., AliasRecord]
) -> None:
    """A key id PostgreSQL cannot hold fails the change that names it, not those beside it."""

    async def together() -> list[object]:
        return await asyncio.gather(
            one.write(lambda tx: tx.insert_alias(alias_record("first"))),
            one.write(lambda tx: tx.key(ACCOUNT, "bad\0"), about=[(ACCOUNT, "bad\0")]),
            one.write(lambda tx: tx.insert_alias(alias_record("last"))),
            return_exceptions=True,
        )

    results = asyncio.run(together())
    assert [type(result) for result in results] == [type(None), StoreError, type(None)]
    assert len(one.aliases(ACCOUNT, limit=9)) == 2


def test_errors_tell_no_values(one: SQLStore) -> None:
    """Neither parameters nor what the server says about rows."""
    with pytest.raises(StoreError) as failed:
        one.write_blocking(
            lambda tx: tx._engine.execute(
                "INSERT INTO meta (name, value) VALUES (?, NULL)", ("s3cret",)
            )
        )
    assert "null value in column" in str(failed.value)
    assert "s3cret" not in str(failed.value)
    assert failed.value.__cause__ is None

"""Many changes in one durable transaction, and each with its own fate."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from keyferry.errors import StoreError
from keyferry.service.errors import ConflictError
from keyferry.service.store import group_commit
from keyferry.service.store.opening import open_store
from keyferry.service.store.postgresql import PostgreSQLEngine
from keyferry.service.store.records import AliasRecord, KeyRecord
from keyferry.service.store.sqlite import SQLiteEngine
from keyferry.service.store.store import SQLStore
from keyferry.service.store.transaction import SQLTransaction
from keyferry.service.vault.master_key import LocalMasterKey

ACCOUNT = "111122223333"
MakeKey = Callable[..., KeyRecord]
MakeAlias = Callable[..., AliasRecord]


class Gate:
    """A change that holds the writing thread up until it is opened, so that others gather."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()

    def __call__(self, _: SQLTransaction) -> None:
        self.reached.set()
        assert self._open.wait(10)

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def commits(store: SQLStore, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with each commit."""
    done: list[int] = []
    commit = store._engine.commit

    def counting() -> None:
        commit()
        done.append(1)

    monkeypatch.setattr(store._engine, "commit", counting)
    return done


@pytest.fixture(params=["in place", "in the thread"])
def gathered(
    request: pytest.FixtureRequest, store: SQLStore, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Awaitable[list[object]]]:
    """Runs changes as one batch, on the loop or in the writing thread; gives results and errors."""
    if request.param == "in the thread":
        monkeypatch.setattr(group_commit, "IN_PLACE_LIMIT_S", 0.0)

    async def gather(*changes: Callable[[SQLTransaction], object]) -> list[object]:
        # PostgreSQL never writes in place; without the gate its thread may take the first alone.
        if request.param == "in place" and isinstance(store._engine, SQLiteEngine):
            return await asyncio.gather(*map(store.write, changes), return_exceptions=True)
        gate = Gate()
        first = asyncio.ensure_future(store.write(gate))
        await asyncio.to_thread(gate.reached.wait, 10)
        rest = [asyncio.ensure_future(store.write(change)) for change in changes]
        await asyncio.sleep(0)  # let each put its change into the queue
        gate.open()
        await first
        return await asyncio.gather(*rest, return_exceptions=True)

    return gather


Gathered = Callable[..., Awaitable[list[object]]]


async def test_waiting_changes_share_a_commit(
    store: SQLStore, gathered: Gathered, key_record: MakeKey, commits: list[int]
) -> None:
    """Fifty changes that wait together cost one commit, beside that of one before them."""
    before = len(commits)
    changes = [lambda tx, n=n: tx.insert_key(key_record(n)) or n for n in range(50)]
    assert await gathered(*changes) == list(range(50))
    assert len(commits) - before <= 2
    assert store.count_keys(ACCOUNT) == 50


async def test_a_failing_change_takes_nothing_with_it(
    store: SQLStore, gathered: Gathered, key_record: MakeKey, alias_record: MakeAlias
) -> None:
    """What raises leaves nothing behind, its neighbours are kept."""

    def half(tx: SQLTransaction) -> None:
        tx.insert_key(key_record(2))
        tx.insert_alias(alias_record("half"))
        raise LookupError("on purpose")

    results = await gathered(
        lambda tx: tx.insert_key(key_record(1)),
        half,
        lambda tx: tx.insert_key(key_record(1)),
        lambda tx: tx.insert_key(key_record(3)),
    )
    assert [type(result) for result in results] == [
        type(None),
        LookupError,
        ConflictError,
        type(None),
    ]
    assert [key.key_id for _, key in store.keys(ACCOUNT, limit=10)] == [
        key_record(1).key_id,
        key_record(3).key_id,
    ]
    assert store.alias(ACCOUNT, "alias/half") is None


async def test_a_lone_failing_change_leaves_nothing(store: SQLStore, key_record: MakeKey) -> None:
    """The same for a change that has the transaction to itself, and the next one works."""

    def half(tx: SQLTransaction) -> None:
        tx.insert_key(key_record(1))
        raise LookupError("on purpose")

    with pytest.raises(LookupError):
        await store.write(half)
    assert store.count_keys(ACCOUNT) == 0
    await store.write(lambda tx: tx.insert_key(key_record(1)))
    assert store.count_keys(ACCOUNT) == 1


async def test_a_failed_commit_fails_everyone(
    store: SQLStore, gathered: Gathered, key_record: MakeKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No caller hears of success, nothing is there, and the store goes on afterwards."""

    def failing() -> None:
        raise StoreError("disk I/O error")

    def break_commit(tx: SQLTransaction) -> None:
        tx.insert_key(key_record(1))
        monkeypatch.setattr(store._engine, "commit", failing)

    def refused(tx: SQLTransaction) -> None:
        raise ConflictError("its own answer")

    results = await gathered(break_commit, lambda tx: tx.insert_key(key_record(2)), refused)
    assert [type(result) for result in results] == [StoreError, StoreError, ConflictError]
    monkeypatch.undo()
    assert store.count_keys(ACCOUNT) == 0
    await store.write(lambda tx: tx.insert_key(key_record(3)))
    assert store.count_keys(ACCOUNT) == 1


async def test_a_transaction_the_engine_gave_up_is_not_half_done(
    store: SQLStore, gathered: Gathered, key_record: MakeKey
) -> None:
    """After the database rolled back by itself, no later statement commits on its own."""

    def give_up(tx: SQLTransaction) -> None:
        engine = tx._engine
        if isinstance(engine, PostgreSQLEngine):
            engine._drop_writer()  # the server gives a transaction up with its connection
        else:
            assert isinstance(engine, SQLiteEngine)
            engine._writer.execute("ROLLBACK")

    results = await gathered(
        lambda tx: tx.insert_key(key_record(1)),
        give_up,
        lambda tx: tx.insert_key(key_record(2)),
    )
    assert all(isinstance(result, StoreError) for result in results)
    assert store.count_keys(ACCOUNT) == 0
    await store.write(lambda tx: tx.insert_key(key_record(3)))
    assert store.count_keys(ACCOUNT) == 1


async def test_a_full_disk_refuses_and_recovers(file_store: SQLStore, key_record: MakeKey) -> None:
    """A database that cannot grow refuses with StoreError and takes writes again later."""
    engine = file_store._engine
    assert isinstance(engine, SQLiteEngine)
    pages = engine._writer.execute("PRAGMA page_count").fetchone()[0]
    engine._writer.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    large = key_record(1, certificate=bytes(100_000))
    with pytest.raises(StoreError, match="full"):
        await file_store.write(lambda tx: tx.insert_key(large))
    assert file_store.count_keys(ACCOUNT) == 0
    engine._writer.execute("PRAGMA max_page_count = 1000000").fetchall()
    await file_store.write(lambda tx: tx.insert_key(large))
    assert file_store.key(ACCOUNT, large.key_id) == large


async def test_reads_within_a_change_see_it_and_others_do_not(
    store: SQLStore, key_record: MakeKey
) -> None:
    """A change reads its own writes; until the commit nobody else does."""
    seen_outside: list[KeyRecord | None] = []
    key = key_record(1)

    def change(tx: SQLTransaction) -> KeyRecord | None:
        tx.insert_key(key)
        reader = threading.Thread(
            target=lambda: seen_outside.append(store.key(ACCOUNT, key.key_id))
        )
        reader.start()
        # A store in memory lets readers in only after the commit; then the read sees the key.
        reader.join(0.2)
        waited.append(reader)
        return tx.key(ACCOUNT, key.key_id)

    waited: list[threading.Thread] = []
    assert await store.write(change) == key
    waited[0].join(10)
    in_memory = getattr(store._engine, "_memory_lock", None) is not None
    assert seen_outside == [key if in_memory else None]


async def test_a_cancelled_caller_disturbs_nobody(
    store: SQLStore, key_record: MakeKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change of a caller who went away is made, and its neighbours get their answers."""
    for limit, first in ((group_commit.IN_PLACE_LIMIT_S, 1), (0.0, 3)):
        monkeypatch.setattr(group_commit, "IN_PLACE_LIMIT_S", limit)
        gone = asyncio.ensure_future(store.write(lambda tx, n=first: tx.insert_key(key_record(n))))
        stays = asyncio.ensure_future(
            store.write(lambda tx, n=first + 1: tx.insert_key(key_record(n)))
        )
        await asyncio.sleep(0)
        gone.cancel()
        await stays
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert store.count_keys(ACCOUNT) == first + 1


class TestInPlace:
    """Which thread a batch runs in, on an engine that may run it on the loop."""

    @pytest.fixture(params=["memory", "file"])
    def store_url(self, request: pytest.FixtureRequest, database: Path) -> str:
        return "memory:" if request.param == "memory" else f"sqlite:///{database}"

    @staticmethod
    async def runs_in(store: SQLStore) -> str:
        return await store.write(lambda _: threading.current_thread().name)

    async def test_fast_flushes_stay_on_the_loop(self, store: SQLStore) -> None:
        """No other thread takes part as long as a flush is short."""
        assert await self.runs_in(store) == threading.current_thread().name

    async def test_slow_flushes_leave_it(
        self, store: SQLStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On a slow disk the thread writes and the loop goes on; back again when it is fast."""
        commit = SQLiteEngine.commit
        disk = threading.Event()  # set when the flush is over

        def slow(engine: SQLiteEngine) -> None:
            disk.wait(0.03)
            commit(engine)

        monkeypatch.setattr(SQLiteEngine, "commit", slow)
        names = [await self.runs_in(store) for _ in range(4)]
        assert names[0] == threading.current_thread().name
        assert names[-1] == "keyferry-store"
        disk.set()
        for _ in range(200):
            if await self.runs_in(store) != "keyferry-store":
                return
        raise AssertionError("never came back to the loop")

    async def test_a_large_batch_is_parted(self, store: SQLStore, commits: list[int]) -> None:
        """Others get their turn on the loop between parts of a large batch."""
        before = len(commits)
        order = await asyncio.gather(
            *(store.write(lambda _, n=n: n) for n in range(3 * group_commit.MAX_BATCH_IN_PLACE))
        )
        assert order == list(range(3 * group_commit.MAX_BATCH_IN_PLACE))
        assert len(commits) - before == 3

    async def test_another_process_writing_does_not_stop_the_loop(
        self, file_store: SQLStore, database: Path, key_record: MakeKey
    ) -> None:
        """While the file is locked the thread waits; the loop answers others, reads included."""
        other = sqlite3.connect(database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        writing = [
            asyncio.ensure_future(file_store.write(lambda tx, n=n: tx.insert_key(key_record(n))))
            for n in range(3)
        ]
        for _ in range(20):
            await asyncio.sleep(0.001)
            assert file_store.count_keys(ACCOUNT) == 0
        assert not any(future.done() for future in writing)
        other.execute("ROLLBACK")
        other.close()
        await asyncio.gather(*writing)
        assert file_store.count_keys(ACCOUNT) == 3

    def test_two_loops_share_a_store(self, store: SQLStore, key_record: MakeKey) -> None:
        """Each caller is told on its own loop."""

        async def fill(start: int) -> None:
            for number in range(start, start + 50):
                await store.write(lambda tx, n=number: tx.insert_key(key_record(n)))

        threads = [
            threading.Thread(target=lambda start=start: asyncio.run(fill(start)))
            for start in (0, 50, 100)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert store.count_keys(ACCOUNT) == 150

    async def test_closed_store_refuses(
        self, database: Path, master_key: LocalMasterKey, key_record: MakeKey
    ) -> None:
        """A change gathered before the store closed is refused, not lost in silence."""
        store = open_store(f"sqlite:///{database}", region="us-east-1", master_key=master_key)
        late = asyncio.ensure_future(store.write(lambda tx: tx.insert_key(key_record(1))))
        await asyncio.sleep(0)
        store.close()
        with pytest.raises(StoreError, match="closed"):
            await late
        with pytest.raises(StoreError, match="closed"):
            await store.write(lambda tx: tx.insert_key(key_record(1)))

    async def test_log_is_moved_now_and_then(
        self, file_store: SQLStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By the thread, after a number of changes, without a caller waiting for it."""
        monkeypatch.setattr(group_commit, "TIDY_AFTER_CHANGES", 10)
        tidied: list[str] = []
        tidy = SQLiteEngine.tidy

        def watched(engine: SQLiteEngine) -> None:
            tidy(engine)
            tidied.append(threading.current_thread().name)

        monkeypatch.setattr(file_store._engine, "tidy", lambda: watched(file_store._engine))
        for number in range(25):
            tag = [("n", str(number))]
            await file_store.write(lambda tx, tag=tag: tx.put_tags(ACCOUNT, "key1", tag))
        await asyncio.to_thread(file_store.write_blocking, lambda _: None)
        assert tidied == ["keyferry-store"] * 2


def test_a_change_cannot_wait_for_a_change(store: SQLStore) -> None:
    """It would wait for the thread it runs on."""
    with pytest.raises(RuntimeError, match="cannot wait"):
        store.write_blocking(lambda _: store.write_blocking(lambda _: None))
    with pytest.raises(RuntimeError, match="cannot wait"):
        asyncio.run(store.write(lambda _: store.write_blocking(lambda _: None)))


def test_close_writes_what_was_submitted(
    database: Path, master_key: LocalMasterKey, key_record: MakeKey
) -> None:
    """Closing waits for the changes before it; later ones are refused."""
    url = f"sqlite:///{database}"
    store = open_store(url, region="us-east-1", master_key=master_key)
    writers = [
        threading.Thread(
            target=store.write_blocking, args=(lambda tx, n=n: tx.insert_key(key_record(n)),)
        )
        for n in range(20)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(10)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.write_blocking(lambda _: None)
    with open_store(url, region="us-east-1", master_key=master_key) as again:
        assert again.count_keys(ACCOUNT) == 20


def test_check_passes_and_fails(
    file_store: SQLStore, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store another process keeps locked is not usable, and is again when it lets go."""
    file_store.check()
    monkeypatch.setattr("keyferry.service.store.store._CHECK_TIMEOUT_S", 0.2)
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError):
        file_store.check()
    other.execute("ROLLBACK")
    other.close()
    monkeypatch.undo()
    file_store.check()


def test_two_stores_on_one_file(
    database: Path, master_key: LocalMasterKey, key_record: MakeKey
) -> None:
    """Writers in several processes take turns; each sees what the other committed."""
    url = f"sqlite:///{database}"
    with (
        open_store(url, region="us-east-1", master_key=master_key) as one,
        open_store(url, region="us-east-1", master_key=master_key) as two,
    ):
        stores = (one, two)

        def fill(which: int) -> None:
            for number in range(40):
                key = key_record(100 * which + number)
                stores[which].write_blocking(lambda tx, key=key: tx.insert_key(key))

        threads = [threading.Thread(target=fill, args=(which,)) for which in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert one.count_keys(ACCOUNT) == two.count_keys(ACCOUNT) == 80
        assert one.keys(ACCOUNT, limit=100) == two.keys(ACCOUNT, limit=100)

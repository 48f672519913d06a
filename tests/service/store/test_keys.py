"""Keys in a store, on every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from keyferry.crypto.keyblock import Exportability, OptionalBlock
from keyferry.keys import KeyUsage
from keyferry.service.errors import ConflictError
from keyferry.service.store.records import (
    AliasRecord,
    IssuedCertificateRecord,
    KeyOrigin,
    KeyRecord,
    KeyState,
    Sealed,
)
from keyferry.service.store.store import SQLStore
from keyferry.service.store.transaction import SQLTransaction

ACCOUNT = "111122223333"
OTHER = "444455556666"
MakeKey = Callable[..., KeyRecord]
MakeAlias = Callable[..., AliasRecord]


def insert(store: SQLStore, *keys: KeyRecord) -> None:
    for key in keys:
        store.write_blocking(lambda tx, key=key: tx.insert_key(key))


class TestOneKey:
    def test_comes_back_as_it_was(self, store: SQLStore, key_record: MakeKey) -> None:
        """Every member of a full record survives, immutable and mutable."""
        key = key_record(
            1,
            exportability=Exportability.EXPORTABLE,
            origin=KeyOrigin.EXTERNAL,
            derive_key_usage=KeyUsage.TR31_K1_KEY_BLOCK_PROTECTION_KEY,
            optional_blocks=(
                OptionalBlock("KS", "00604B120F9292800000"),
                OptionalBlock("LB", 'A"[\\'),
            ),
            key_version="1A",
            public_key=b"\x30\x00",
            certificate=b"\x30\x01\xff",
            issuer_key_id="key0000000000009",
            state=KeyState.DELETE_PENDING,
            enabled=False,
            usage_started_at=None,
            usage_stopped_at=datetime(2026, 3, 1, 1, 2, 3, 999999, tzinfo=UTC),
            delete_pending_at=datetime(2026, 4, 1, tzinfo=UTC),
            revision=1,
        )
        insert(store, key)
        assert store.key(ACCOUNT, key.key_id) == key

    def test_absence_is_none(self, store: SQLStore, key_record: MakeKey) -> None:
        """An unknown id and another account's id are both absent."""
        insert(store, key_record(1))
        assert store.key(ACCOUNT, "key0000000000002") is None
        assert store.key(OTHER, "key0000000000001") is None

    def test_id_is_taken_once(self, store: SQLStore, key_record: MakeKey) -> None:
        """A second key of the same id is a conflict, and the first stays."""
        insert(store, key_record(1))
        with pytest.raises(ConflictError, match="exists already"):
            insert(store, key_record(1, check_value="FFFFFF"))
        assert store.key(ACCOUNT, key_record(1).key_id) == key_record(1)

    def test_same_id_in_two_accounts(self, store: SQLStore, key_record: MakeKey) -> None:
        """Ids belong to an account."""
        insert(store, key_record(1), key_record(1, account=OTHER))
        assert store.count_keys(ACCOUNT) == store.count_keys(OTHER) == 1

    def test_tags_come_with_it(self, store: SQLStore, key_record: MakeKey) -> None:
        """Tags given at creation are there at once."""
        key = key_record(1)
        store.write_blocking(lambda tx: tx.insert_key(key, [("team", "pin"), ("env", "")]))
        assert store.tags(ACCOUNT, key.key_id) == [("env", ""), ("team", "pin")]


class TestUpdate:
    def test_writes_the_next_revision(self, store: SQLStore, key_record: MakeKey) -> None:
        """A changed key replaces the revision it was made from."""
        key = key_record(1)
        insert(store, key)
        stopped = replace(key, enabled=False, usage_stopped_at=key.created_at, revision=2)
        store.write_blocking(lambda tx: tx.update_key(stopped, replacing=1))
        assert store.key(ACCOUNT, key.key_id) == stopped

    def test_lost_race_is_a_conflict(self, store: SQLStore, key_record: MakeKey) -> None:
        """Two changes made from the same revision: the second is refused, the first stays."""
        key = key_record(1)
        insert(store, key)
        first, second = replace(key, enabled=False, revision=2), replace(key, revision=2)
        store.write_blocking(lambda tx: tx.update_key(first, replacing=1))
        with pytest.raises(ConflictError):
            store.write_blocking(lambda tx: tx.update_key(second, replacing=1))
        assert store.key(ACCOUNT, key.key_id) == first

    def test_unknown_key_is_a_conflict(self, store: SQLStore, key_record: MakeKey) -> None:
        """What is gone cannot be replaced."""
        changed = key_record(1, revision=2)
        with pytest.raises(ConflictError):
            store.write_blocking(lambda tx: tx.update_key(changed, replacing=1))

    @pytest.mark.parametrize(
        "changes",
        [
            {"exportability": Exportability.EXPORTABLE, "revision": 2},
            {"check_value": "000000", "revision": 2},
            {"revision": 3},
            {"revision": 1},
        ],
        ids=lambda changes: ",".join(changes),
    )
    def test_refuses_what_no_operation_may_write(
        self, store: SQLStore, key_record: MakeKey, changes: dict[str, object]
    ) -> None:
        """An immutable member never changes, and revisions are not skipped."""
        key = key_record(1)
        insert(store, key)
        changed = replace(key, **changes)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="not the next revision"):
            store.write_blocking(lambda tx: tx.update_key(changed, replacing=1))
        assert store.key(ACCOUNT, key.key_id) == key


class TestListing:
    def test_pages_in_creation_order(self, store: SQLStore, key_record: MakeKey) -> None:
        """Pages of any size put together are all keys of the account, in order, once."""
        keys = [key_record(number) for number in (5, 3, 9, 1, 7)]
        insert(store, *keys, key_record(2, account=OTHER))
        for size in (1, 2, 5, 100):
            found: list[KeyRecord] = []
            position = 0
            while page := store.keys(ACCOUNT, after=position, limit=size):
                assert len(page) <= size
                found += [key for _, key in page]
                position = page[-1][0]
            assert found == keys

    def test_filters_by_state(self, store: SQLStore, key_record: MakeKey) -> None:
        """Only keys in the asked state, pages included."""
        pending = [key_record(n, state=KeyState.DELETE_PENDING) for n in (2, 4)]
        insert(store, key_record(1), pending[0], key_record(3), pending[1])
        page = store.keys(ACCOUNT, state=KeyState.DELETE_PENDING, limit=1)
        assert [key for _, key in page] == pending[:1]
        rest = store.keys(ACCOUNT, state=KeyState.DELETE_PENDING, after=page[0][0], limit=10)
        assert [key for _, key in rest] == pending[1:]

    def test_counts_against_the_quota(self, store: SQLStore, key_record: MakeKey) -> None:
        """Tombstones do not count, keys in every other state do."""
        states = list(KeyState)
        insert(store, *(key_record(n, state=state) for n, state in enumerate(states)))
        assert store.count_keys(ACCOUNT) == len(states) - 1
        assert store.count_keys(OTHER) == 0

    def test_finds_what_is_due(self, store: SQLStore, key_record: MakeKey) -> None:
        """Keys whose waiting period is over, the oldest first, of every account."""
        day = datetime(2026, 3, 10, tzinfo=UTC)
        due = [
            key_record(n, account=account, state=KeyState.DELETE_PENDING, delete_pending_at=at)
            for n, account, at in (
                (1, ACCOUNT, day),
                (2, OTHER, day - timedelta(days=1)),
                (3, ACCOUNT, day + timedelta(microseconds=1)),
            )
        ]
        insert(store, *due, key_record(4, delete_pending_at=day))
        assert store.keys_due_for_destruction(day, limit=10) == [due[1], due[0]]
        assert store.keys_due_for_destruction(day, limit=1) == [due[1]]


class TestDestruction:
    def test_leaves_a_tombstone(
        self,
        store: SQLStore,
        key_record: MakeKey,
        alias_record: MakeAlias,
        issued_certificate: IssuedCertificateRecord,
    ) -> None:
        """Seal, tags and certificate go, aliases lose their target, the tombstone answers."""
        key = key_record(1, state=KeyState.DELETE_PENDING)

        def prepare(tx: SQLTransaction) -> None:
            tx.insert_key(key, [("a", "b")])
            tx.insert_key(key_record(2), [("c", "d")])
            tx.insert_alias(alias_record("one", key.key_id))
            tx.insert_alias(alias_record("two", key_record(2).key_id))
            tx.put_issued_certificate(issued_certificate)

        store.write_blocking(prepare)
        tombstone = replace(
            key, state=KeyState.DELETE_COMPLETE, sealed=None, deleted_at=key.created_at, revision=2
        )
        store.write_blocking(lambda tx: tx.destroy_key(tombstone, replacing=1))
        assert store.key(ACCOUNT, key.key_id) == tombstone
        assert store.tags(ACCOUNT, key.key_id) == []
        assert store.issued_certificate(ACCOUNT, key.key_id) is None
        assert store.alias(ACCOUNT, "alias/one") == alias_record("one", None, revision=2)
        assert store.alias(ACCOUNT, "alias/two") == alias_record("two", key_record(2).key_id)
        assert store.tags(ACCOUNT, key_record(2).key_id) == [("c", "d")]

    @pytest.mark.parametrize(
        "changes",
        [{"state": KeyState.DELETE_COMPLETE}, {"sealed": None}],
        ids=["still sealed", "wrong state"],
    )
    def test_takes_tombstones_only(
        self, store: SQLStore, key_record: MakeKey, changes: dict[str, object]
    ) -> None:
        """A key that is half a tombstone is not written."""
        key = key_record(1, state=KeyState.DELETE_PENDING, sealed=Sealed(b"w", b"c"))
        insert(store, key)
        half = replace(key, revision=2, **changes)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="tombstone"):
            store.write_blocking(lambda tx: tx.destroy_key(half, replacing=1))
        assert store.key(ACCOUNT, key.key_id) == key

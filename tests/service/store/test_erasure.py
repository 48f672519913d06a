"""What is destroyed is gone from the files, and clear key bytes were never in them."""

from __future__ import annotations

import asyncio
import base64
import os
import pickle
import random
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from keyferry.service.store.opening import open_store
from keyferry.service.store.records import KeyRecord, KeyState, TokenRecord
from keyferry.service.store.store import SQLStore
from keyferry.service.vault.binding import key_binding
from keyferry.service.vault.master_key import LocalMasterKey

ACCOUNT = "111122223333"
REGION = "us-east-1"
MakeKey = Callable[..., KeyRecord]


def files_hold(database: Path, needle: bytes) -> list[str]:
    """The names of the store's files that contain the bytes."""
    files = sorted(database.parent.glob(f"{database.name}*"))
    assert files
    return [file.name for file in files if needle in file.read_bytes()]


def sealed_key(store: SQLStore, key: KeyRecord, material: bytes) -> KeyRecord:
    return replace(key, sealed=store.vault.seal(material, binding=key_binding(REGION, key)))


def destroy(store: SQLStore, key: KeyRecord) -> None:
    tombstone = replace(key, state=KeyState.DELETE_COMPLETE, sealed=None, revision=key.revision + 1)
    store.write_blocking(lambda tx: tx.destroy_key(tombstone, replacing=key.revision))


@pytest.mark.parametrize("size", [16, 3000, 20_000], ids=["in a cell", "a page", "overflow pages"])
def test_destroyed_seal_is_in_no_file(
    file_store: SQLStore, database: Path, key_record: MakeKey, size: int
) -> None:
    """Neither database nor log holds the data key or the ciphertext when destroy returns."""
    keys = [sealed_key(file_store, key_record(n), os.urandom(size)) for n in range(30)]
    for key in keys:
        file_store.write_blocking(lambda tx, key=key: tx.insert_key(key))
    # Older versions of the row, which lie in the log and in freed cells.
    for key in keys:
        stopped = replace(key, enabled=False, revision=2)
        file_store.write_blocking(lambda tx, key=stopped: tx.update_key(key, replacing=1))
    victim, neighbour = keys[7], keys[8]
    assert victim.sealed is not None
    assert neighbour.sealed is not None
    assert files_hold(database, victim.sealed.wrapped_data_key)
    destroy(file_store, replace(victim, revision=2))
    assert files_hold(database, victim.sealed.wrapped_data_key) == []
    assert files_hold(database, victim.sealed.ciphertext[:500]) == []
    assert files_hold(database, neighbour.sealed.wrapped_data_key)
    binding = key_binding(REGION, neighbour)
    assert len(file_store.vault.open(neighbour.sealed, binding=binding)) == size


async def test_destruction_in_place_is_erased_too(
    file_store: SQLStore, database: Path, key_record: MakeKey
) -> None:
    """A caller on the loop hears of a destruction when the files are clean, among other writes."""
    keys = [sealed_key(file_store, key_record(n), os.urandom(32)) for n in range(3)]
    await asyncio.gather(*(file_store.write(lambda tx, k=k: tx.insert_key(k)) for k in keys))
    tombstone = replace(keys[0], state=KeyState.DELETE_COMPLETE, sealed=None, revision=2)
    stopped = replace(keys[1], enabled=False, revision=2)
    await asyncio.gather(
        file_store.write(lambda tx: tx.update_key(stopped, replacing=1)),
        file_store.write(lambda tx: tx.destroy_key(tombstone, replacing=1)),
    )
    victim, neighbour = keys[0].sealed, keys[1].sealed
    assert victim is not None
    assert neighbour is not None
    assert files_hold(database, victim.wrapped_data_key) == []
    assert files_hold(database, neighbour.wrapped_data_key)


def test_expired_tokens_are_erased(
    file_store: SQLStore, database: Path, token_record: Callable[..., TokenRecord]
) -> None:
    """The private key behind an expired token goes the same way."""
    sealed = file_store.vault.seal(os.urandom(1200), binding=b"token")
    token = token_record(1, sealed=sealed)
    file_store.write_blocking(lambda tx: tx.insert_token(token))
    assert files_hold(database, sealed.wrapped_data_key)
    file_store.write_blocking(lambda tx: tx.delete_expired_tokens(token.valid_until))
    assert files_hold(database, sealed.wrapped_data_key) == []


def test_a_reader_in_the_log_delays_erasure_only(
    file_store: SQLStore, database: Path, key_record: MakeKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process reads an old state the log stays; the next write erases it."""
    monkeypatch.setattr("keyferry.service.store.group_commit.ERASE_AGAIN_S", 0.0)
    key = sealed_key(file_store, key_record(1), bytes(16))
    file_store.write_blocking(lambda tx: tx.insert_key(key))
    assert key.sealed is not None
    reader = sqlite3.connect(database, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM keys").fetchone()
    destroy(file_store, key)
    assert file_store.key(ACCOUNT, key.key_id).sealed is None  # type: ignore[union-attr]
    assert files_hold(database, key.sealed.wrapped_data_key)
    reader.execute("COMMIT")
    reader.close()
    file_store.write_blocking(lambda _: None)
    file_store.write_blocking(lambda _: None)
    assert files_hold(database, key.sealed.wrapped_data_key) == []


def test_opening_erases_what_a_killed_process_left(
    database: Path, master_key: LocalMasterKey, key_record: MakeKey
) -> None:
    """A destruction whose process died before the log was cut is finished at the next start."""
    url = f"sqlite:///{database}"
    store = open_store(url, region=REGION, master_key=master_key)
    key = sealed_key(store, key_record(1), bytes(16))
    store.write_blocking(lambda tx: tx.insert_key(key))
    assert key.sealed is not None
    holder = sqlite3.connect(database, isolation_level=None)
    holder.execute("BEGIN")
    holder.execute("SELECT count(*) FROM keys").fetchone()
    destroy(store, key)
    crashed = database.with_name("crashed.sqlite3")
    for suffix in ("", "-wal"):
        crashed.with_name(crashed.name + suffix).write_bytes(
            database.with_name(database.name + suffix).read_bytes()
        )
    holder.close()
    store.close()
    assert files_hold(crashed, key.sealed.wrapped_data_key)
    with open_store(f"sqlite:///{crashed}", region=REGION, master_key=master_key) as again:
        assert again.key(ACCOUNT, key.key_id).sealed is None  # type: ignore[union-attr]
        assert files_hold(crashed, key.sealed.wrapped_data_key) == []


def test_clear_key_bytes_are_in_no_file(
    file_store: SQLStore, database: Path, key_record: MakeKey, token_record: MakeKey
) -> None:
    """Material, data keys, store key and master key: not as bytes, hex or base64, anywhere."""
    rng = random.Random(20260301)
    secrets = [rng.randbytes(size) for size in (16, 24, 32, 64, 1200)]
    issued: list[bytes] = []
    vault = file_store.vault
    draw = vault._random_bytes

    def watched(size: int) -> bytes:
        issued.append(draw(size))
        return issued[-1]

    vault._random_bytes = watched
    for number, material in enumerate(secrets):
        key = sealed_key(file_store, key_record(number), material)
        file_store.write_blocking(lambda tx, key=key: tx.insert_key(key))
    data_keys = [drawn for drawn in issued if len(drawn) == 32]
    assert len(data_keys) == len(secrets)
    searched = [*secrets, *data_keys, bytes(range(32)), vault._store_key._key]
    for secret in searched:
        for form in (
            secret,
            secret[:16],
            secret.hex().encode(),
            secret.hex().upper().encode(),
            base64.b64encode(secret)[:-4],
        ):
            assert files_hold(database, form) == []
    # The search itself finds what is there.
    assert files_hold(database, b"key0000000000001")


def test_opened_things_do_not_print(file_store: SQLStore, master_key: LocalMasterKey) -> None:
    """Vault, store key and master key show no key, and the keys are not pickled."""
    secret = file_store.vault._store_key._key
    for thing in (file_store.vault, file_store.vault._store_key, master_key):
        assert secret.hex() not in repr(thing)
        assert repr(secret) not in repr(thing)
    for thing in (file_store.vault._store_key, master_key):
        with pytest.raises(TypeError):
            pickle.dumps(thing)

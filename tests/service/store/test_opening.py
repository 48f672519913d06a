"""Which stores open, and with which key."""

from __future__ import annotations

import hashlib
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from keyferry.errors import (
    ConfigurationError,
    MasterKeyError,
    StoreError,
    StoreIntegrityError,
    StoreVersionError,
)
from keyferry.service.store.migrate import Migration, migrate, migrations
from keyferry.service.store.opening import open_engine, open_store
from keyferry.service.store.records import KeyRecord
from keyferry.service.store.sqlite import SQLiteEngine
from keyferry.service.vault.binding import key_binding
from keyferry.service.vault.master_key import LocalMasterKey

ACCOUNT = "111122223333"
REGION = "us-east-1"
MakeKey = Callable[..., KeyRecord]


def test_reopens_with_its_key(
    database: Path, master_key: LocalMasterKey, key_record: MakeKey
) -> None:
    """Keys and their seals survive closing and opening."""
    url = f"sqlite:///{database}"
    with open_store(url, region=REGION, master_key=master_key) as store:
        store.write_blocking(lambda tx: tx.insert_key(key_record(1)))
        sealed = store.vault.seal(b"material", binding=key_binding(REGION, key_record(1)))
        derived = store.vault.derive_key("pages")
    with open_store(url, region=REGION, master_key=LocalMasterKey(bytes(range(32)))) as store:
        assert store.key(ACCOUNT, key_record(1).key_id) == key_record(1)
        binding = key_binding(REGION, key_record(1))
        assert store.vault.open(sealed, binding=binding) == b"material"
        assert store.vault.derive_key("pages") == derived


def test_wrong_master_key_is_refused(database: Path, master_key: LocalMasterKey) -> None:
    """Another master key does not open the store, and changes nothing in it."""
    url = f"sqlite:///{database}"
    open_store(url, region=REGION, master_key=master_key).close()
    before = hashlib.sha256(database.read_bytes()).digest()
    with pytest.raises(MasterKeyError, match="not the one of this store"):
        open_store(url, region=REGION, master_key=LocalMasterKey(bytes(32)))
    assert hashlib.sha256(database.read_bytes()).digest() == before
    open_store(url, region=REGION, master_key=master_key).close()


def test_lost_master_key_file_is_not_made_anew(database: Path, tmp_path: Path) -> None:
    """A store that has a key cannot be opened by a fresh one, so none is made."""
    url, uri = f"sqlite:///{database}", f"file:{tmp_path}/keys/master.key"
    open_store(url, region=REGION, master_key=uri).close()
    kept = (tmp_path / "keys" / "master.key").rename(tmp_path / "away")
    with pytest.raises(MasterKeyError, match="no such file"):
        open_store(url, region=REGION, master_key=uri)
    assert not (tmp_path / "keys" / "master.key").exists()
    kept.rename(tmp_path / "keys" / "master.key")
    open_store(url, region=REGION, master_key=uri).close()


def test_another_regions_store_is_refused(database: Path, master_key: LocalMasterKey) -> None:
    """Two Regions never share a store."""
    url = f"sqlite:///{database}"
    open_store(url, region=REGION, master_key=master_key).close()
    with pytest.raises(ConfigurationError, match="belongs to Region us-east-1, not to us-west-2"):
        open_store(url, region="us-west-2", master_key=master_key)


@pytest.mark.parametrize("name", ["store_id", "store_key", "master_key_check"])
def test_changed_record_of_the_key_is_refused(
    database: Path, master_key: LocalMasterKey, name: str
) -> None:
    """A changed or lost part of the wrapped store key keeps the store shut."""
    url = f"sqlite:///{database}"
    open_store(url, region=REGION, master_key=master_key).close()
    connection = sqlite3.connect(database)
    with connection:
        connection.execute(
            "UPDATE meta SET value = CAST(value || x'00' AS BLOB) WHERE name = ?", (name,)
        )
    with pytest.raises((StoreIntegrityError, MasterKeyError)):
        open_store(url, region=REGION, master_key=master_key)
    with connection:
        connection.execute("DELETE FROM meta WHERE name = ?", (name,))
    connection.close()
    with pytest.raises(StoreIntegrityError, match="not whole"):
        open_store(url, region=REGION, master_key=master_key)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "memory",
        "sqlite:",
        "sqlite:///",
        "sqlite://x",
        "postgresql://user:secret@h",
        "postgresql://user:se%secret@h/db",
        "mysql://user:secret@h/db",
    ],
)
def test_unknown_urls_are_refused(url: str, master_key: LocalMasterKey) -> None:
    """What this build does not know is a configuration error, and its password is not told."""
    with pytest.raises(ConfigurationError) as refused:
        open_store(url, region=REGION, master_key=master_key)
    assert "secret" not in str(refused.value)


def test_file_is_the_owners_alone(database: Path, master_key: LocalMasterKey) -> None:
    """Database and log have mode 0600."""
    with open_store(f"sqlite:///{database}", region=REGION, master_key=master_key) as store:
        store.write_blocking(lambda tx: tx.put_tags(ACCOUNT, "key1", [("a", "b")]))
        files = sorted(database.parent.glob("store.sqlite3*"))
        assert len(files) == 3
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_what_is_not_a_database_is_refused(tmp_path: Path, master_key: LocalMasterKey) -> None:
    """A file of something else, a directory, and a place that cannot be made."""
    (tmp_path / "text").write_text("not a database, but long enough to have a header\n" * 100)
    (tmp_path / "folder").mkdir()
    for place in ("text", "folder", "text/below"):
        with pytest.raises(StoreError):
            open_store(f"sqlite:///{tmp_path}/{place}", region=REGION, master_key=master_key)


def test_several_processes_may_make_it_at_once(database: Path, tmp_path: Path) -> None:
    """Whoever comes first makes master key and store; all end up with the same ones."""
    program = (
        "import sys\n"
        "from keyferry.service.store.opening import open_store\n"
        "store = open_store(sys.argv[1], region='us-east-1', master_key=sys.argv[2])\n"
        "print(store.vault.derive_key('x').hex())\n"
        "store.close()\n"
    )
    arguments = [f"sqlite:///{database}", f"file:{tmp_path}/master.key"]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    outputs = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 4
    assert len(outputs) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["master.key", "store.sqlite3"]


class TestSchema:
    def test_is_made_once(self, database: Path) -> None:
        """A second run finds nothing to do."""
        engine = open_engine(f"sqlite:///{database}")
        assert migrate(engine) == list(migrations())
        assert migrate(engine) == []
        engine.close()

    def test_newer_schema_is_refused(self, database: Path, master_key: LocalMasterKey) -> None:
        """A store of a newer keyferry is left alone."""
        open_store(f"sqlite:///{database}", region=REGION, master_key=master_key).close()
        connection = sqlite3.connect(database)
        with connection:
            connection.execute(
                "INSERT INTO schema_migrations (version, name, checksum) VALUES (9999, 'x', 'y')"
            )
        connection.close()
        with pytest.raises(StoreVersionError, match="9999"):
            open_store(f"sqlite:///{database}", region=REGION, master_key=master_key)

    def test_edited_step_is_refused(self) -> None:
        """A step that was applied with another text is noticed by its checksum."""
        engine = SQLiteEngine(None)
        migrate(engine, steps=(Migration(1, "one", "CREATE TABLE a (b {{text}});\n"),))
        with pytest.raises(StoreError, match="another text"):
            migrate(engine, steps=(Migration(1, "one", "CREATE TABLE a (c {{text}});\n"),))
        engine.close()

    def test_failing_step_leaves_nothing(self) -> None:
        """Steps are applied together or not at all, and can be tried again."""
        engine = SQLiteEngine(None)
        good = Migration(1, "good", "-- why\nCREATE TABLE a (\n    b {{bytes}}\n);\n")
        bad = Migration(2, "bad", "CREATE TABLE c (d {{text}});\nCREATE TABLE a (b {{text}});\n")
        with pytest.raises(StoreError, match="already exists"):
            migrate(engine, steps=(good, bad))
        assert engine.fetch("SELECT name FROM sqlite_master") == []
        assert migrate(engine, steps=(good,)) == [good]
        later = Migration(2, "later", "CREATE TABLE c (d {{position}});")
        assert migrate(engine, steps=(good, later)) == [later]
        engine.close()

    def test_steps_are_numbered_without_gaps(self) -> None:
        """1, 2, 3 …, and every placeholder is one the engines spell."""
        assert [step.version for step in migrations()] == list(range(1, len(migrations()) + 1))
        spelled = {"position", "bytes", "text"}
        assert set(SQLiteEngine.column_types) == spelled

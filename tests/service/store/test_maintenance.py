"""Checking a store and copying it, between the engines in every direction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from keyferry.cli.main import run
from keyferry.errors import MasterKeyError, StoreError, StoreIntegrityError
from keyferry.service.store.engine import Engine
from keyferry.service.store.maintenance import check_store, copy_store
from keyferry.service.store.migrate import migrate
from keyferry.service.store.opening import open_engine, open_store
from keyferry.service.store.postgresql import PostgreSQLEngine
from keyferry.service.store.records import (
    AliasRecord,
    AuditRecord,
    AuthorityRecord,
    IssuedCertificateRecord,
    KeyRecord,
    TokenRecord,
)
from keyferry.service.store.store import SQLStore
from keyferry.service.store.transaction import SQLTransaction
from keyferry.service.vault.binding import key_binding
from keyferry.service.vault.master_key import LocalMasterKey
from keyferry.testing.postgresql import PostgreSQLCluster

ACCOUNT = "111122223333"
REGION = "us-east-1"
MakeKey = Callable[..., KeyRecord]
KEYS = 1203  # more than two pages, and no multiple of one


@pytest.fixture
def fill(
    key_record: MakeKey,
    alias_record: Callable[..., AliasRecord],
    token_record: Callable[..., TokenRecord],
    authority_record: AuthorityRecord,
    issued_certificate: IssuedCertificateRecord,
    audit_record: Callable[..., AuditRecord],
) -> Callable[[SQLTransaction], None]:
    """A change that leaves rows in the tables."""

    def change(tx: SQLTransaction) -> None:
        for number in range(KEYS):
            tx.insert_key(key_record(number), [("n", str(number))])
        tx.insert_alias(alias_record("pin", key_record(1).key_id))
        tx.insert_alias(alias_record("empty"))
        tx.insert_token(token_record(1))
        tx.insert_authority(authority_record)
        tx.put_issued_certificate(issued_certificate)
        for number in range(10):
            tx.append_audit(audit_record(number))

    return change


@pytest.fixture(params=["sqlite", "postgresql"])
def target_url(request: pytest.FixtureRequest, tmp_path: Path, postgresql_url: str) -> str:
    return (
        postgresql_url + "-copy" if request.param == "postgresql" else f"sqlite:///{tmp_path}/copy"
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, database: Path, postgresql_url: str) -> str:
    return postgresql_url if request.param == "postgresql" else f"sqlite:///{database}"


@pytest.fixture
def target(target_url: str, postgresql: PostgreSQLCluster) -> Engine:
    engine = open_engine(target_url)
    yield engine
    engine.close()
    if isinstance(engine, PostgreSQLEngine):
        postgresql.drop(target_url.rpartition("/")[2])


def test_a_copy_is_the_store(
    store: SQLStore,
    store_url: str,
    target: Engine,
    target_url: str,
    master_key: LocalMasterKey,
    fill: Callable[[SQLTransaction], None],
    key_record: MakeKey,
    audit_record: Callable[..., AuditRecord],
) -> None:
    """All rows with their positions; it opens with the master key, and goes on behind the last."""
    store.write_blocking(fill)
    sealed = store.vault.seal(b"material", binding=key_binding(REGION, key_record(1)))
    before = store.keys(ACCOUNT, limit=5000), store.audit_events(ACCOUNT, limit=100)
    source = open_engine(store_url)
    copied = copy_store(source, target, region=REGION, master_key=master_key)
    source.close()
    assert copied.rows["keys"] == copied.rows["tags"] == KEYS
    assert copied.rows["audit_events"] == 10
    with open_store(target_url, region=REGION, master_key=master_key) as copy:
        assert (copy.keys(ACCOUNT, limit=5000), copy.audit_events(ACCOUNT, limit=100)) == before
        assert copy.tags(ACCOUNT, key_record(7).key_id) == [("n", "7")]
        assert copy.vault.open(sealed, binding=key_binding(REGION, key_record(1))) == b"material"
        copy.write_blocking(lambda tx: tx.append_audit(audit_record(10)))
        copy.write_blocking(lambda tx: tx.insert_key(key_record(KEYS)))
        assert copy.keys(ACCOUNT, after=before[0][-1][0], limit=5)[0][1] == key_record(KEYS)
        assert len(copy.audit_events(ACCOUNT, after=before[1][-1][0], limit=5)) == 1
    checked = check_store(target, region=REGION, master_key=master_key)
    assert checked.findings == ()
    assert checked.rows["keys"] == KEYS + 1
    # The source was only read.
    assert store.keys(ACCOUNT, limit=5000) == before[0]


class TestRefusals:
    """What is not copied, and leaves the target as it was."""

    def test_a_target_with_content(
        self,
        file_store: SQLStore,
        database: Path,
        target_url: str,
        target: Engine,
        master_key: LocalMasterKey,
    ) -> None:
        """A store that a service has opened is not overwritten."""
        open_store(target_url, region=REGION, master_key=master_key).close()
        source = open_engine(f"sqlite:///{database}")
        with pytest.raises(StoreError, match="not empty"):
            copy_store(source, target, region=REGION, master_key=master_key)
        source.close()
        open_store(target_url, region=REGION, master_key=master_key).close()

    def test_a_changed_row(
        self,
        file_store: SQLStore,
        database: Path,
        target: Engine,
        master_key: LocalMasterKey,
        fill: Callable[[SQLTransaction], None],
        key_record: MakeKey,
    ) -> None:
        """A row that does not verify stops the copy; check names it, and goes on to the rest."""
        file_store.write_blocking(fill)
        connection = sqlite3.connect(database)
        with connection:
            connection.execute(
                "UPDATE keys SET exportability = 'E' WHERE key_id = ?", (key_record(1000).key_id,)
            )
            connection.execute("UPDATE tags SET tag_value = 'x' WHERE tag_value = '3'")
        connection.close()
        source = open_engine(f"sqlite:///{database}")
        with pytest.raises(StoreIntegrityError, match=key_record(1000).key_id):
            copy_store(source, target, region=REGION, master_key=master_key)
        assert all(
            target.fetch(f"SELECT count(*) FROM {name}") == [(0,)]
            for name in target.tables()
            if name != "schema_migrations"
        )
        checked = check_store(source, region=REGION, master_key=master_key)
        source.close()
        assert len(checked.findings) == 2
        assert key_record(1000).key_id in checked.findings[0]
        assert f"{ACCOUNT} {key_record(3).key_id} n" in checked.findings[1]

    def test_another_master_key(self, file_store: SQLStore, database: Path, target: Engine) -> None:
        """The source must open."""
        source = open_engine(f"sqlite:///{database}")
        with pytest.raises(MasterKeyError):
            copy_store(source, target, region=REGION, master_key=LocalMasterKey(bytes(32)))
        source.close()

    def test_an_older_source(
        self, tmp_path: Path, target: Engine, master_key: LocalMasterKey
    ) -> None:
        """A store is brought up to date first, which copying would do to nobody's source."""
        source = open_engine(f"sqlite:///{tmp_path}/old")
        with pytest.raises(StoreError, match="older schema"):
            copy_store(source, target, region=REGION, master_key=master_key)
        migrate(source)
        with pytest.raises(StoreError, match="no service has used it"):
            copy_store(source, target, region=REGION, master_key=master_key)
        source.close()


def test_the_commands(
    tmp_path: Path,
    postgresql: PostgreSQLCluster,
    postgresql_url: str,
    key_record: MakeKey,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Migrate, check and copy two Regions from files into PostgreSQL, and find a changed row."""
    regions = ("us-east-1", "us-west-2")
    for region in regions:
        url, key = (
            f"sqlite:///{tmp_path}/keyferry-{region}.sqlite3",
            f"file:{tmp_path}/master-{region}.key",
        )
        with open_store(url, region=region, master_key=key) as store:
            store.write_blocking(lambda tx: tx.insert_key(key_record(1)))
    common = ("--data-dir", str(tmp_path), "--output", "json")
    try:
        assert run(["store", "migrate", *common]) == 0
        assert json.loads(capsys.readouterr().out)["regions"][regions[0]] == {"applied": []}
        assert run(["store", "check", *common]) == 0
        assert json.loads(capsys.readouterr().out)["regions"][regions[1]]["findings"] == []
        places = ("--from", f"sqlite:///{tmp_path}/keyferry.sqlite3", "--to", postgresql_url)
        assert run(["store", "copy", *places, *common]) == 0
        assert json.loads(capsys.readouterr().out)["regions"][regions[1]]["rows"]["keys"] == 1
        assert run(["store", "copy", *places, *common]) == 1
        assert "not empty" in capsys.readouterr().err
        assert run(["store", "check", "--store", postgresql_url, *common]) == 0
        database = postgresql_url.rpartition("/")[2]
        with postgresql.connect(f"{database}-us-west-2") as connection:
            connection.execute("UPDATE keys SET enabled = 0")
        capsys.readouterr()
        assert run(["store", "check", "--store", postgresql_url, "--data-dir", str(tmp_path)]) == 1
        out = capsys.readouterr().out
        assert "us-east-1: 5 rows, nothing wrong" in out
        assert "us-west-2: 5 rows, 1 wrong" in out
        assert key_record(1).key_id in out
        assert run(["store", "check", "--store", f"{postgresql_url}-none", *common]) == 1
        assert "no such database" in capsys.readouterr().err
    finally:
        for region in regions:
            postgresql.drop(f"{postgresql_url.rpartition('/')[2]}-{region}")

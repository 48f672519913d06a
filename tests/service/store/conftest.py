"""Stores on every engine, and records to put into them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keyferry.crypto.keyblock import Exportability
from keyferry.keys import KeyAlgorithm, KeyAttributes, KeyClass, KeyUsage, ModesOfUse
from keyferry.service.store.opening import open_store
from keyferry.service.store.records import (
    AliasRecord,
    AuditRecord,
    AuthorityRecord,
    CertificateFamily,
    IssuedCertificateRecord,
    KeyOrigin,
    KeyRecord,
    Sealed,
    TokenPurpose,
    TokenRecord,
)
from keyferry.service.store.store import SQLStore
from keyferry.service.vault.binding import key_binding
from keyferry.service.vault.master_key import LocalMasterKey

REGION = "us-east-1"
ACCOUNT = "111122223333"
NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
MASTER_KEY = bytes(range(32))
ATTRIBUTES = KeyAttributes(
    key_usage=KeyUsage.TR31_P0_PIN_ENCRYPTION_KEY,
    key_class=KeyClass.SYMMETRIC_KEY,
    key_algorithm=KeyAlgorithm.TDES_2KEY,
    modes_of_use=ModesOfUse.from_letter("B"),
)


def make_key(number: int, **changes: object) -> KeyRecord:
    """Key `number` of the account; its seal holds bytes, but none that open."""
    record = KeyRecord(
        account=ACCOUNT,
        key_id=f"key{number:013d}",
        attributes=ATTRIBUTES,
        exportability=Exportability.SENSITIVE,
        origin=KeyOrigin.AWS_PAYMENT_CRYPTOGRAPHY,
        check_value="08D7B4",
        check_value_algorithm="ANSI_X9_24",
        created_at=NOW + timedelta(seconds=number),
        usage_started_at=NOW + timedelta(seconds=number),
        sealed=Sealed(b"wrapped data key %d" % number, b"ciphertext %d" % number),
    )
    return replace(record, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def key_record() -> Callable[..., KeyRecord]:
    """Makes key records: `key_record(7, enabled=False)`."""
    return make_key


@pytest.fixture
def master_key() -> LocalMasterKey:
    return LocalMasterKey(MASTER_KEY)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where a store in a file is."""
    return tmp_path / "store.sqlite3"


@pytest.fixture
def file_store(database: Path, master_key: LocalMasterKey) -> Iterator[SQLStore]:
    with open_store(f"sqlite:///{database}", region=REGION, master_key=master_key) as store:
        yield store


@pytest.fixture(params=["memory", "file", "postgresql"])
def store_url(request: pytest.FixtureRequest, database: Path) -> str:
    """Where a fresh store is, on each engine."""
    if request.param == "postgresql":
        # Asked for here, so that tests of the other engines start no server.
        return str(request.getfixturevalue("postgresql_url"))
    return "memory:" if request.param == "memory" else f"sqlite:///{database}"


@pytest.fixture
def store(store_url: str, master_key: LocalMasterKey) -> Iterator[SQLStore]:
    """A fresh store on each engine."""
    with open_store(store_url, region=REGION, master_key=master_key) as opened:
        yield opened


@pytest.fixture
def sealed_key(store: SQLStore) -> Callable[..., KeyRecord]:
    """Makes key records whose material is really sealed in `store`."""

    def make(number: int, material: bytes, **changes: object) -> KeyRecord:
        record = make_key(number, **changes)
        sealed = store.vault.seal(material, binding=key_binding(REGION, record))
        return replace(record, sealed=sealed)

    return make


@pytest.fixture(scope="session")
def alias_record() -> Callable[..., AliasRecord]:
    def make(name: str, key_id: str | None = None, revision: int = 1) -> AliasRecord:
        return AliasRecord(account=ACCOUNT, name=f"alias/{name}", key_id=key_id, revision=revision)

    return make


@pytest.fixture(scope="session")
def token_record() -> Callable[..., TokenRecord]:
    def make(number: int, **changes: object) -> TokenRecord:
        record = TokenRecord(
            account=ACCOUNT,
            token=f"import-token-{number:016d}",
            purpose=TokenPurpose.IMPORT,
            material_type="TR34_KEY_BLOCK",
            algorithm="RSA_2048",
            certificate=b"leaf",
            sealed=Sealed(b"wrapped", b"ciphertext"),
            created_at=NOW + timedelta(minutes=number),
            valid_until=NOW + timedelta(days=30, minutes=number),
        )
        return replace(record, **changes)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def authority_record() -> AuthorityRecord:
    return AuthorityRecord(
        account=ACCOUNT,
        family=CertificateFamily.RSA,
        certificate=b"root",
        sealed=Sealed(b"wrapped", b"ciphertext"),
        created_at=NOW,
    )


@pytest.fixture(scope="session")
def issued_certificate() -> IssuedCertificateRecord:
    return IssuedCertificateRecord(
        account=ACCOUNT,
        key_id="key0000000000001",
        certificate=b"leaf",
        valid_until=NOW + timedelta(days=90),
    )


@pytest.fixture(scope="session")
def audit_record() -> Callable[..., AuditRecord]:
    def make(number: int, account: str = ACCOUNT) -> AuditRecord:
        return AuditRecord(
            event_id=f"event-{number}",
            account=account,
            event_time=NOW,
            event_name="CreateKey",
            body=b'{"number":%d}' % number,
        )

    return make

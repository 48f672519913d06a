"""Data operations, called as the app calls them or through boto3, over keys with known material."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from keyferry.crypto.certificates import public_key_der
from keyferry.crypto.keyblock import Exportability
from keyferry.errors import KeyferryError
from keyferry.keys import KeyAlgorithm, KeyAttributes, KeyClass, KeyUsage, ModesOfUse
from keyferry.keys import key_check_value as check_value_of
from keyferry.service.authz.principal import Principal
from keyferry.service.context import Offload
from keyferry.service.control.identifiers import new_id
from keyferry.service.data.context import DataContext
from keyferry.service.opened_keys import OpenedKeys
from keyferry.service.operation import DATA
from keyferry.service.routes import register_operations
from keyferry.service.rules import STRICT
from keyferry.service.store.opening import open_store
from keyferry.service.store.records import AliasRecord, KeyOrigin, KeyRecord
from keyferry.service.store.store import SQLStore
from keyferry.service.throttle import RequestThrottle
from keyferry.service.vault.binding import key_binding
from keyferry.service.vault.master_key import LocalMasterKey
from keyferry.service.wire import data_types
from keyferry.service.wire.errors import APIError, api_error
from keyferry.service.wire.rest_json import RESTProtocol

ACCOUNT = "111122223333"
REGION = "us-east-1"
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)

register_operations()
_PROTOCOL = RESTProtocol(data_types)
_OPERATIONS = {
    operation.name: operation
    for path in (shape.uri for shape in data_types.OPERATIONS.values())
    for operation, _ in [_PROTOCOL.route(path.encode()) or pytest.fail(path)]
}

# The keys behind most worked examples.
TDES = "0123456789ABCDEFFEDCBA9876543210"
TDES_3 = "0123456789ABCDEFFEDCBA98765432101122334455667788"
AES = "2B7E151628AED2A6ABF7158809CF4F3C"


class RefusedError(Exception):
    """What an operation answered instead of a result."""

    def __init__(self, error: APIError) -> None:
        super().__init__(f"{error.name}: {error.message}")
        self.name = error.name
        self.message = error.message
        self.reason = error.code.reason
        self.fields = error.fields


def put_key(
    store: SQLStore,
    code: str,
    algorithm: str,
    letter: str,
    material: str | bytes | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    *,
    region: str = REGION,
    account: str = ACCOUNT,
    public: bool = False,
    certificate: bytes | None = None,
    **members: Any,
) -> str:
    """Put a key with known material into a store; its ARN."""
    usage = KeyUsage.from_code(code)
    assert usage is not None
    public_key = None
    key_class = KeyClass.SYMMETRIC_KEY
    if isinstance(material, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        public_key = public_key_der(material.public_key())
        key_class = KeyClass.PUBLIC_KEY if public else KeyClass.ASYMMETRIC_KEY_PAIR
        material = material.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    elif isinstance(material, str):
        material = bytes.fromhex(material)
    of = KeyAlgorithm(algorithm)
    check_value, method = check_value_of(of, public_key or material)
    record = KeyRecord(
        account=account,
        key_id=new_id(),
        attributes=KeyAttributes(
            key_usage=usage,
            key_class=key_class,
            key_algorithm=of,
            modes_of_use=ModesOfUse.from_letter(letter),
        ),
        exportability=Exportability.NONE,
        origin=KeyOrigin.EXTERNAL,
        check_value=check_value,
        check_value_algorithm=method,
        public_key=public_key,
        certificate=certificate,
        created_at=NOW,
        **members,
    )
    if not public:
        from dataclasses import replace

        sealed = store.vault.seal(material, binding=key_binding(region, record))
        record = replace(record, sealed=sealed)
    store.write_blocking(lambda tx: tx.insert_key(record))
    return f"arn:aws:payment-cryptography:{region}:{account}:key/{record.key_id}"


def _run_here(work: Callable[[], Any], /) -> Any:
    return asyncio.to_thread(work)


class DataService:
    """One Region for one account, without HTTP."""

    def __init__(self, store: SQLStore) -> None:
        self.store = store
        self.keys = OpenedKeys(REGION, store, store.vault)
        self.now = NOW
        self.offload: Offload = _run_here
        self.rules = STRICT

    def put(self, code: str, algorithm: str, letter: str, material: Any, **members: Any) -> str:
        """Put a key with known material; its ARN."""
        return put_key(self.store, code, algorithm, letter, material, **members)

    def alias(self, name: str, arn: str | None) -> str:
        """Make an alias."""
        key_id = None if arn is None else arn.rpartition("/")[2]
        record = AliasRecord(account=ACCOUNT, name=name, key_id=key_id)
        self.store.write_blocking(lambda tx: tx.insert_alias(record))
        return name

    def context(self, action: str) -> DataContext:
        return DataContext(
            region=REGION,
            principal=Principal(
                access_key_id="AKIATEST",
                account=ACCOUNT,
                arn=f"arn:aws:iam::{ACCOUNT}:user/tester",
                name="tester",
            ),
            action=action,
            now=self.now,
            keys=self.keys,
            offload=self.offload,
            asymmetric_throttle=RequestThrottle(None),
            rules=self.rules,
        )

    async def call(self, name: str, **members: Any) -> dict[str, Any]:
        """Run an operation through shapes, back to plain JSON; RefusedError if it answers so."""
        from urllib.parse import quote

        import msgspec

        operation = _OPERATIONS[name]
        registered = DATA.get(name)
        assert registered is not None
        member = None
        if operation.in_path is not None:
            member = quote(members.pop(operation.in_path), safe="").encode()
        try:
            request = _PROTOCOL.read(operation, member, json.dumps(members).encode())
            response = await registered.function(self.context(name), request)
        except KeyferryError as error:
            raise RefusedError(api_error(error, operation.shape.errors)) from error
        decoded: dict[str, Any] = json.loads(msgspec.json.encode(response))
        return decoded

    async def refused(self, name: str, **members: Any) -> RefusedError:
        """Run an operation that must be refused as ValidationException."""
        with pytest.raises(RefusedError) as caught:
            await self.call(name, **members)
        assert caught.value.name == "ValidationException"
        return caught.value


@pytest.fixture
def service() -> Iterator[DataService]:
    """A Region of its own."""
    store = open_store("memory:", region=REGION, master_key=LocalMasterKey(bytes(range(32))))
    with contextlib.closing(store):
        yield DataService(store)


@pytest.fixture(scope="session")
def _shared_store() -> Iterator[SQLStore]:
    store = open_store("memory:", region=REGION, master_key=LocalMasterKey(bytes(range(32))))
    with contextlib.closing(store):
        yield store


@pytest.fixture(scope="session")
def shared(_shared_store: SQLStore) -> DataService:
    """A Region for tests that only add keys; property tests need one that outlives an example."""
    return DataService(_shared_store)


@dataclass
class Tools:
    """What test modules share, since test files import nothing of ours."""

    tdes: str = TDES
    tdes_3: str = TDES_3
    aes: str = AES
    refused: type[RefusedError] = RefusedError
    now: datetime = NOW


@pytest.fixture(scope="session")
def tools() -> Tools:
    return Tools()


@pytest.fixture(scope="session")
def put(running_service: Any) -> Callable[..., str]:
    """Puts a key with known material into the running service; its ARN."""
    store = running_service.application._regions[REGION].store

    def put_one(*given: Any, **members: Any) -> str:
        return put_key(store, *given, **members)

    return put_one


@pytest.fixture(scope="session")
def put_into() -> Callable[..., str]:
    """Puts a key with known material into a given store; its ARN."""
    return put_key


@pytest.fixture(scope="session")
def client(running_service: Any) -> Iterator[Any]:
    """A boto3 client of the data plane that does not retry."""
    made = boto3.client(
        "payment-cryptography-data",
        endpoint_url=running_service.url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )
    yield made
    made.close()

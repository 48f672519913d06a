"""Operations called as the app calls them, over stores in memory, and the others of exchanges."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from keyferry.crypto.certificates import (
    CertificateUsage,
    create_root,
    encode_pem,
    issue_authority,
    issue_leaf,
    key_algorithm_name,
)
from keyferry.service.authz.principal import Principal
from keyferry.service.context import Context, Limits, Peers
from keyferry.service.operation import CONTROL
from keyferry.service.routes import register_operations
from keyferry.service.rules import STRICT
from keyferry.service.store.interface import Transaction
from keyferry.service.store.opening import open_store
from keyferry.service.store.store import SQLStore
from keyferry.service.vault.master_key import LocalMasterKey
from keyferry.service.wire import control_types, json10
from keyferry.service.wire.constraints import RequestValidator

T = TypeVar("T")

ACCOUNT = "111122223333"
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

register_operations()
_VALIDATOR = RequestValidator(control_types.SHAPES)

FLAGS = {
    "B": ("Encrypt", "Decrypt", "Wrap", "Unwrap"),
    "C": ("Generate", "Verify"),
    "D": ("Decrypt", "Unwrap"),
    "E": ("Encrypt", "Wrap"),
    "G": ("Generate",),
    "N": ("NoRestrictions",),
    "S": ("Sign",),
    "V": ("Verify",),
    "X": ("DeriveKey",),
}
USAGES = {name[5:7]: name for name in control_types.SHAPES["KeyUsage"].enum}


def modes(letter: str) -> dict[str, bool]:
    return dict.fromkeys(FLAGS[letter], True)


def attributes(
    code: str, algorithm: str, letter: str, key_class: str = "SYMMETRIC_KEY"
) -> dict[str, Any]:
    return {
        "KeyUsage": USAGES[code],
        "KeyClass": key_class,
        "KeyAlgorithm": algorithm,
        "KeyModesOfUse": modes(letter),
    }


class Service:
    """One Region for one account; `now` is moved by the tests."""

    def __init__(
        self,
        *,
        region: str = "us-east-1",
        account: str = ACCOUNT,
        limits: Limits | None = None,
        store: SQLStore | None = None,
    ) -> None:
        self.region = region
        self.account = account
        self.limits = limits or Limits()
        self.rules = STRICT
        self.peers = Peers()
        self.now = NOW
        self.store = store or open_store(
            "memory:", region=region, master_key=LocalMasterKey(bytes(range(32)))
        )
        self.before_write: Callable[[], None] | None = None

    def context(self) -> Context:
        async def write(
            change: Callable[[Transaction], T], about: Collection[tuple[str, str]] = ()
        ) -> T:
            if self.before_write is not None:
                run, self.before_write = self.before_write, None
                run()
            return await self.store.write(change, about=about)

        def offload(work: Callable[[], T], /) -> Any:
            return asyncio.to_thread(work)

        return Context(
            region=self.region,
            principal=Principal(
                access_key_id="AKIATEST",
                account=self.account,
                arn=f"arn:aws:iam::{self.account}:user/tester",
                name="tester",
            ),
            request_id="00000000-0000-4000-8000-000000000000",
            now=self.now,
            store=self.store,
            vault=self.store.vault,
            offload=offload,
            limits=self.limits,
            rules=self.rules,
            peers=self.peers,
            write=write,
        )

    async def call(self, operation: str, **members: Any) -> dict[str, Any]:
        """Run an operation through shapes and back to plain JSON."""
        registered = CONTROL.get(operation)
        assert registered is not None
        document = json.loads(json.dumps(members))
        request_type = control_types.OPERATIONS[operation].input
        request = json10.typed_request(document, request_type, _VALIDATOR)
        response = await registered.function(self.context(), request)
        decoded: dict[str, Any] = json.loads(json10.encode_response(response))
        return decoded

    async def create(
        self,
        code: str,
        algorithm: str,
        letter: str,
        *,
        key_class: str = "SYMMETRIC_KEY",
        exportable: bool = True,
        **members: Any,
    ) -> dict[str, Any]:
        """CreateKey; the key it answers with."""
        answer = await self.call(
            "CreateKey",
            KeyAttributes=attributes(code, algorithm, letter, key_class),
            Exportable=exportable,
            **members,
        )
        key: dict[str, Any] = answer["Key"]
        return key

    def material(self, arn: str) -> bytes:
        """The clear material of a key, straight from the vault."""
        from keyferry.service.control.sealing import open_key

        record = self.store.key(self.account, arn.rpartition("/")[2])
        assert record is not None
        return open_key(self.context(), record).reveal()

    def count(self) -> int:
        return self.store.count_keys(self.account)

    async def trust(self, party: Party) -> str:
        """Import a party's root; the ARN of the public key."""
        answer = await self.call(
            "ImportKey",
            KeyMaterial={
                "RootCertificatePublicKey": {
                    "KeyAttributes": attributes(
                        "S0", key_algorithm_name(party.root.public_key()), "V", "PUBLIC_KEY"
                    ),
                    "PublicKeyCertificate": encode(party.root),
                }
            },
        )
        arn: str = answer["Key"]["KeyArn"]
        return arn


def encode(certificate: x509.Certificate | x509.CertificateSigningRequest) -> str:
    """As the API takes certificates: base64 of PEM."""
    return base64.b64encode(encode_pem(certificate)).decode("ascii")


def decode(text: str) -> x509.Certificate:
    """As clients read certificates: base64, then exactly one PEM certificate."""
    pem = base64.b64decode(text, validate=True)
    assert pem.endswith(b"\n")
    certificates = x509.load_pem_x509_certificates(pem)
    assert len(certificates) == 1
    return certificates[0]


@dataclass(frozen=True)
class Party:
    """The other side of an exchange: a root of its own and leaves under it."""

    root_key: PrivateKey
    root: x509.Certificate

    @classmethod
    def new(cls, root_key: PrivateKey, name: str = "test root", **validity: datetime) -> Party:
        return cls(
            root_key,
            create_root(
                root_key,
                common_name=name,
                not_before=validity.get("not_before", NOW - timedelta(days=1)),
                not_after=validity.get("not_after", NOW + timedelta(days=365)),
                hash_name="SHA256",
            ),
        )

    def leaf(
        self,
        public_key: Any,
        usage: CertificateUsage,
        *,
        name: str = "leaf",
        not_before: datetime = NOW - timedelta(hours=1),
        not_after: datetime = NOW + timedelta(days=30),
    ) -> x509.Certificate:
        return issue_leaf(
            public_key,
            subject=name,
            issuer=self.root,
            issuer_key=self.root_key,
            not_before=not_before,
            not_after=not_after,
            usage=usage,
            hash_name="SHA256",
        )

    def intermediate(self, key: PrivateKey, name: str = "intermediate") -> Party:
        return Party(
            key,
            issue_authority(
                key.public_key(),
                subject=name,
                issuer=self.root,
                issuer_key=self.root_key,
                not_before=NOW - timedelta(hours=1),
                not_after=NOW + timedelta(days=300),
                hash_name="SHA256",
            ),
        )


class Tools:
    """What test modules share, handed out by a fixture, as test files import nothing of ours."""

    now = NOW
    account = ACCOUNT
    service = Service
    party = Party
    attributes = staticmethod(attributes)
    modes = staticmethod(modes)
    encode = staticmethod(encode)
    decode = staticmethod(decode)
    usages = USAGES


@pytest.fixture(scope="session")
def tools() -> type[Tools]:
    return Tools


@pytest.fixture
def service() -> Iterator[Service]:
    """A Region of its own."""
    made = Service()
    with contextlib.closing(made.store):
        yield made


@pytest.fixture(scope="session")
def _exchange_store() -> Iterator[SQLStore]:
    made = Service()
    with contextlib.closing(made.store):
        yield made.store


@pytest.fixture
def exchange(_exchange_store: SQLStore) -> Service:
    """A Region that outlives the test, since its roots cost a second; its clock starts anew."""
    return Service(store=_exchange_store)


@pytest.fixture(scope="session")
def rsa_keys() -> dict[int, list[rsa.RSAPrivateKey]]:
    """Two RSA keys of each size."""
    return {
        size: [rsa.generate_private_key(65537, size) for _ in range(2)]
        for size in (2048, 3072, 4096)
    }


@pytest.fixture(scope="session")
def ec_keys() -> dict[str, list[ec.EllipticCurvePrivateKey]]:
    """Two EC keys of each curve."""
    curves: dict[str, ec.EllipticCurve] = {
        "P256": ec.SECP256R1(),
        "P384": ec.SECP384R1(),
        "P521": ec.SECP521R1(),
    }
    return {
        name: [ec.generate_private_key(curve) for _ in range(2)] for name, curve in curves.items()
    }


@pytest.fixture(scope="session")
def rsa_party(rsa_keys: dict[int, list[rsa.RSAPrivateKey]]) -> Party:
    """Somebody with an RSA_4096 root."""
    return Party.new(rsa_keys[4096][0], "rsa party")


@pytest.fixture(scope="session")
def ec_party(ec_keys: dict[str, list[ec.EllipticCurvePrivateKey]]) -> Party:
    """Somebody with a P-521 root."""
    return Party.new(ec_keys["P521"][0], "ec party")

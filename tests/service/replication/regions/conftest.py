"""A service of two Regions in a thread, `keyferry regions` against it, and its stores laid open."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import time
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import boto3
import pytest
from botocore.config import Config

from keyferry.errors import PeerUnreachableError
from keyferry.service.app import Application
from keyferry.service.authz.access_keys import AccessKeys, access_key
from keyferry.service.authz.principal import Role
from keyferry.service.dispatch import Dispatcher
from keyferry.service.region import Region, open_regions
from keyferry.service.server import APIServer, bind, server_config
from keyferry.service.settings import ServiceSettings
from keyferry.service.store.records import KeyRecord
from keyferry.service.vault.binding import key_binding

T = TypeVar("T")

EAST, WEST = "us-east-1", "us-west-2"
ACCOUNT = "111122223333"
CVK = {
    "KeyUsage": "TR31_C0_CARD_VERIFICATION_KEY",
    "KeyClass": "SYMMETRIC_KEY",
    "KeyAlgorithm": "TDES_2KEY",
    "KeyModesOfUse": {"Generate": True, "Verify": True},
}


@dataclass
class Outcome:
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


class NoWay:
    """A transport over which nothing arrives."""

    async def call(self, operation: str, body: bytes) -> bytes:
        raise PeerUnreachableError("us-west-2 cannot be reached")

    async def root(self) -> Any:
        raise PeerUnreachableError("us-west-2 cannot be reached")


class TwoRegions:
    """The service, its clients and its stores. What is done to a store is done behind its back."""

    east, west, account = EAST, WEST, ACCOUNT

    def __init__(
        self,
        url: str,
        application: Application,
        regions: dict[str, Region],
        loop: asyncio.AbstractEventLoop,
        run: Callable[..., Outcome],
    ) -> None:
        self.url = url
        self.application = application
        self.stores = {name: region.store for name, region in regions.items()}
        self.vaults = {name: region.vault for name, region in regions.items()}
        self.replication = application.dispatcher.replication
        self._loop = loop
        self.cli = run
        self._clients: dict[tuple[str, str], Any] = {}

    @contextmanager
    def no_way(self) -> Iterator[None]:
        """While this lasts, nothing gets from the east to the west."""
        transport = self.replication.links[EAST, WEST].transport
        inner, transport._inner = transport._inner, NoWay()
        try:
            yield
        finally:
            transport._inner = inner

    def client(self, region: str, plane: str = "payment-cryptography") -> Any:
        if (region, plane) not in self._clients:
            self._clients[region, plane] = self._new_client(region, plane)
        return self._clients[region, plane]

    def _new_client(self, region: str, plane: str) -> Any:
        return boto3.client(
            plane,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def create(self, count: int = 1, **members: Any) -> list[str]:
        """Key ids of new keys in the east, synchronized in the west."""
        client = self.client(EAST)
        asked = {"KeyAttributes": CVK, "Exportable": True, "ReplicationRegions": [WEST]} | members
        arns = [client.create_key(**asked)["Key"]["KeyArn"] for _ in range(count)]
        for arn in arns:
            self.synchronized(arn)
        return [arn.rpartition("/")[2] for arn in arns]

    def arn(self, key_id: str, region: str = EAST) -> str:
        return f"arn:aws:payment-cryptography:{region}:{ACCOUNT}:key/{key_id}"

    def key(self, key_id: str, region: str = EAST) -> Any:
        """GetKey."""
        return self.client(region).get_key(KeyIdentifier=self.arn(key_id, region))["Key"]

    def synchronized(self, arn: str) -> Any:
        """GetKey until nothing is under way; the client's round trip is the pause."""
        client = self.client(EAST)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            key = client.get_key(KeyIdentifier=arn)["Key"]
            states = {entry["Status"] for entry in key.get("ReplicationStatus", {}).values()}
            if not states & {"IN_PROGRESS", "DELETE_IN_PROGRESS"}:
                return key
        raise AssertionError(f"still under way: {key}")

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something in the service; a round trip that leaves no trace is the pause."""
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline
            with urllib.request.urlopen(f"{self.url}/health") as answer:
                answer.read()

    def cvv(self, key_id: str, region: str) -> str:
        """A CVV under the key, made in a Region."""
        answer = self.client(region, "payment-cryptography-data").generate_card_validation_data(
            KeyIdentifier=self.arn(key_id, region),
            PrimaryAccountNumber="4000001234567899",
            GenerationAttributes={
                "CardVerificationValue1": {"CardExpiryDate": "1228", "ServiceCode": "101"}
            },
        )
        return str(answer["ValidationData"])

    def await_(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the service's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    # --- behind the stores' backs --------------------------------------------------------------

    def write(self, region: str, change: Callable[[Any], T]) -> T:
        """A change through the store's own code, so that every row MAC is right."""
        return self.stores[region].write_blocking(change)

    def sql(self, region: str, statement: str, *parameters: Any) -> None:
        """A change past the store's own code, so that none is."""
        changed = self.write(region, lambda tx: tx._engine.execute(statement, parameters))
        assert changed == 1

    def record(self, region: str, key_id: str) -> KeyRecord:
        record = self.stores[region].key(ACCOUNT, key_id)
        assert record is not None
        return record

    def reseal(self, region: str, record: KeyRecord, material: bytes | None = None) -> KeyRecord:
        """The record with its material, or another, sealed for what the record is now."""
        if material is None:
            before = self.record(region, record.key_id)
            assert before.sealed is not None
            material = self.vaults[region].open(before.sealed, binding=key_binding(region, before))
        sealed = self.vaults[region].seal(material, binding=key_binding(region, record))
        return replace(record, sealed=sealed)


def _keys() -> AccessKeys:
    def made(name: str, roles: frozenset[Role]) -> Any:
        return access_key(name, name, account=ACCOUNT, principal=name, roles=roles)

    return AccessKeys([made("test", frozenset(Role)), made("user", frozenset({Role.USER}))])


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Runs a command line in this process, with the credentials of an administrator."""
    from keyferry.cli import main

    # The log of this process is the service's too, and it is quiet.
    monkeypatch.setattr("keyferry.cli.logs.configure_logs", lambda **_: None)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = main.run(["regions", *arguments])
        said = capsys.readouterr()
        return Outcome(code, said.out, said.err)

    return run


@pytest.fixture
def start(
    quiet_log: None, run: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., TwoRegions]]:
    """Starts a service on a store of the URL given; it ends with the test."""
    started: list[tuple[APIServer, threading.Thread, Any]] = []

    def start(
        store: str | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        **settings: Any,
    ) -> TwoRegions:
        chosen: dict[str, Any] = {"dev": True} if store is None else {"store": store}
        if store is not None:
            chosen |= {"credentials": Path("unused"), "master_key": "env:KEYFERRY_TEST_MASTER_KEY"}
            monkeypatch.setenv("KEYFERRY_TEST_MASTER_KEY", "07" * 32)
        service = ServiceSettings(regions=(EAST, WEST), **chosen, **settings)
        regions = open_regions(service)
        dispatcher = Dispatcher(
            regions, _keys(), limits=service.limits, clock=clock, following=service.following
        )
        application = Application(dispatcher, regions, sweeps=False)
        listening = bind("127.0.0.1", 0)
        ready = threading.Event()
        server = APIServer(server_config(application, None), application, on_ready=ready.set)
        loops: list[asyncio.AbstractEventLoop] = []

        async def serve() -> None:
            loops.append(asyncio.get_running_loop())
            await server.serve(sockets=[listening])

        thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        thread.start()
        assert ready.wait(30)
        started.append((server, thread, listening))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY", url)
        return TwoRegions(url, application, regions, loops[0], run)

    yield start
    for server, thread, listening in started:
        server.should_exit = True
        thread.join(30)
        listening.close()
        assert not thread.is_alive()


@pytest.fixture
def service(start: Callable[..., TwoRegions]) -> TwoRegions:
    """On stores in memory."""
    return start()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a store may be, for each engine."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/store.sqlite3"
        return
    cluster = request.getfixturevalue("postgresql")
    database = f"keyferry-{secrets.token_hex(6)}"
    yield cluster.url(database)
    for region in (EAST, WEST):
        cluster.drop(f"{database}-{region}")


@pytest.fixture
def on_any_store(store_url: str, start: Callable[..., TwoRegions]) -> TwoRegions:
    """On either engine."""
    return start(store_url)

"""Regions in one process, their operations called as the service calls them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from cryptography import x509

from keyferry.errors import PeerUnreachableError
from keyferry.service.audit import Caller
from keyferry.service.authz.principal import Principal
from keyferry.service.call import Call, new_id
from keyferry.service.context import Limits
from keyferry.service.operation import CONTROL
from keyferry.service.region import Region, open_regions
from keyferry.service.replication.backoff import Backoff
from keyferry.service.replication.following import NOTHING_FOLLOWS, Following
from keyferry.service.replication.service import ReplicatedRegion, Replication
from keyferry.service.replication.transport import Transport
from keyferry.service.routes import register_operations
from keyferry.service.settings import ServiceSettings
from keyferry.service.wire import control_types, json10
from keyferry.service.wire.constraints import RequestValidator

T = TypeVar("T")

EAST, WEST, SOUTH = "us-east-1", "us-west-2", "eu-south-1"
ACCOUNT = "111122223333"
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
VALIDATOR = RequestValidator(control_types.SHAPES)
CVK = {
    "KeyUsage": "TR31_C0_CARD_VERIFICATION_KEY",
    "KeyClass": "SYMMETRIC_KEY",
    "KeyAlgorithm": "TDES_2KEY",
    "KeyModesOfUse": {"Generate": True, "Verify": True},
}

register_operations()


class Faults:
    """A transport between two Regions that loses, repeats and spoils what it carries."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.sent: list[tuple[str, bytes]] = []
        self.down = False
        self.lose_answers = 0  # so many messages arrive, and nobody hears of it
        self.twice = False
        self.garbage = 0
        self.held: asyncio.Event | None = None  # a message waits on the way until this is set

    async def call(self, operation: str, body: bytes) -> bytes:
        if self.down:
            raise PeerUnreachableError("cut")
        self.sent.append((operation, body))
        if self.held is not None:
            await self.held.wait()
        answer = await self.inner.call(operation, body)
        if self.twice:
            answer = await self.inner.call(operation, body)
        if self.lose_answers:
            self.lose_answers -= 1
            raise PeerUnreachableError("lost")
        if self.garbage:
            self.garbage -= 1
            return b'{"Results": [7]}'
        return answer

    async def root(self) -> x509.Certificate:
        return await self.inner.root()


class World:
    """Regions of one process. `now` is moved by the tests."""

    def __init__(
        self,
        regions: dict[str, Region],
        *,
        limits: Limits | None = None,
        following: Following = NOTHING_FOLLOWS,
    ) -> None:
        self.now = NOW
        self.following = following
        self.regions = regions
        self.limits = limits or Limits()
        self.faults: dict[tuple[str, str], Faults] = {}
        self.replication = self._replication()

    def _replication(self) -> Replication:
        # Pauses of a few microseconds: no test waits for a clock.
        made = Replication(
            [ReplicatedRegion(r.name, r.store, r.vault) for r in self.regions.values()],
            clock=lambda: self.now,
            key_limit=self.limits.keys,
            alias_limit=self.limits.aliases,
            following=self.following,
            backoff=Backoff(first_s=1e-6, most_s=1e-5),
        )
        for pair, link in made.links.items():
            before = self.faults.get(pair)
            faults = self.faults[pair] = Faults(link.transport)
            if before is not None:
                faults.down = before.down
            link.transport = faults
        return made

    async def restart(self) -> None:
        """End the process's part of replication as if it were gone, and start it again."""
        await self.replication.stop()
        self.replication = self._replication()
        await self.replication.start()

    async def call(self, region: str, operation: str, **members: Any) -> dict[str, Any]:
        """Run an operation as the service would, its audit record and wake-up included."""
        registered = CONTROL.get(operation)
        assert registered is not None
        document = json.loads(json.dumps(members))
        request_type = control_types.OPERATIONS[operation].input
        call = Call(
            region=self.regions[region],
            principal=Principal(
                access_key_id="AKIATEST",
                account=ACCOUNT,
                arn=f"arn:aws:iam::{ACCOUNT}:user/tester",
                name="tester",
            ),
            caller=Caller(source_ip="192.0.2.7"),
            request_id=new_id(),
            now=self.now,
            operation_name=operation,
            operation=registered,
            document=document,
            request=json10.typed_request(document, request_type, VALIDATOR),
            wake=lambda: self.replication.wake(region),
        )

        def offload(work: Callable[[], T], /) -> Awaitable[T]:
            return asyncio.to_thread(work)

        context = call.context(
            offload=offload, limits=self.limits, peers=self.replication.peers(region)
        )
        response = await registered.function(context, call.request)
        decoded: dict[str, Any] = json.loads(json10.encode_response(response))
        return decoded

    async def create(self, region: str = EAST, **members: Any) -> dict[str, Any]:
        """CreateKey of a card verification key; the key it answers with."""
        made = await self.call(
            region, "CreateKey", **({"KeyAttributes": CVK, "Exportable": True} | members)
        )
        key: dict[str, Any] = made["Key"]
        return key

    async def get(self, region: str, arn: str) -> dict[str, Any]:
        """GetKey of the key of that id in a Region."""
        key: dict[str, Any] = (
            await self.call(region, "GetKey", KeyIdentifier=in_region(arn, region))
        )["Key"]
        return key

    async def settle(self) -> None:
        """Wait until no link has anything to send that it could send."""
        async with asyncio.timeout(20):
            while any(
                self.waiting(region.name, peer)
                for region in self.regions.values()
                for peer in self.regions
                if peer != region.name and not self.faults[region.name, peer].down
            ):
                await asyncio.sleep(0)
                self.now += timedelta(microseconds=100)  # what was put off becomes due
                for link in self.replication.links.values():
                    link.wake()

    def waiting(self, region: str, peer: str) -> bool:
        """Whether the outbox of a Region has something for a peer, held rows aside."""
        store = self.regions[region].store
        return store.outbox_next(peer, owner="nobody", lease=timedelta(0)) is not None

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the loop run until `condition` holds."""
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0)
                self.now += timedelta(microseconds=100)

    def status(self, arn: str, region: str = EAST) -> dict[str, tuple[str, str | None]]:
        """Status and message for each Region of a primary."""
        replicas = self.regions[region].store.replicas(ACCOUNT, arn.rpartition("/")[2])
        return {replica.region: (replica.status.value, replica.message) for replica in replicas}

    def events(self, region: str) -> list[dict[str, Any]]:
        """The trail of a Region."""
        found = self.regions[region].store.audit_events(ACCOUNT, limit=10_000)
        return [json.loads(record.body) for _, record in found]

    def material(self, region: str, arn: str) -> bytes:
        """The clear material of a key, straight from the vault."""
        from keyferry.service.vault.binding import key_binding

        part = self.regions[region]
        record = part.store.key(ACCOUNT, arn.rpartition("/")[2])
        assert record is not None
        assert record.sealed is not None
        return part.vault.open(record.sealed, binding=key_binding(region, record))


def in_region(arn: str, region: str) -> str:
    """The ARN of the same key in another Region."""
    parts = arn.split(":")
    parts[3] = region
    return ":".join(parts)


class Tools:
    """What test modules share, handed out by a fixture, as test files import nothing of ours."""

    east, west, south = EAST, WEST, SOUTH
    account = ACCOUNT
    now = NOW
    cvk = CVK
    world = World
    in_region = staticmethod(in_region)


@pytest.fixture(scope="session")
def tools() -> type[Tools]:
    return Tools


@pytest.fixture
async def make_world(quiet_log: None) -> AsyncIterator[Callable[..., Awaitable[World]]]:
    """Makes Regions in memory, three unless told otherwise, with their replication running."""
    made: list[World] = []

    async def make(
        *names: str,
        limits: Limits | None = None,
        start: bool = True,
        following: Following = NOTHING_FOLLOWS,
        **settings: Any,
    ) -> World:
        chosen = ServiceSettings(
            **({"dev": True, "regions": names or (EAST, WEST, SOUTH)} | settings)
        )
        world = World(open_regions(chosen), limits=limits, following=following)
        made.append(world)
        if start:
            await world.replication.start()
        return world

    yield make
    for world in made:
        await world.replication.stop()
        for region in world.regions.values():
            await region.close()


@pytest.fixture
async def world(make_world: Callable[..., Awaitable[World]]) -> World:
    """Three Regions whose replication runs."""
    return await make_world()

"""
Whatever is done to keys, Regions and messages: once everything runs again, the Regions agree.

Hypothesis draws operations, faults and restarts in three Regions. What a primary should be is kept
beside in a small model; what its replicas should be follows from the primary.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyferry.service.errors import ConflictError, InvalidRequestError
from keyferry.service.store.records import KeyState
from keyferry.service.store.replication_records import RegionPart, ReplicaStatus

REGIONS = ("us-east-1", "us-west-2", "eu-south-1")
PAIRS = [(a, b) for a in REGIONS for b in REGIONS if a != b]

_region = st.sampled_from(REGIONS)
_key = st.integers(0, 7)
_pair = st.sampled_from(PAIRS)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), _region, st.sets(_region)),
        st.tuples(st.sampled_from(["AddKeyReplicationRegions"]), _key, st.sets(_region)),
        st.tuples(st.sampled_from(["RemoveKeyReplicationRegions"]), _key, st.sets(_region)),
        st.tuples(
            st.sampled_from(["StopKeyUsage", "StartKeyUsage", "DeleteKey", "RestoreKey"]), _key
        ),
        st.tuples(st.just("leave"), _key, _region),
        st.tuples(st.sampled_from(["cut", "heal", "lose", "twice", "once", "spoil"]), _pair),
        st.tuples(st.just("run"), st.integers(1, 30)),
        st.tuples(st.just("restart")),
    ),
    min_size=5,
    max_size=40,
)


@dataclass
class Primary:
    """What a key should be in its own Region."""

    arn: str
    region: str
    enabled: bool = True
    state: KeyState = KeyState.CREATE_COMPLETE


async def drive(world: Any, tools: Any, steps: list[tuple[Any, ...]]) -> None:
    primaries: list[Primary] = []
    for step in steps:
        match step:
            case ("create", region, others):
                key = await world.create(region, ReplicationRegions=sorted(set(others) - {region}))
                primaries.append(Primary(key["KeyArn"], region))
            case ("cut" | "heal" | "lose" | "twice" | "once" | "spoil" as fault, pair):
                faults = world.faults[pair]
                match fault:
                    case "cut" | "heal":
                        faults.down = fault == "cut"
                    case "lose":
                        faults.lose_answers = 2
                    case "twice" | "once":
                        faults.twice = fault == "twice"
                    case "spoil":
                        faults.garbage = 2
            case ("run", turns):
                for _ in range(turns):
                    await asyncio.sleep(0)
            case ("restart",):
                await world.restart()
            case (operation, number, *rest) if primaries:
                await change(world, tools, primaries[number % len(primaries)], operation, rest)
    for faults in world.faults.values():
        faults.down = faults.twice = False
        faults.lose_answers = faults.garbage = 0
    await world.settle()
    for primary in primaries:
        check(world, tools, primary)


async def change(world: Any, tools: Any, primary: Primary, operation: str, rest: list[Any]) -> None:
    # What the API refuses changes nothing, in the model either.
    with suppress(InvalidRequestError, ConflictError):
        if operation == "leave":
            if rest[0] == primary.region:
                return
            part = world.regions[rest[0]].store.key(tools.account, primary.arn.rpartition("/")[2])
            if part is not None:
                arn = tools.in_region(primary.arn, rest[0])
                await world.call(rest[0], "DeleteKey", KeyIdentifier=arn)
            return
        members = {"ReplicationRegions": sorted(rest[0])} if rest else {}
        answer = await world.call(primary.region, operation, KeyIdentifier=primary.arn, **members)
        primary.enabled = answer["Key"]["Enabled"]
        primary.state = KeyState(answer["Key"]["KeyState"])


def check(world: Any, tools: Any, primary: Primary) -> None:
    """The key is what the model says, and every replica what the key says."""
    key_id = primary.arn.rpartition("/")[2]
    store = world.regions[primary.region].store
    record = store.key(tools.account, key_id)
    assert (record.enabled, record.state) == (primary.enabled, primary.state)
    entries = {entry.region: entry for entry in store.replicas(tools.account, key_id)}
    part = store.multi_region(tools.account, key_id)
    assert bool(entries) == (part is not None and part.part is RegionPart.PRIMARY)
    for region in set(REGIONS) - {primary.region}:
        replica = world.regions[region].store.key(tools.account, key_id)
        if region not in entries:
            assert replica is None or replica.state is KeyState.DELETE_COMPLETE
            continue
        assert entries[region].status is ReplicaStatus.SYNCHRONIZED
        assert entries[region].message is None
        assert replica.state is record.state is KeyState.CREATE_COMPLETE
        assert replica.enabled == record.enabled
        assert replica.check_value == record.check_value
        assert world.material(region, primary.arn) == world.material(primary.region, primary.arn)


def examples(count: int) -> Callable[[Any], Any]:
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=count < 100,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def run(make_world: Callable[[], Awaitable[Any]], tools: Any, steps: list[tuple[Any, ...]]) -> None:
    async def once() -> None:
        world = await make_world()
        try:
            await world.replication.start()
            await drive(world, tools, steps)
        finally:
            await world.replication.stop()
            for region in world.regions.values():
                await region.close()

    asyncio.run(once())


@pytest.fixture
def fresh(tools: Any, quiet_log: None) -> Callable[[], Awaitable[Any]]:
    """Makes three Regions for one example."""

    async def make() -> Any:
        from keyferry.service.region import open_regions
        from keyferry.service.settings import ServiceSettings

        return tools.world(open_regions(ServiceSettings(dev=True, regions=REGIONS)))

    return make


@examples(60)
@given(steps=STEPS)
def test_regions_converge(fresh: Any, tools: Any, steps: list[tuple[Any, ...]]) -> None:
    """The short form, the same examples each time."""
    run(fresh, tools, steps)


@pytest.mark.soak
@examples(3000)
@given(steps=STEPS)
def test_regions_converge_fuzz(fresh: Any, tools: Any, steps: list[tuple[Any, ...]]) -> None:
    """The long form."""
    run(fresh, tools, steps)

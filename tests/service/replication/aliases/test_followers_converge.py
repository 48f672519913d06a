"""
Whatever is done to aliases, tags and messages: once everything runs again, the Regions agree.

Hypothesis draws operations of users in two Regions that follow each other, faults and restarts.
Beside them a small model keeps which names users of a Region made or changed there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyferry.service.errors import ConflictError, InvalidRequestError, ResourceNotFoundError
from keyferry.service.region import open_regions
from keyferry.service.replication.following import Following
from keyferry.service.replication.messages import APPLY_ALIASES, APPLY_CHANGES
from keyferry.service.settings import ServiceSettings
from keyferry.service.store.replication_records import RegionPart, ReplicaStatus

EAST, WEST = "us-east-1", "us-west-2"
OTHER = {EAST: WEST, WEST: EAST}
PAIRS = frozenset(OTHER.items())
REFUSALS = (ConflictError, InvalidRequestError, ResourceNotFoundError)

_region = st.sampled_from([EAST, WEST])
# Users of both Regions use the first name, and each has one of its own.
_name = st.sampled_from(
    [(EAST, "alias/a"), (WEST, "alias/a"), (EAST, "alias/b"), (EAST, "alias/b"), (WEST, "alias/c")]
)
_key = st.integers(0, 2)
_STEP_KINDS = {
    "alias": [
        st.tuples(st.sampled_from(["CreateAlias", "UpdateAlias"]), _name, _key),
        st.tuples(st.just("CreateAlias"), _name, _key),
        st.tuples(st.just("UpdateAlias"), _name, _key),
        st.tuples(st.sampled_from(["UpdateAlias", "DeleteAlias"]), _name),
    ],
    "key": [
        st.tuples(st.just("AddKeyReplicationRegions"), _key),
        st.tuples(st.just("AddKeyReplicationRegions"), _key),
        st.tuples(st.just("RemoveKeyReplicationRegions"), _key),
        st.tuples(st.just("leave"), _key),
        st.tuples(
            st.sampled_from(["TagResource", "TagResource", "UntagResource"]),
            _key,
            st.sampled_from(["x", "y"]),
        ),
    ],
}


def _step(kind: str) -> st.SearchStrategy[tuple[Any, ...]]:
    # Not one_of, which takes what stands twice for one.
    return st.sampled_from(range(len(_STEP_KINDS[kind]))).flatmap(
        lambda number: _STEP_KINDS[kind][number]
    )


_fault_step = st.one_of(
    st.tuples(st.sampled_from(["cut", "heal", "lose", "twice", "once", "spoil"]), _region),
    st.tuples(st.just("late"), _region, st.integers(0, 1000)),
    st.tuples(st.just("restart")),
)
# In rounds, as what a user does between two deliveries is what may go wrong.
STEPS = st.lists(
    st.tuples(
        st.lists(_step("alias"), min_size=2, max_size=4),
        st.lists(_step("key"), max_size=2),
        st.lists(_fault_step, max_size=2),
        st.tuples(st.just("run"), st.integers(0, 60)),
    ),
    min_size=10,
    max_size=16,
).map(lambda rounds: [step for a, k, f, run in rounds for step in (*a, *k, *f, run)])


class Drive:
    """Two Regions with keys of their own, and what users did there."""

    def __init__(self, world: Any, tools: Any) -> None:
        self.world, self.tools = world, tools
        self.keys: list[tuple[str, str]] = []  # Region and ARN of the primaries
        # Names a user of a Region made or changed, with the key id they point to.
        self.own: dict[str, dict[str, str | None]] = {EAST: {}, WEST: {}}
        # Names a user of a Region had to do with at all.
        self.touched: dict[str, set[str]] = {EAST: set(), WEST: set()}
        self.tags: dict[str, dict[str, str]] = {}

    async def run(self, steps: list[tuple[Any, ...]]) -> None:
        for region in (EAST, EAST, WEST):
            key = await self.world.create(region, ReplicationRegions=[OTHER[region]])
            self.keys.append((region, key["KeyArn"]))
            self.tags[key["KeyArn"]] = {}
        await self.world.settle()
        await self._alias("CreateAlias", EAST, "alias/a", 0)
        for step in steps:
            with suppress(*REFUSALS):  # what the API refuses changes nothing
                await self._step(step)
        for faults in self.world.faults.values():
            faults.down = faults.twice = False
            faults.lose_answers = faults.garbage = 0
        await self.world.settle()
        self.check(changed_elsewhere=False)
        for region, arn in self.keys:
            await self.world.call(
                region,
                "AddKeyReplicationRegions",
                KeyIdentifier=arn,
                ReplicationRegions=[OTHER[region]],
            )
        await self.world.settle()
        self.check(changed_elsewhere=False)
        # A change of each alias ends what the other Region's users left behind.
        for region in (EAST, WEST):
            for name in self.own[region]:
                arn = self.target(region, name)
                members = {} if arn is None else {"KeyArn": self._arn(region, arn)}
                await self.world.call(region, "UpdateAlias", AliasName=name, **members)
                await self.world.settle()
        self.check(changed_elsewhere=True)
        for pair in PAIRS:
            faults = self.world.faults[pair]
            for operation, body in list(reversed(faults.sent)):
                if operation in (APPLY_ALIASES, APPLY_CHANGES):
                    await faults.inner.call(operation, body)
        self.check(changed_elsewhere=True)

    async def _step(self, step: tuple[Any, ...]) -> None:
        match step:
            case (
                "CreateAlias" | "UpdateAlias" | "DeleteAlias" as operation,
                (region, name),
                *rest,
            ):
                await self._alias(operation, region, name, *rest)
            case ("AddKeyReplicationRegions" | "RemoveKeyReplicationRegions" as operation, number):
                region, arn = self.keys[number]
                await self.world.call(
                    region, operation, KeyIdentifier=arn, ReplicationRegions=[OTHER[region]]
                )
            case ("leave", number):
                region, arn = self.keys[number]
                there = self.tools.in_region(arn, OTHER[region])
                await self.world.call(OTHER[region], "DeleteKey", KeyIdentifier=there)
            case ("TagResource", number, tag):
                region, arn = self.keys[number]
                value = str(len(self.tags[arn]))
                await self.world.call(
                    region, "TagResource", ResourceArn=arn, Tags=[{"Key": tag, "Value": value}]
                )
                self.tags[arn][tag] = value
            case ("UntagResource", number, tag):
                region, arn = self.keys[number]
                await self.world.call(region, "UntagResource", ResourceArn=arn, TagKeys=[tag])
                self.tags[arn].pop(tag, None)
            case ("late", region, number):
                faults = self.world.faults[region, OTHER[region]]
                sent = [s for s in faults.sent if s[0] in (APPLY_ALIASES, APPLY_CHANGES)]
                if sent:
                    await faults.inner.call(*sent[number % len(sent)])
            case ("run", turns):
                for _ in range(turns):
                    await asyncio.sleep(0)
            case ("restart",):
                await self.world.restart()
            case (fault, region):
                self._fault(self.world.faults[region, OTHER[region]], fault)

    async def _alias(self, operation: str, region: str, name: str, *key: int) -> None:
        members = {}
        if key:
            arn = self.tools.in_region(self.keys[key[0]][1], region)
            members["KeyArn"] = arn
        self.touched[region].add(name)
        await self.world.call(region, operation, AliasName=name, **members)
        if operation == "DeleteAlias":
            self.own[region].pop(name, None)
        else:
            self.own[region][name] = arn.rpartition("/")[2] if key else None

    @staticmethod
    def _fault(faults: Any, fault: str) -> None:
        match fault:
            case "cut" | "heal":
                faults.down = fault == "cut"
            case "lose":
                faults.lose_answers = 2
            case "twice" | "once":
                faults.twice = fault == "twice"
            case "spoil":
                faults.garbage = 2

    def _arn(self, region: str, key_id: str) -> str:
        arn = next(arn for _, arn in self.keys if arn.endswith(key_id))
        return str(self.tools.in_region(arn, region))

    def _alias_record(self, region: str, name: str) -> Any:
        return self.world.regions[region].store.alias(self.tools.account, name)

    def target(self, region: str, name: str) -> str | None:
        alias = self._alias_record(region, name)
        return None if alias is None else alias.key_id

    def check(self, *, changed_elsewhere: bool) -> None:
        """
        Every name and every tag is where it should be.

        Args:
            changed_elsewhere: names that users of both Regions had to do with are checked too.
        """
        for region, names in self.own.items():
            for name, key_id in names.items():
                # Never overwritten: what the user said, unless the key itself is gone.
                assert self.target(region, name) in (key_id, None)
                assert self._alias_record(region, name) is not None
        for here, there in PAIRS:
            for name in ("alias/a", "alias/b", "alias/c"):
                if name in self.own[there]:
                    continue
                if name in self.touched[there] and not changed_elsewhere:
                    continue
                wanted = self._wanted(here, there, name)
                assert self.target(there, name) == wanted
                assert (wanted is None) == (self._alias_record(there, name) is None)
        for number, (region, arn) in enumerate(self.keys):
            self._check_tags(number, region, arn)

    def _wanted(self, here: str, there: str, name: str) -> str | None:
        """The key an alias of one Region is to point to in the other; None: it is not there."""
        key_id = self.target(here, name) if name in self.own[here] else None
        if key_id is None:
            return None
        store = self.world.regions[here].store
        part = store.multi_region(self.tools.account, key_id)
        if part is None or part.part is not RegionPart.PRIMARY:
            return None
        replica = store.replica(self.tools.account, key_id, there)
        assert replica is None or replica.status is ReplicaStatus.SYNCHRONIZED
        return None if replica is None else key_id

    def _check_tags(self, number: int, region: str, arn: str) -> None:
        key_id = arn.rpartition("/")[2]
        store = self.world.regions[region].store
        assert dict(store.tags(self.tools.account, key_id)) == self.tags[arn], number
        if store.replica(self.tools.account, key_id, OTHER[region]) is not None:
            replica = self.world.regions[OTHER[region]].store
            assert dict(replica.tags(self.tools.account, key_id)) == self.tags[arn], number


def examples(count: int) -> Callable[[Any], Any]:
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=count < 100,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def run(fresh: Callable[[], Awaitable[Any]], tools: Any, steps: list[tuple[Any, ...]]) -> None:
    async def once() -> None:
        world = await fresh()
        try:
            await world.replication.start()
            await Drive(world, tools).run(steps)
        finally:
            await world.replication.stop()
            for region in world.regions.values():
                await region.close()

    asyncio.run(once())


@pytest.fixture
def fresh(tools: Any, quiet_log: None) -> Callable[[], Awaitable[Any]]:
    """Makes two Regions that follow each other, for one example."""

    async def make() -> Any:
        regions = open_regions(ServiceSettings(dev=True, regions=(EAST, WEST)))
        return tools.world(regions, following=Following(aliases=PAIRS, tags=PAIRS))

    return make


@examples(40)
@given(steps=STEPS)
def test_followers_converge(fresh: Any, tools: Any, steps: list[tuple[Any, ...]]) -> None:
    """The short form, the same examples each time."""
    run(fresh, tools, steps)


@pytest.mark.soak
@examples(2000)
@given(steps=STEPS)
def test_followers_converge_fuzz(fresh: Any, tools: Any, steps: list[tuple[Any, ...]]) -> None:
    """The long form."""
    run(fresh, tools, steps)

"""Comparing keys while they change: what the peer said before is not held against what is now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from keyferry.errors import PeerProtocolError
from keyferry.service.replication import messages as m
from keyferry.service.replication.inspection.verification import DriftKind, Verifier
from keyferry.service.store.inspection_records import KeyName


class Meanwhile:
    """A transport on which something happens after the peer answered, and before that is heard."""

    def __init__(self, inner: Any, happens: Callable[[], Awaitable[None]]) -> None:
        self._inner = inner
        self._happens = happens

    async def call(self, operation: str, body: bytes) -> bytes:
        answer: bytes = await self._inner.call(operation, body)
        await self._happens()
        return answer

    async def root(self) -> Any:
        return await self._inner.root()


class Answers:
    """A peer that always gives the same answer."""

    def __init__(self, answer: m.DescribeReplicasOutput) -> None:
        self._answer = answer

    async def call(self, operation: str, body: bytes) -> bytes:
        return m.encode(self._answer)

    async def root(self) -> Any:
        raise NotImplementedError


def verifier(world: Any, tools: Any, transport: Any) -> Verifier:
    region = world.regions[tools.east]
    return Verifier(
        region=tools.east,
        peer=tools.west,
        store=region.store,
        vault=region.vault,
        transport=transport,
        offload=asyncio.to_thread,
    )


@pytest.mark.parametrize("begun", [False, True])
async def test_a_change_that_arrives_meanwhile_is_pending(
    world: Any, tools: Any, begun: bool
) -> None:
    """Whether it was made before or after the question; asked again, nothing differs."""
    arn = (await world.create(ReplicationRegions=[tools.west]))["KeyArn"]
    await world.settle()
    faults = world.faults[tools.east, tools.west]
    name = KeyName(tools.account, arn.rpartition("/")[2])

    async def stop() -> None:
        await world.call(tools.east, "StopKeyUsage", KeyIdentifier=arn)

    async def arrive() -> None:
        faults.down = False
        if not begun:
            await stop()
        await world.settle()

    if begun:
        faults.down = True
        await stop()
    moving = await verifier(world, tools, Meanwhile(faults.inner, arrive)).keys([name])
    assert (moving.drift, moving.pending) == ([], [name])
    still = await verifier(world, tools, faults).keys([name])
    assert (still.compared, still.drift, still.pending) == (1, [], [])


async def test_a_replica_that_left_is_pending_until_that_is_known(world: Any, tools: Any) -> None:
    """Deleted in its own Region, and the primary has not heard of it yet."""
    arn = (await world.create(ReplicationRegions=[tools.west]))["KeyArn"]
    await world.settle()
    world.faults[tools.west, tools.east].down = True
    await world.call(
        tools.west, "DeleteKey", KeyIdentifier=tools.in_region(arn, tools.west), DeleteKeyInDays=3
    )
    asking = verifier(world, tools, world.faults[tools.east, tools.west])
    name = KeyName(tools.account, arn.rpartition("/")[2])
    assert (await asking.keys([name])).pending == [name]
    (missing,) = (await asking.page(None)).drift  # to be asked again by name
    assert missing.kind is DriftKind.MISSING_REPLICA
    world.faults[tools.west, tools.east].down = False
    await world.settle()
    found = await asking.keys([name])
    assert (found.drift, found.pending) == ([], [])


async def test_a_peer_describes_what_it_was_asked_for(world: Any, tools: Any) -> None:
    """Descriptions of other keys are no answer: nothing is concluded from them."""
    arns = [(await world.create(ReplicationRegions=[tools.west]))["KeyArn"] for _ in range(2)]
    await world.settle()
    first, second = sorted(KeyName(tools.account, arn.rpartition("/")[2]) for arn in arns)
    described = m.KeyDescription(
        account=second.account, key_id=second.key_id, condition=m.Condition.ABSENT
    )
    asking = verifier(world, tools, Answers(m.DescribeReplicasOutput(replicas=[described])))
    with pytest.raises(PeerProtocolError, match="other keys than it was asked for"):
        await asking.keys([first])
    with pytest.raises(PeerProtocolError, match="described what it was not asked for"):
        await asking.page(None, limit=1)


async def test_a_region_describes_replicas_of_the_asker_only(world: Any, tools: Any) -> None:
    """A key of its own, and a replica of a third Region's, are none of the asker's business."""
    own = (await world.create(tools.west))["KeyArn"]
    third = (await world.create(tools.south, ReplicationRegions=[tools.west]))["KeyArn"]
    await world.settle()
    names = [KeyName(tools.account, arn.rpartition("/")[2]) for arn in (own, third)]
    asking = verifier(world, tools, world.faults[tools.east, tools.west])
    described = await asking.describe(names)
    assert {d.condition for d in described.values()} == {m.Condition.ABSENT}
    assert {(d.attributes, d.state, d.check_value) for d in described.values()} == {("", "", None)}
    assert (await asking.page(None)).compared == 0

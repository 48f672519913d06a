"""Tags that follow their keys to another Region, where the service is told to."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from keyferry.errors import PeerProtocolError
from keyferry.service.replication.following import Following
from keyferry.service.replication.messages import APPLY_CHANGES, ApplyChangesInput, decode

EAST, WEST, SOUTH = "us-east-1", "us-west-2", "eu-south-1"
MakeWorld = Callable[..., Awaitable[Any]]


@pytest.fixture
async def world(make_world: MakeWorld) -> Any:
    """Three Regions; tags of us-east-1 follow to us-west-2."""
    return await make_world(following=Following(tags=frozenset({(EAST, WEST)})))


def tags_of(world: Any, tools: Any, region: str, key: dict[str, Any]) -> dict[str, str]:
    store = world.regions[region].store
    return dict(store.tags(tools.account, key["KeyArn"].rpartition("/")[2]))


async def tag(world: Any, region: str, arn: str, **tags: str) -> None:
    members = [{"Key": name, "Value": value} for name, value in tags.items()]
    await world.call(region, "TagResource", ResourceArn=arn, Tags=members)


async def test_tags_follow_their_key(world: Any, tools: Any) -> None:
    """From its creation on, each change; only where the pair is configured."""
    key = await world.create(
        ReplicationRegions=[WEST, SOUTH], Tags=[{"Key": "owner", "Value": "issuing"}]
    )
    await world.settle()
    assert tags_of(world, tools, WEST, key) == {"owner": "issuing"}
    assert tags_of(world, tools, SOUTH, key) == {}
    await tag(world, EAST, key["KeyArn"], owner="acquiring", stage="test", empty="")
    assert world.status(key["KeyArn"])[WEST][0] == "IN_PROGRESS"
    assert world.status(key["KeyArn"])[SOUTH][0] == "SYNCHRONIZED"
    await world.settle()
    everything = {"owner": "acquiring", "stage": "test", "empty": ""}
    assert tags_of(world, tools, WEST, key) == everything
    await world.call(EAST, "UntagResource", ResourceArn=key["KeyArn"], TagKeys=["owner", "none"])
    await world.settle()
    assert tags_of(world, tools, WEST, key) == {"stage": "test", "empty": ""}
    assert world.status(key["KeyArn"])[WEST] == ("SYNCHRONIZED", None)

    arn = tools.in_region(key["KeyArn"], WEST)
    trail = [
        (event["eventName"], event["requestParameters"])
        for event in world.events(WEST)
        if event["eventName"].endswith("tagResource") or event["eventName"] == "TagResource"
    ]
    assert trail == [
        ("TagResource", {"resourceArn": arn, "tags": [{"key": "owner", "value": "issuing"}]}),
        (
            "TagResource",
            {
                "resourceArn": arn,
                "tags": [
                    {"key": "empty", "value": ""},
                    {"key": "owner", "value": "acquiring"},
                    {"key": "stage", "value": "test"},
                ],
            },
        ),
        ("UntagResource", {"resourceArn": arn, "tagKeys": ["owner"]}),
    ]


async def test_what_changes_nothing_is_not_sent(world: Any) -> None:
    """The same tags again, unknown ones removed: no message, no change of status."""
    key = await world.create(ReplicationRegions=[WEST])
    await tag(world, EAST, key["KeyArn"], stage="test")
    await world.settle()
    way = world.faults[EAST, WEST]
    way.sent.clear()
    await tag(world, EAST, key["KeyArn"], stage="test")
    await world.call(EAST, "UntagResource", ResourceArn=key["KeyArn"], TagKeys=["none"])
    assert world.status(key["KeyArn"])[WEST] == ("SYNCHRONIZED", None)
    assert not world.waiting(EAST, WEST)
    assert way.sent == []


async def test_tags_of_a_replica_last_until_the_next_change(world: Any, tools: Any) -> None:
    """A user may tag a replica; the primary's next change makes its tags the primary's."""
    key = await world.create(ReplicationRegions=[WEST])
    await world.settle()
    await tag(world, WEST, tools.in_region(key["KeyArn"], WEST), local="yes")
    await world.settle()
    assert tags_of(world, tools, EAST, key) == {}
    assert tags_of(world, tools, WEST, key) == {"local": "yes"}
    await world.call(EAST, "StopKeyUsage", KeyIdentifier=key["KeyArn"])
    await world.settle()
    assert tags_of(world, tools, WEST, key) == {}


async def test_without_the_option_replicas_keep_their_own(
    make_world: MakeWorld, tools: Any
) -> None:
    """Tags belong to their Region, and say nothing to any other."""
    world = await make_world()
    key = await world.create(ReplicationRegions=[WEST], Tags=[{"Key": "a", "Value": "b"}])
    await world.settle()
    assert tags_of(world, tools, WEST, key) == {}
    await tag(world, WEST, tools.in_region(key["KeyArn"], WEST), local="yes")
    await tag(world, EAST, key["KeyArn"], more="tags")
    await world.call(EAST, "StopKeyUsage", KeyIdentifier=key["KeyArn"])
    await world.settle()
    assert tags_of(world, tools, WEST, key) == {"local": "yes"}


async def test_many_keys_with_all_the_tags_there_can_be(world: Any, tools: Any) -> None:
    """Messages stay small enough for the limit on bodies, whatever stands in the tags."""
    tags = {f"{number:03}" + 125 * "\x7f": 256 * "\u4e16" for number in range(200)}
    world.faults[EAST, WEST].down = True
    keys = [await world.create(ReplicationRegions=[WEST]) for _ in range(5)]
    for key in keys:
        await tag(world, EAST, key["KeyArn"], **tags)
    world.faults[EAST, WEST].down = False
    await world.settle()
    for key in keys:
        assert tags_of(world, tools, WEST, key) == tags
    bodies = [body for operation, body in world.faults[EAST, WEST].sent]
    assert max(map(len, bodies)) < 1 << 20


async def test_a_message_with_tags_that_are_none(world: Any) -> None:
    """An empty tag key or a value that is too long is no message of this protocol."""
    way = world.faults[EAST, WEST]
    await world.create(ReplicationRegions=[WEST], Tags=[{"Key": "a", "Value": "b"}])
    await world.settle()
    body = next(body for operation, body in way.sent if operation == APPLY_CHANGES)
    document = json.loads(body)
    for wrong in (["", "b"], ["a", 257 * "b"], ["a"], ["a", "b", "c"]):
        document["Changes"][0]["Key"]["Tags"] = [wrong]
        with pytest.raises(PeerProtocolError):
            decode(json.dumps(document).encode(), ApplyChangesInput)

"""Aliases that follow their keys to another Region, where the service is told to."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from keyferry.service.context import Limits
from keyferry.service.errors import ConflictError, ResourceNotFoundError
from keyferry.service.replication.aliases.state import record_arrival
from keyferry.service.replication.following import Following
from keyferry.service.replication.messages import (
    APPLY_ALIASES,
    APPLY_CHANGES,
    AliasChange,
    ApplyAliasesInput,
    encode,
)
from keyferry.service.store.replication_records import RegionPart

NAME = "alias/pin"
MakeWorld = Callable[..., Awaitable[Any]]
EAST, WEST, SOUTH = "us-east-1", "us-west-2", "eu-south-1"
EAST_TO_WEST = Following(aliases=frozenset({(EAST, WEST)}))
BOTH_WAYS = Following(aliases=frozenset({(EAST, WEST), (WEST, EAST)}))


@pytest.fixture
async def world(make_world: MakeWorld) -> Any:
    """Three Regions; aliases of us-east-1 follow to us-west-2."""
    return await make_world(following=EAST_TO_WEST)


async def target(world: Any, region: str, name: str = NAME) -> str | None:
    """The id of the key an alias points to in a Region, "" without a key, None without alias."""
    try:
        alias = (await world.call(region, "GetAlias", AliasName=name))["Alias"]
    except ResourceNotFoundError:
        return None
    arn = alias.get("KeyArn", "")
    assert arn == "" or arn.split(":")[3] == region
    return str(arn.rpartition("/")[2])


def key_id(key: dict[str, Any]) -> str:
    return str(key["KeyArn"].rpartition("/")[2])


def dead_letter(world: Any, tools: Any, region: str, peer: str) -> str | None:
    """Why the alias of that name was given up between two Regions; None if it was not."""
    store = world.regions[region].store
    row = store.outbox(tools.account, NAME, peer)
    if row is None or not row.held:
        return None
    return str(store.followed_alias(tools.account, NAME, peer).message)


async def replay(world: Any, tools: Any) -> None:
    """Start again, which tries what was given up; it is given up no more."""
    await world.restart()
    await world.until(lambda: dead_letter(world, tools, EAST, WEST) is None)
    await world.settle()


async def test_an_alias_through_its_life(world: Any, tools: Any) -> None:
    """Made, moved, taken off its key and removed: the other Region has the same names."""
    first = await world.create(ReplicationRegions=[WEST, SOUTH])
    second = await world.create(ReplicationRegions=[WEST])
    await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=first["KeyArn"])
    await world.settle()
    assert await target(world, WEST) == key_id(first)
    assert await target(world, SOUTH) is None  # that pair is not configured
    used = (await world.call(WEST, "GetKey", KeyIdentifier=NAME))["Key"]
    assert used["KeyArn"] == tools.in_region(first["KeyArn"], WEST)

    await world.call(EAST, "UpdateAlias", AliasName=NAME, KeyArn=second["KeyArn"])
    await world.settle()
    assert await target(world, WEST) == key_id(second)
    await world.call(EAST, "UpdateAlias", AliasName=NAME)
    await world.settle()
    assert await target(world, EAST) == ""
    assert await target(world, WEST) is None
    await world.call(EAST, "UpdateAlias", AliasName=NAME, KeyArn=first["KeyArn"])
    await world.settle()
    await world.call(EAST, "DeleteAlias", AliasName=NAME)
    await world.settle()
    assert await target(world, WEST) is None

    trail = [
        (event["eventName"], event["requestParameters"])
        for event in world.events(WEST)
        if "Alias" in event["eventName"] and event["userIdentity"].get("invokedBy")
    ]
    there = [tools.in_region(key["KeyArn"], WEST) for key in (first, second)]
    assert trail == [
        ("CreateAlias", {"aliasName": NAME, "keyArn": there[0]}),
        ("UpdateAlias", {"aliasName": NAME, "keyArn": there[1]}),
        ("DeleteAlias", {"aliasName": NAME}),
        ("CreateAlias", {"aliasName": NAME, "keyArn": there[0]}),
        ("DeleteAlias", {"aliasName": NAME}),
    ]


async def test_nothing_follows_unless_told(make_world: MakeWorld) -> None:
    """Without the option aliases belong to their Region, and write nothing to the outbox."""
    world = await make_world()
    key = await world.create(ReplicationRegions=[WEST])
    await world.settle()
    await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=key["KeyArn"])
    assert not world.waiting(EAST, WEST)
    assert await target(world, WEST) is None


async def test_an_alias_follows_once_its_key_does(world: Any) -> None:
    """A key that is replicated later brings its aliases; one whose key stays is not there."""
    key = await world.create()
    await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=key["KeyArn"])
    await world.call(EAST, "CreateAlias", AliasName="alias/second", KeyArn=key["KeyArn"])
    await world.settle()
    assert await target(world, WEST) is None
    regions = {"KeyIdentifier": key["KeyArn"], "ReplicationRegions": [WEST]}
    await world.call(EAST, "AddKeyReplicationRegions", **regions)
    await world.settle()
    assert await target(world, WEST) == key_id(key)
    assert await target(world, WEST, "alias/second") == key_id(key)
    await world.call(EAST, "RemoveKeyReplicationRegions", **regions)
    await world.settle()
    assert await target(world, WEST) is None
    await world.call(EAST, "AddKeyReplicationRegions", **regions)
    await world.settle()
    assert await target(world, WEST) == key_id(key)


async def test_an_alias_waits_for_a_key_on_its_way(world: Any, tools: Any) -> None:
    """Moved to a key that has not arrived, the alias goes on pointing to the one that has."""
    old = await world.create(ReplicationRegions=[WEST])
    await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=old["KeyArn"])
    await world.settle()
    way = world.faults[EAST, WEST]
    way.sent.clear()
    way.down = True
    new = await world.create(ReplicationRegions=[WEST])
    await world.call(EAST, "UpdateAlias", AliasName=NAME, KeyArn=new["KeyArn"])
    assert await target(world, WEST) == key_id(old)
    way.down = False
    await world.settle()
    assert await target(world, WEST) == key_id(new)
    asked = [operation for operation, _ in way.sent]
    assert asked.index(APPLY_CHANGES) < asked.index(APPLY_ALIASES)
    bodies = [json.loads(body) for operation, body in way.sent if operation == APPLY_ALIASES]
    assert {change.get("KeyId") for body in bodies for change in body["Changes"]} == {key_id(new)}


async def test_deleting_and_restoring_the_primary(world: Any) -> None:
    """Replicas take their aliases with them; the primary keeps its own, and brings them again."""
    key = await world.create(ReplicationRegions=[WEST])
    await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=key["KeyArn"])
    await world.settle()
    await world.call(EAST, "DeleteKey", KeyIdentifier=key["KeyArn"])
    await world.settle()
    assert await target(world, EAST) == key_id(key)
    assert await target(world, WEST) is None
    await world.call(EAST, "RestoreKey", KeyIdentifier=key["KeyArn"])
    await world.call(
        EAST, "AddKeyReplicationRegions", KeyIdentifier=key["KeyArn"], ReplicationRegions=[WEST]
    )
    await world.settle()
    assert await target(world, WEST) == key_id(key)


async def test_a_replica_deleted_in_its_own_region(world: Any, tools: Any) -> None:
    """What was brought goes with it; a user's alias there stays, without a key, as ever."""
    key = await world.create(ReplicationRegions=[WEST])
    there = tools.in_region(key["KeyArn"], WEST)
    await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=key["KeyArn"])
    await world.settle()
    await world.call(WEST, "CreateAlias", AliasName="alias/local", KeyArn=there)
    await world.call(WEST, "DeleteKey", KeyIdentifier=there)
    assert await target(world, WEST) is None
    assert await target(world, WEST, "alias/local") == ""
    await world.settle()
    assert await target(world, EAST) == key_id(key)


async def test_a_broken_replica_that_is_removed(world: Any, tools: Any) -> None:
    """Its row cannot be read, but what was brought with it goes all the same."""
    key = await world.create(ReplicationRegions=[WEST])
    await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=key["KeyArn"])
    await world.settle()
    await world.regions[WEST].store.write(
        lambda tx: tx._engine.execute(
            "UPDATE keys SET enabled = 7 WHERE key_id = ?", (key_id(key),)
        )
    )
    regions = {"KeyIdentifier": key["KeyArn"], "ReplicationRegions": [WEST]}
    await world.call(EAST, "RemoveKeyReplicationRegions", **regions)
    await world.settle()
    assert world.status(key["KeyArn"]) == {}
    assert world.regions[WEST].store.alias(tools.account, NAME) is None
    await world.call(EAST, "AddKeyReplicationRegions", **regions)
    await world.settle()
    assert await target(world, WEST) == key_id(key)


class TestConflicts:
    """A name a user of the other Region has is not touched."""

    async def test_a_local_alias_is_never_overwritten(self, world: Any, tools: Any) -> None:
        """Refused, with words; tried again with the next change, and when the name is free."""
        key = await world.create(ReplicationRegions=[WEST])
        local = await world.create(WEST)
        await world.call(WEST, "CreateAlias", AliasName=NAME, KeyArn=local["KeyArn"])
        await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=key["KeyArn"])
        await world.settle()
        assert await target(world, WEST) == key_id(local)
        assert dead_letter(world, tools, EAST, WEST) == (
            "the alias is in use in us-west-2 by a user of that Region"
        )
        await world.call(WEST, "DeleteAlias", AliasName=NAME)
        await replay(world, tools)
        assert await target(world, WEST) == key_id(key)
        assert dead_letter(world, tools, EAST, WEST) is None
        assert world.regions[EAST].store.followed_alias(tools.account, NAME, WEST).message is None

    async def test_deleting_ours_leaves_theirs(self, world: Any, tools: Any) -> None:
        """Removing the alias in the first Region ends the conflict and nothing else."""
        key = await world.create(ReplicationRegions=[WEST])
        await world.call(WEST, "CreateAlias", AliasName=NAME)
        await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=key["KeyArn"])
        await world.settle()
        assert dead_letter(world, tools, EAST, WEST) is not None
        await world.call(EAST, "DeleteAlias", AliasName=NAME)
        await world.settle()
        assert await target(world, WEST) == ""
        assert world.regions[EAST].store.outbox(tools.account, NAME, WEST) is None

    async def test_a_copy_a_user_changed_is_theirs(self, world: Any, tools: Any) -> None:
        """UpdateAlias in the other Region makes it local; the next change is a conflict."""
        key = await world.create(ReplicationRegions=[WEST])
        other = await world.create(ReplicationRegions=[WEST])
        await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=key["KeyArn"])
        await world.settle()
        there = tools.in_region(other["KeyArn"], WEST)
        await world.call(WEST, "UpdateAlias", AliasName=NAME, KeyArn=there)
        await world.call(EAST, "UpdateAlias", AliasName=NAME)
        await world.settle()
        assert await target(world, WEST) == key_id(other)
        await world.call(EAST, "UpdateAlias", AliasName=NAME, KeyArn=key["KeyArn"])
        await world.settle()
        assert await target(world, WEST) == key_id(other)
        assert "in use" in str(dead_letter(world, tools, EAST, WEST))

    async def test_a_copy_a_user_deleted_comes_back_with_the_next_change(self, world: Any) -> None:
        """DeleteAlias in the other Region holds until somebody changes the alias in its own."""
        key = await world.create(ReplicationRegions=[WEST])
        await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=key["KeyArn"])
        await world.settle()
        await world.call(WEST, "DeleteAlias", AliasName=NAME)
        await world.restart()
        await world.settle()
        assert await target(world, WEST) is None
        await world.call(EAST, "UpdateAlias", AliasName=NAME, KeyArn=key["KeyArn"])
        await world.settle()
        assert await target(world, WEST) == key_id(key)

    async def test_the_quota_of_the_other_region(self, make_world: MakeWorld, tools: Any) -> None:
        """Copies count; one too many is refused with words."""
        world = await make_world(following=EAST_TO_WEST, limits=Limits(aliases=1))
        key = await world.create(ReplicationRegions=[WEST])
        await world.call(WEST, "CreateAlias", AliasName="alias/local")
        await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=key["KeyArn"])
        await world.settle()
        assert (
            dead_letter(world, tools, EAST, WEST) == "the quota of aliases in us-west-2 is used up"
        )
        with pytest.raises(ResourceNotFoundError):
            await world.call(WEST, "GetAlias", AliasName=NAME)

    async def test_a_key_that_was_given_up(self, make_world: MakeWorld, tools: Any) -> None:
        """Its alias is too, instead of trying for ever; it goes when the key does."""
        world = await make_world(following=EAST_TO_WEST, limits=Limits(keys=1))
        taking = await world.create(WEST)
        key = await world.create(ReplicationRegions=[WEST])
        await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=key["KeyArn"])
        await world.settle()
        assert dead_letter(world, tools, EAST, WEST) == (
            "the key of the alias was given up for us-west-2"
        )
        store = world.regions[WEST].store
        await store.write(lambda tx: tx.erase_key(tools.account, key_id(taking)))
        await world.call(
            EAST,
            "AddKeyReplicationRegions",
            KeyIdentifier=key["KeyArn"],
            ReplicationRegions=[WEST],
        )
        await world.settle()
        assert await target(world, WEST) == key_id(key)
        assert dead_letter(world, tools, EAST, WEST) is None

    async def test_two_regions_that_feed_one(self, make_world: MakeWorld, tools: Any) -> None:
        """The copy of one Region is not moved by another."""
        world = await make_world(
            following=Following(aliases=frozenset({(EAST, SOUTH), (WEST, SOUTH)}))
        )
        first = await world.create(EAST, ReplicationRegions=[SOUTH])
        second = await world.create(WEST, ReplicationRegions=[SOUTH])
        await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=first["KeyArn"])
        await world.settle()
        await world.call(WEST, "CreateAlias", AliasName=NAME, KeyArn=second["KeyArn"])
        await world.settle()
        assert await target(world, SOUTH) == key_id(first)
        assert "in use" in str(dead_letter(world, tools, WEST, SOUTH))
        await world.call(WEST, "DeleteAlias", AliasName=NAME)
        await world.settle()
        assert await target(world, SOUTH) == key_id(first)


class TestBothWays:
    """Both directions are configured."""

    async def test_an_alias_is_not_sent_back(self, make_world: MakeWorld) -> None:
        """What arrived goes nowhere from there, whatever happens to its key."""
        world = await make_world(following=BOTH_WAYS)
        key = await world.create(ReplicationRegions=[WEST])
        await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=key["KeyArn"])
        await world.settle()
        assert await target(world, WEST) == key_id(key)
        assert [o for o, _ in world.faults[WEST, EAST].sent if o == APPLY_ALIASES] == []
        trail = [e["eventName"] for e in world.events(EAST) if e["userIdentity"].get("invokedBy")]
        assert "CreateAlias" not in trail
        assert "UpdateAlias" not in trail

    async def test_each_region_has_its_own(self, make_world: MakeWorld) -> None:
        """Aliases of the primaries of either Region are in both."""
        world = await make_world(following=BOTH_WAYS)
        east = await world.create(EAST, ReplicationRegions=[WEST])
        west = await world.create(WEST, ReplicationRegions=[EAST])
        await world.call(EAST, "CreateAlias", AliasName="alias/east", KeyArn=east["KeyArn"])
        await world.call(WEST, "CreateAlias", AliasName="alias/west", KeyArn=west["KeyArn"])
        await world.settle()
        for region in (EAST, WEST):
            assert await target(world, region, "alias/east") == key_id(east)
            assert await target(world, region, "alias/west") == key_id(west)

    async def test_the_same_name_made_in_both(self, make_world: MakeWorld, tools: Any) -> None:
        """Each Region keeps its own, and both say so; removing one lets the other through."""
        world = await make_world(following=BOTH_WAYS)
        east = await world.create(EAST, ReplicationRegions=[WEST])
        west = await world.create(WEST, ReplicationRegions=[EAST])
        for faults in world.faults.values():
            faults.down = True
        await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=east["KeyArn"])
        await world.call(WEST, "CreateAlias", AliasName=NAME, KeyArn=west["KeyArn"])
        for faults in world.faults.values():
            faults.down = False
        await world.settle()
        assert await target(world, EAST) == key_id(east)
        assert await target(world, WEST) == key_id(west)
        assert dead_letter(world, tools, EAST, WEST) == dead_letter(
            world, tools, WEST, EAST
        ).replace(EAST, WEST)  # type: ignore[union-attr]
        await world.call(WEST, "DeleteAlias", AliasName=NAME)
        await replay(world, tools)
        assert await target(world, WEST) == key_id(east)


class TestDeliveries:
    """Messages that come late, twice or not at all."""

    async def test_an_old_message_changes_nothing(self, world: Any, tools: Any) -> None:
        """Lower numbers are stale; the same number was applied before."""
        key = await world.create(ReplicationRegions=[WEST])
        await world.settle()
        await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=key["KeyArn"])
        await world.settle()
        way = world.faults[EAST, WEST]
        (created,) = [body for operation, body in way.sent if operation == APPLY_ALIASES]
        await world.call(EAST, "DeleteAlias", AliasName=NAME)
        await world.settle()
        answer = json.loads(await way.inner.call(APPLY_ALIASES, created))
        assert answer == {"Results": [{"Outcome": "STALE", "ChangeNumber": 2}]}
        deleted = [body for operation, body in way.sent if operation == APPLY_ALIASES][-1]
        await world.call(WEST, "CreateAlias", AliasName=NAME)
        answer = json.loads(await way.inner.call(APPLY_ALIASES, deleted))
        assert answer == {"Results": [{"Outcome": "APPLIED", "ChangeNumber": 2}]}
        assert await target(world, WEST) == ""

    async def test_a_message_that_comes_again_undoes_nothing(self, world: Any) -> None:
        """What a user of the Region did since stays done."""
        key = await world.create(ReplicationRegions=[WEST])
        await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=key["KeyArn"])
        await world.settle()
        way = world.faults[EAST, WEST]
        last = [body for operation, body in way.sent if operation == APPLY_ALIASES][-1]
        await world.call(WEST, "DeleteAlias", AliasName=NAME)
        assert json.loads(await way.inner.call(APPLY_ALIASES, last))["Results"][0]["Outcome"] == (
            "APPLIED"
        )
        assert await target(world, WEST) is None

    async def test_only_replicas_of_the_sender_are_pointed_to(self, world: Any, tools: Any) -> None:
        """A peer cannot aim an alias at a key of another Region, or at none."""
        local = await world.create(WEST)
        foreign = await world.create(SOUTH, ReplicationRegions=[WEST])
        await world.settle()
        for aimed in (key_id(local), key_id(foreign), "k" * 16):
            change = AliasChange(account=tools.account, name=NAME, change_number=9, key_id=aimed)
            answer = json.loads(
                await world.faults[EAST, WEST].inner.call(
                    APPLY_ALIASES, encode(ApplyAliasesInput(changes=[change]))
                )
            )
            assert answer == {"Results": [{"Outcome": "LATER", "Reason": "NO_KEY"}]}
        assert await target(world, WEST) is None

    async def test_a_number_from_before_a_store_was_taken_back(
        self, world: Any, tools: Any
    ) -> None:
        """The sender counts on from what the Region has seen, and the change arrives."""
        key = await world.create(ReplicationRegions=[WEST])
        await world.settle()
        store = world.regions[WEST].store
        await store.write(
            lambda tx: record_arrival(tx, tools.account, NAME, EAST, number=41, is_copy=False)
        )
        await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=key["KeyArn"])
        await world.settle()
        assert await target(world, WEST) == key_id(key)
        assert (
            world.regions[EAST].store.followed_alias(tools.account, NAME, WEST).change_number == 42
        )

    async def test_a_key_the_region_lost(self, world: Any, tools: Any) -> None:
        """The alias says why it waits, and follows when the key is there again."""
        key = await world.create(ReplicationRegions=[WEST])
        await world.settle()
        store = world.regions[WEST].store
        part = store.multi_region(tools.account, key_id(key))
        lost = replace(part, part=RegionPart.SINGLE)
        await store.write(lambda tx: tx.put_multi_region(lost))
        await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=key["KeyArn"])

        def told() -> str | None:
            followed = world.regions[EAST].store.followed_alias(tools.account, NAME, WEST)
            return None if followed is None else followed.message

        def poke() -> bool:
            world.replication.wake(EAST)
            return told() is not None

        await world.until(poke)
        assert told() == "the key of the alias is not in us-west-2"
        await store.write(lambda tx: tx.put_multi_region(part))
        await world.settle()
        assert await target(world, WEST) == key_id(key)
        assert told() is None

    async def test_rows_of_a_pair_that_is_configured_no_more(self, world: Any) -> None:
        """They are dropped at the next start, and what is in the Region stays."""
        key = await world.create(ReplicationRegions=[WEST])
        await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=key["KeyArn"])
        await world.settle()
        world.faults[EAST, WEST].down = True
        await world.call(EAST, "DeleteAlias", AliasName=NAME)
        world.following = Following()
        world.faults[EAST, WEST].down = False
        await world.restart()
        await world.settle()
        assert not world.waiting(EAST, WEST)
        assert await target(world, WEST) == key_id(key)

    async def test_a_copy_stays_a_name_of_its_region(self, world: Any) -> None:
        """CreateAlias of a name that was brought is the conflict it always is."""
        key = await world.create(ReplicationRegions=[WEST])
        await world.call(EAST, "CreateAlias", AliasName=NAME, KeyArn=key["KeyArn"])
        await world.settle()
        with pytest.raises(ConflictError):
            await world.call(WEST, "CreateAlias", AliasName=NAME)

"""Replicating keys that were there before: what is chosen, and how fast it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from keyferry.service.authz.reserved import CANARY_ACCOUNT
from keyferry.service.context import Limits
from keyferry.service.control.destruction import destroy_due_keys
from keyferry.service.replication import backfill as core
from keyferry.service.replication.backfill import Backfill, Progress, Verdict
from keyferry.service.replication.following import Following
from keyferry.service.replication.state import Sender
from keyferry.service.store.replication_records import MultiRegionRecord, RegionPart
from keyferry.service.vault.binding import key_binding

T = TypeVar("T")
EAST, WEST, SOUTH = "us-east-1", "us-west-2", "eu-south-1"
MakeWorld = Callable[..., Awaitable[Any]]
PAIR = {
    "KeyUsage": "TR31_K3_ASYMMETRIC_KEY_FOR_KEY_AGREEMENT",
    "KeyClass": "ASYMMETRIC_KEY_PAIR",
    "KeyAlgorithm": "ECC_NIST_P256",
    "KeyModesOfUse": {"DeriveKey": True},
}


def backfill_of(world: Any, region: str = EAST, to: str = WEST, **changes: Any) -> Backfill:
    """The backfill as an administrator's call makes it."""

    def offload(work: Callable[[], T], /) -> Awaitable[T]:
        return asyncio.to_thread(work)

    peers = world.replication.peers(region)
    members = {
        "region": region,
        "to": to,
        "store": world.regions[region].store,
        "sender": Sender(
            peers.owner, world.now, peers.regions, aliases=peers.aliases, tags=peers.tags
        ),
        "offload": offload,
        "wake": lambda: world.replication.wake(region),
    }
    return Backfill(**(members | changes))


async def whole(world: Any, *, limit: int = 10_000, **changes: Any) -> Progress:
    """Run a backfill to its end, while the links deliver."""
    backfill = backfill_of(world, **changes)
    place = backfill.start()
    total = Progress(place)
    while total.place is not None and total.changed < limit:
        some = await backfill.run(total.place, limit=limit - total.changed)
        total.place = some.place
        total.failed += some.failed
        for account, counts in some.accounts.items():
            mine = total.of(account)
            mine.verdicts += counts.verdicts
            mine.aliases += counts.aliases
            mine.tags += counts.tags
    return total


def key_id(key: dict[str, Any]) -> str:
    return str(key["KeyArn"].rpartition("/")[2])


async def test_which_keys_get_the_region(make_world: MakeWorld, tools: Any) -> None:
    """Exportable symmetric ones in use; every other is counted with its reason, in the plan too."""
    world = await make_world()
    plain = await world.create()
    disabled = await world.create(Enabled=False)
    present = await world.create(ReplicationRegions=[WEST])
    elsewhere = await world.create(ReplicationRegions=[SOUTH])
    await world.create(Exportable=False)
    await world.create(KeyAttributes=PAIR, Exportable=True)
    await world.create(WEST, ReplicationRegions=[EAST])
    pending = await world.create()
    await world.call(EAST, "DeleteKey", KeyIdentifier=pending["KeyArn"])
    await world.settle()
    expected = {
        Verdict.ADD: 3,
        Verdict.PRESENT: 1,
        Verdict.NOT_EXPORTABLE: 1,
        Verdict.NOT_SYMMETRIC: 1,
        Verdict.REPLICA: 1,
        Verdict.DELETE_PENDING: 1,
    }
    planned = await backfill_of(world).plan(backfill_of(world).start())
    assert planned.place is None
    assert dict(planned.accounts[tools.account].verdicts) == expected
    assert world.status(plain["KeyArn"]) == {}

    done = await whole(world)
    await world.settle()
    assert dict(done.accounts[tools.account].verdicts) == expected
    assert done.failed == []
    for key in (plain, disabled, present, elsewhere):
        assert world.status(key["KeyArn"])[WEST] == ("SYNCHRONIZED", None)
        assert world.material(WEST, key["KeyArn"]) == world.material(EAST, key["KeyArn"])
    assert (await world.get(WEST, disabled["KeyArn"]))["Enabled"] is False
    assert world.status(elsewhere["KeyArn"])[SOUTH] == ("SYNCHRONIZED", None)
    shown = await world.get(EAST, plain["KeyArn"])
    assert shown["UsingDefaultReplicationRegions"] is False
    added = [
        event["requestParameters"]["keyIdentifier"]
        for event in world.events(EAST)
        if event["eventName"] == "AddKeyReplicationRegions"
        and event["userIdentity"].get("invokedBy")
    ]
    assert sorted(added) == sorted(k["KeyArn"] for k in (plain, disabled, elsewhere))

    again = await whole(world)
    assert again.changed == 0
    assert again.accounts[tools.account].verdicts[Verdict.PRESENT] == 4


async def test_a_failed_replica_is_tried_again(make_world: MakeWorld, tools: Any) -> None:
    """As AddKeyReplicationRegions does; it stays failed as long as there is no room."""
    world = await make_world(limits=Limits(keys=1))
    key = await world.create()
    taking = await world.create(WEST)
    assert (await whole(world)).changed == 1
    await world.settle()
    assert world.status(key["KeyArn"])[WEST][0] == "FAILED"
    await world.call(WEST, "DeleteKey", KeyIdentifier=taking["KeyArn"])
    store = world.regions[WEST].store

    await destroy_due_keys(store, region=WEST, now=world.now + timedelta(days=8))
    done = await whole(world)
    await world.settle()
    assert done.accounts[tools.account].verdicts == {Verdict.RETRY: 1}
    assert world.status(key["KeyArn"])[WEST] == ("SYNCHRONIZED", None)


async def test_only_a_few_wait_at_a_time(make_world: MakeWorld) -> None:
    """Users' changes wait behind a tenth of a second of deliveries, however many keys there are."""
    world = await make_world(EAST, WEST)
    for _ in range(3 * core.MOST_WAITING):
        await world.create()
    store = world.regions[EAST].store
    world.faults[EAST, WEST].down = True
    clock = iter(range(1_000_000))
    backfill = backfill_of(world, monotonic=lambda: next(clock) / 10)
    some = await backfill.run(backfill.start(), limit=10_000)
    assert some.changed == core.MOST_WAITING
    assert store.outbox_waiting(WEST, limit=10_000) == core.MOST_WAITING
    # Nothing arrives, so nothing more is begun, and the call comes to its end all the same.
    more = await backfill.run(some.place, limit=10_000)
    assert (more.changed, more.place) == (0, some.place)

    world.faults[EAST, WEST].down = False
    most = 0

    def seen() -> None:
        nonlocal most
        most = max(most, store.outbox_waiting(WEST, limit=10_000))
        world.replication.wake(EAST)

    rest = await whole(world, wake=seen)
    await world.settle()
    assert rest.changed == 2 * core.MOST_WAITING
    assert most <= core.MOST_WAITING
    assert store.count_keys("111122223333") == 3 * core.MOST_WAITING
    assert world.regions[WEST].store.count_keys("111122223333") == 3 * core.MOST_WAITING


async def test_a_limit_and_where_it_goes_on(make_world: MakeWorld) -> None:
    """A run of some keys, then one of the rest; nothing is done twice."""
    world = await make_world(EAST, WEST)
    keys = [await world.create() for _ in range(7)]
    first = await whole(world, limit=5)
    assert first.changed == 5
    assert [bool(world.status(key["KeyArn"])) for key in keys] == 5 * [True] + 2 * [False]
    rest = await whole(world)
    await world.settle()
    assert rest.changed == 2


async def test_accounts(make_world: MakeWorld, tools: Any) -> None:
    """All of them, or one; that of the canary never."""
    world = await make_world(EAST, WEST)
    key = await world.create()
    store = world.regions[EAST].store
    record = store.key(tools.account, key_id(key))

    vault = world.regions[EAST].vault
    for account in (CANARY_ACCOUNT, "222222222222"):
        other = replace(record, account=account)
        sealed = vault.seal(world.material(EAST, key["KeyArn"]), binding=key_binding(EAST, other))
        other = replace(other, sealed=sealed)
        await store.write(lambda tx, other=other: tx.insert_key(other))
    planned = await backfill_of(world).plan(backfill_of(world).start())
    assert sorted(planned.accounts) == [tools.account, "222222222222"]
    one = await whole(world, account="222222222222")
    await world.settle()
    assert sorted(one.accounts) == ["222222222222"]
    assert world.status(key["KeyArn"]) == {}
    assert store.replica("222222222222", key_id(key), WEST).status == "SYNCHRONIZED"
    assert (await whole(world, account="333333333333")).accounts == {}
    everything = await whole(world)
    await world.settle()
    assert everything.changed == 1
    assert store.replica(CANARY_ACCOUNT, key_id(key), WEST) is None


async def test_aliases_and_tags_of_keys_that_are_there(make_world: MakeWorld, tools: Any) -> None:
    """After the options were switched on, a backfill brings what changed before."""
    world = await make_world(EAST, WEST)
    key = await world.create(ReplicationRegions=[WEST], Tags=[{"Key": "a", "Value": "b"}])
    late = await world.create()
    for name, target in (("alias/one", key), ("alias/late", late)):
        await world.call(EAST, "CreateAlias", AliasName=name, KeyArn=target["KeyArn"])
    await world.settle()
    east, west = (world.regions[region].store for region in (EAST, WEST))
    pair = frozenset({(EAST, WEST)})
    world.following = Following(aliases=pair, tags=pair)
    await world.restart()
    planned = await backfill_of(world).plan(backfill_of(world).start())
    while planned.place is not None:
        planned = await backfill_of(world).plan(planned.place)
    assert west.alias(tools.account, "alias/one") is None
    done = await whole(world)
    await world.settle()
    counts = done.accounts[tools.account]
    assert (counts.verdicts[Verdict.ADD], counts.aliases, counts.tags) == (1, 1, 1)
    assert west.alias(tools.account, "alias/one").key_id == key_id(key)
    assert west.alias(tools.account, "alias/late").key_id == key_id(late)
    assert west.tags(tools.account, key_id(key)) == [("a", "b")]

    # What changes while the option is off is made good too, the end of an alias included.
    world.following = Following()
    await world.restart()
    await world.call(EAST, "DeleteAlias", AliasName="alias/one")
    await world.call(EAST, "UpdateAlias", AliasName="alias/late", KeyArn=key["KeyArn"])
    world.following = Following(aliases=pair)
    await world.restart()
    await world.settle()
    assert west.alias(tools.account, "alias/one") is not None
    done = await whole(world)
    await world.settle()
    assert done.accounts[tools.account].aliases == 2
    assert west.alias(tools.account, "alias/one") is None
    assert west.alias(tools.account, "alias/late").key_id == key_id(key)
    assert east.outbox_waiting(WEST, limit=10) == 0


async def test_a_key_that_cannot_be_written(make_world: MakeWorld, tools: Any) -> None:
    """It is named with the reason, and the others go on."""
    world = await make_world(EAST, WEST)
    keys = [await world.create() for _ in range(3)]
    bad = key_id(keys[1])
    store = world.regions[EAST].store

    part = MultiRegionRecord(account=tools.account, key_id=bad, part=RegionPart.SINGLE)
    await store.write(lambda tx: tx.put_multi_region(part))
    await store.write(
        lambda tx: tx._engine.execute(
            "UPDATE multi_region_keys SET change_number = 7 WHERE key_id = ?", (bad,)
        )
    )
    done = await whole(world)
    await world.settle()
    assert done.changed == 2
    (failed,) = done.failed
    assert failed.key_id == bad
    assert "row MAC" in failed.reason

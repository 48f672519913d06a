"""The canary of a pair: really replicated, proven by the peer, invisible to users."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from keyferry.errors import PeerUnreachableError
from keyferry.keys import KeyAlgorithm, generate_material
from keyferry.service.authz.reserved import CANARY_ACCOUNT
from keyferry.service.context import Limits
from keyferry.service.replication.rehearsal.canary import CanaryLostError
from keyferry.service.replication.rehearsal.cuts import begin_cut, end_cut
from keyferry.service.store.records import KeyRecord, KeyState
from keyferry.service.store.replication_records import RegionPart
from keyferry.service.vault.binding import key_binding

World = Any  # of conftest.py
CUT = timedelta(seconds=60)


def canary_key(world: World, region: str, peer: str) -> KeyRecord:
    """The canary from `region` to `peer`, as it is in `region`."""
    record = world.regions[region].store.canary(peer)
    key: KeyRecord = world.regions[region].store.key(CANARY_ACCOUNT, record.key_id)
    return key


def spoil(world: World, region: str, key_id: str) -> None:
    """Put other material into a key, as if it had always been there."""
    part = world.regions[region]
    record = part.store.key(CANARY_ACCOUNT, key_id)
    material = generate_material(KeyAlgorithm.AES_256)
    sealed = part.vault.seal(material, binding=key_binding(region, record))
    changed = replace(record, sealed=sealed, revision=record.revision + 1)
    part.store.write_blocking(lambda tx: tx.update_key(changed, replacing=record.revision))


class SpoiledOnTheWay:
    """A transport that does something to the peer before a canary is to be proven."""

    def __init__(self, inner: Any, spoil: Callable[[], None]) -> None:
        self.inner = inner
        self.spoil = spoil

    async def call(self, operation: str, body: bytes) -> bytes:
        if operation == "ProveCanary":
            self.spoil()
        answer: bytes = await self.inner.call(operation, body)
        return answer


async def test_a_round_is_proven_by_the_peer(world: World, tools: Any) -> None:
    """Each round brings the peer to a new number and tells how long that took."""
    canary = world.replication.canaries[tools.east, tools.west]
    assert (canary.last_success, canary.lag_s) == (None, None)
    first = await canary.round()
    assert first is not None
    assert first.change_number == 1
    assert canary.last_success == world.now
    assert canary.lag_s == pytest.approx(first.lag_s, abs=1e-6)
    world.now += timedelta(seconds=15)
    second = await canary.round()
    assert second is not None
    assert second.change_number == 2
    assert canary.last_success == world.now
    part = world.regions[tools.west].store.multi_region(
        CANARY_ACCOUNT, canary_key(world, tools.east, tools.west).key_id
    )
    assert (part.part, part.change_number) == (RegionPart.REPLICA, 2)


async def test_every_ordered_pair_has_its_own(world: World, tools: Any) -> None:
    """Six ways between three Regions, six keys, each from where it is measured."""
    for canary in world.replication.canaries.values():
        assert await canary.round() is not None
    pairs = [(a, b) for a in world.regions for b in world.regions if a != b]
    assert len({canary_key(world, a, b).key_id for a, b in pairs}) == 6
    for a, b in pairs:
        key = canary_key(world, a, b)
        elsewhere = [
            name
            for name, region in world.regions.items()
            if region.store.key(CANARY_ACCOUNT, key.key_id) is not None
        ]
        assert sorted(elsewhere) == sorted((a, b))


async def test_no_user_sees_it(make_world: Callable[..., Awaitable[World]], tools: Any) -> None:
    """It is in no list, counts against no quota, and leaves nothing on a user's trail."""
    world = await make_world(tools.east, tools.west, limits=Limits(keys=1))
    before = {name: len(world.events(name)) for name in world.regions}
    for canary in world.replication.canaries.values():
        assert await canary.round() is not None
    for name in world.regions:
        assert (await world.call(name, "ListKeys"))["Keys"] == []
        assert len(world.events(name)) == before[name]
    # The one key the account may have is still free, in both Regions.
    key = await world.create(ReplicationRegions=[tools.west])
    await world.settle()
    assert world.status(key["KeyArn"]) == {tools.west: ("SYNCHRONIZED", None)}
    # The lag of the pair is that of users' keys.
    lags = world.replication.links[tools.east, tools.west].measurements.lags
    await world.until(lambda: len(lags) > 0)
    assert len(lags) == 1


async def test_a_peer_with_another_key_is_found_out(world: World, tools: Any) -> None:
    """An acknowledgement alone is not enough: the replica itself must have made the proof."""
    canary = world.replication.canaries[tools.east, tools.west]
    await canary.round()
    proven = canary.last_success
    key_id = canary_key(world, tools.east, tools.west).key_id
    way = world.faults[tools.east, tools.west]
    way.inner = SpoiledOnTheWay(way.inner, lambda: spoil(world, tools.west, key_id))
    world.now += timedelta(seconds=15)
    with pytest.raises(CanaryLostError, match="another key"):
        await canary.round()
    assert canary.last_success == proven


async def test_a_peer_that_forgot_its_replica_is_found_out(world: World, tools: Any) -> None:
    """A replica that is gone while the primary thinks it is there does not prove anything."""
    canary = world.replication.canaries[tools.east, tools.west]
    await canary.round()
    key_id = canary_key(world, tools.east, tools.west).key_id
    store = world.regions[tools.west].store
    record = store.key(CANARY_ACCOUNT, key_id)
    gone = replace(
        record,
        state=KeyState.DELETE_COMPLETE,
        sealed=None,
        deleted_at=world.now,
        revision=record.revision + 1,
    )
    store.write_blocking(lambda tx: tx.destroy_key(gone, replacing=record.revision))
    with pytest.raises(CanaryLostError):
        await canary.round(timeout_s=0.2)


async def test_a_canary_of_a_lost_store_is_cleared_away(
    make_world: Callable[..., Awaitable[World]], tools: Any
) -> None:
    """A Region that begins with an empty store makes a new canary; the old replica goes."""
    world = await make_world(tools.east, tools.west)
    canary = world.replication.canaries[tools.east, tools.west]
    await canary.round()
    old = canary_key(world, tools.east, tools.west)
    store = world.regions[tools.east].store

    def lose(tx: Any) -> None:
        gone = replace(
            old,
            state=KeyState.DELETE_COMPLETE,
            sealed=None,
            deleted_at=world.now,
            revision=old.revision + 1,
        )
        tx.destroy_key(gone, replacing=old.revision)

    store.write_blocking(lose)
    assert await canary.round() is not None
    new = canary_key(world, tools.east, tools.west)
    assert new.key_id != old.key_id
    replica = world.regions[tools.west].store.key(CANARY_ACCOUNT, old.key_id)
    assert replica.state is KeyState.DELETE_COMPLETE
    assert replica.sealed is None


async def test_another_process_of_the_region_leaves_it_alone(world: World, tools: Any) -> None:
    """Who claimed a canary looks after it; another takes over when it has been silent too long."""
    canary = world.replication.canaries[tools.east, tools.west]
    claim = timedelta(seconds=40)
    assert await canary.round(claim=claim) is not None
    await world.restart()
    other = world.replication.canaries[tools.east, tools.west]
    world.now += timedelta(seconds=39)
    assert await other.round(claim=claim) is None
    # What the first one measured is known to all.
    assert other.last_success is not None
    world.now += timedelta(seconds=2)
    assert await other.round(claim=claim) is not None


async def test_a_process_that_starts_sends_one_at_once(world: World, tools: Any) -> None:
    """Whoever claimed the canary may be what was there before it; from then on it is its own."""
    claim = timedelta(seconds=40)
    before = world.replication.canaries[tools.east, tools.west]
    assert await before.round(claim=claim) is not None
    proven = before.last_success
    await world.restart()
    world.now += timedelta(seconds=1)
    started = world.replication.canaries[tools.east, tools.west]
    task = asyncio.create_task(started.run(15.0))
    try:
        await world.until(lambda: started.last_success != proven)
    finally:
        task.cancel()
    assert await before.round(claim=claim) is None


async def test_a_claim_from_a_clock_ahead_holds_nobody_up(world: World, tools: Any) -> None:
    """A claim longer than any is of a clock that was set back since."""
    claim = timedelta(seconds=40)
    world.now += timedelta(days=1)
    assert await world.replication.canaries[tools.east, tools.west].round(claim=claim) is not None
    await world.restart()
    world.now -= timedelta(days=1)
    other = world.replication.canaries[tools.east, tools.west]
    assert await other.round(claim=claim) is not None


async def test_a_cut_stops_it_and_its_age_grows(world: World, tools: Any) -> None:
    """While Regions are cut off no canary arrives; afterwards one does, without being told."""
    canary = world.replication.canaries[tools.east, tools.west]
    await canary.round()
    before = canary.last_success
    store = world.regions[tools.east].store
    await store.write(
        lambda tx: begin_cut(tx, tools.west, lasts=CUT, started_by="test", now=world.now)
    )
    world.now += timedelta(seconds=30)
    with pytest.raises(CanaryLostError, match="did not arrive"):
        await canary.round(timeout_s=0.1)
    assert canary.last_success == before
    # The cut ends by itself, and the link goes on with what waited.
    world.now += timedelta(seconds=31)
    assert await canary.round() is not None
    assert canary.last_success == world.now


async def test_a_cut_is_of_both_directions_and_of_one_pair(world: World, tools: Any) -> None:
    """What is cut off can neither be reached nor reach; others are not concerned."""
    store = world.regions[tools.east].store
    _, held = await store.write(
        lambda tx: begin_cut(tx, tools.west, lasts=CUT, started_by="test", now=world.now)
    )
    assert not held
    for pair in ((tools.east, tools.west), (tools.west, tools.east)):
        with pytest.raises(PeerUnreachableError, match="cut off"):
            await world.replication.links[pair].transport.call("GetRoot", b"{}")
    for pair in ((tools.east, tools.south), (tools.south, tools.west)):
        assert await world.replication.links[pair].transport.call("GetRoot", b"{}")
    _, held = await store.write(
        lambda tx: begin_cut(tx, tools.west, lasts=CUT, started_by="test", now=world.now)
    )
    assert held
    assert await store.write(lambda tx: end_cut(tx, tools.west, now=world.now))
    assert not await store.write(lambda tx: end_cut(tx, tools.west, now=world.now))
    assert await world.replication.links[tools.east, tools.west].transport.call("GetRoot", b"{}")


async def test_a_clock_set_back_does_not_prolong_a_cut(world: World, tools: Any) -> None:
    """A cut from what is now the future is none."""
    await world.regions[tools.east].store.write(
        lambda tx: begin_cut(tx, tools.west, lasts=CUT, started_by="test", now=world.now)
    )
    world.now -= timedelta(hours=1)
    assert world.replication.cuts.between(tools.east, tools.west) is None


async def test_it_runs_by_itself(world: World, tools: Any) -> None:
    """With a period, canaries come without being asked for."""
    canary = world.replication.canaries[tools.east, tools.west]
    task = asyncio.create_task(canary.run(0.001))
    try:
        await world.until(
            lambda: (
                (r := world.regions[tools.east].store.canary(tools.west)) is not None
                and r.change_number >= 3
            )
        )
    finally:
        task.cancel()
    assert canary.last_success is not None

"""Messages that are lost, late, repeated or spoiled, and Regions that are gone for a while."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keyferry.errors import PeerProtocolError, StoreIntegrityError
from keyferry.service.errors import ConflictError
from keyferry.service.replication import messages as m
from keyferry.service.store.replication_records import KEKDirection


async def equal(world: Any, tools: Any, arn: str, region: str) -> None:
    """The replica is like the primary, which says so."""
    assert world.status(arn)[region] == ("SYNCHRONIZED", None)
    primary, replica = await world.get(tools.east, arn), await world.get(region, arn)
    for member in ("KeyCheckValue", "Enabled", "KeyState", "CreateTimestamp", "KeyAttributes"):
        assert replica[member] == primary[member]
    assert world.material(region, arn) == world.material(tools.east, arn)


def kinds(world: Any, region: str) -> list[str]:
    """The replication events of a Region's trail."""
    return [
        event["serviceEventDetails"]["replicationType"]
        for event in world.events(region)
        if event["eventName"] == "SynchronizeMultiRegionKey"
    ]


@pytest.mark.parametrize("fault", ["lost", "twice", "garbage"])
async def test_an_answer_that_does_not_come_changes_nothing(
    world: Any, tools: Any, fault: str
) -> None:
    """What was applied and not heard of is applied once, and told once on either trail."""
    faults = world.faults[tools.east, tools.west]
    await world.create(ReplicationRegions=[tools.west])
    await world.settle()  # the KEK is agreed
    match fault:
        case "lost":
            faults.lose_answers = 2
        case "twice":
            faults.twice = True
        case "garbage":
            faults.garbage = 2
    arn = (await world.create(ReplicationRegions=[tools.west]))["KeyArn"]
    await world.settle()
    await equal(world, tools, arn, tools.west)
    assert kinds(world, tools.east) == ["ExportKeyReplica", "ImportKeyReplica"] * 2
    assert kinds(world, tools.west) == ["ImportKeyReplica"] * 2


async def test_a_region_that_is_gone_is_named_and_caught_up_with(world: Any, tools: Any) -> None:
    """The status says why; when the Region is back, everything that happened meanwhile is there."""
    faults = world.faults[tools.east, tools.west]
    faults.down = True
    kept, stopped, dropped, deleted = [
        (await world.create(ReplicationRegions=[tools.west, tools.south]))["KeyArn"]
        for _ in range(4)
    ]
    await world.until(lambda: world.status(kept)[tools.west][0] == "FAILED")
    assert world.status(kept)[tools.west][1] == f"Region {tools.west} cannot be reached"
    await world.call(tools.east, "StopKeyUsage", KeyIdentifier=stopped)
    await world.call(
        tools.east,
        "RemoveKeyReplicationRegions",
        KeyIdentifier=dropped,
        ReplicationRegions=[tools.west],
    )
    await world.call(tools.east, "DeleteKey", KeyIdentifier=deleted)
    await world.until(lambda: world.status(dropped)[tools.west][1] is not None)
    assert world.status(dropped)[tools.west][0] == "DELETE_IN_PROGRESS"
    # The other Region does not wait for this one.
    await world.until(lambda: world.status(kept)[tools.south][0] == "SYNCHRONIZED")
    faults.down = False
    await world.settle()
    for arn in (kept, stopped):
        await equal(world, tools, arn, tools.west)
    assert (await world.get(tools.west, stopped))["Enabled"] is False
    assert set(world.status(dropped)) == {tools.south}
    assert world.status(deleted) == {}
    listed = (await world.call(tools.west, "ListKeys"))["Keys"]
    assert len(listed) == 2  # what was dropped before it arrived never arrived


async def test_a_late_message_brings_nothing_back(world: Any, tools: Any) -> None:
    """Every message again, oldest last, after the replica was removed: it stays away."""
    arn = (await world.create(ReplicationRegions=[tools.west]))["KeyArn"]
    await world.settle()
    await world.call(tools.east, "StopKeyUsage", KeyIdentifier=arn)
    await world.settle()
    stopped = await world.get(tools.west, arn)
    faults = world.faults[tools.east, tools.west]
    sent = [body for operation, body in faults.sent if operation == m.APPLY_CHANGES]
    assert len(sent) == 2
    for body in reversed(sent):
        await faults.inner.call(m.APPLY_CHANGES, body)
    assert await world.get(tools.west, arn) == stopped
    await world.call(
        tools.east,
        "RemoveKeyReplicationRegions",
        KeyIdentifier=arn,
        ReplicationRegions=[tools.west],
    )
    await world.settle()
    for body in reversed(sent):
        answer = m.decode(await faults.inner.call(m.APPLY_CHANGES, body), m.ApplyChangesOutput)
        assert [result.outcome for result in answer.results] == [m.Outcome.STALE]
    assert (await world.get(tools.west, arn))["KeyState"] == "DELETE_COMPLETE"
    assert kinds(world, tools.west) == ["ImportKeyReplica", "DeleteKeyReplica"]


async def test_a_removal_that_overtakes_the_key_wins(world: Any, tools: Any) -> None:
    """A PUT that arrives after the DESTROY of a key that was never there makes no replica."""
    faults = world.faults[tools.east, tools.west]
    faults.held = asyncio.Event()
    await world.create(ReplicationRegions=[tools.west])
    faults.held.set()
    await world.settle()
    faults.lose_answers = 0
    faults.down = True
    arn = (await world.create(ReplicationRegions=[tools.west]))["KeyArn"]
    key_id = arn.rpartition("/")[2]
    store = world.regions[tools.east].store
    row = store.outbox(tools.account, key_id, tools.west)
    link = world.replication.links[tools.east, tools.west]
    _, kek = link._keks.newest(tools.west)
    late = await link._delivery.prepare(row, kek, store)
    kek_id = link._keks.newest(tools.west)[0]
    await world.call(
        tools.east,
        "RemoveKeyReplicationRegions",
        KeyIdentifier=arn,
        ReplicationRegions=[tools.west],
    )
    faults.down = False
    await world.settle()
    assert world.status(arn) == {}
    body = m.encode(m.ApplyChangesInput(kek_id=kek_id, changes=[late.change]))
    answer = m.decode(await faults.inner.call(m.APPLY_CHANGES, body), m.ApplyChangesOutput)
    assert answer.results[0].outcome is m.Outcome.STALE
    assert world.regions[tools.west].store.key(tools.account, key_id) is None


async def test_a_change_under_way_does_not_hide_a_later_one(world: Any, tools: Any) -> None:
    """SYNCHRONIZED is never said of a state the replica has not been told."""
    arn = (await world.create(ReplicationRegions=[tools.west]))["KeyArn"]
    await world.settle()
    faults = world.faults[tools.east, tools.west]
    faults.held = asyncio.Event()
    await world.call(tools.east, "StopKeyUsage", KeyIdentifier=arn)
    before = len(faults.sent)
    await world.until(lambda: len(faults.sent) > before)
    await world.call(tools.east, "StartKeyUsage", KeyIdentifier=arn)
    faults.held.set()
    await world.until(
        lambda: (
            not world.regions[tools.west].store.key(tools.account, arn.rpartition("/")[2]).enabled
            or world.status(arn)[tools.west][0] == "SYNCHRONIZED"
        )
    )
    await world.settle()
    await equal(world, tools, arn, tools.west)
    assert (await world.get(tools.west, arn))["Enabled"] is True


async def test_what_was_written_is_sent_after_a_restart(make_world: Any, tools: Any) -> None:
    """Nothing ran when the changes were made; the next start finds all of them."""
    world = await make_world(start=False)
    arns = [
        (await world.create(ReplicationRegions=[tools.west, tools.south]))["KeyArn"]
        for _ in range(300)
    ]
    assert world.status(arns[0])[tools.west] == ("IN_PROGRESS", None)
    await world.restart()
    await world.settle()
    for arn in arns:
        assert set(world.status(arn).values()) == {("SYNCHRONIZED", None)}
    await equal(world, tools, arns[-1], tools.south)


async def test_a_lost_kek_is_agreed_anew(world: Any, tools: Any) -> None:
    """A receiver that does not know the KEK says so, and no key is lost over it."""
    await world.create(ReplicationRegions=[tools.west])
    await world.settle()
    store = world.regions[tools.west].store
    kek = store.replication_kek(KEKDirection.FROM, tools.east)
    await store.write(
        lambda tx: tx.delete_replication_kek(KEKDirection.FROM, tools.east, kek.kek_id)
    )
    await world.restart()  # the opened one is forgotten too
    arn = (await world.create(ReplicationRegions=[tools.west]))["KeyArn"]
    await world.settle()
    await equal(world, tools, arn, tools.west)
    renewed = store.replication_kek(KEKDirection.FROM, tools.east)
    assert renewed.kek_id != kek.kek_id


async def test_a_kek_that_is_not_shared_is_given_up(world: Any, tools: Any) -> None:
    """Under one id, each side has another key: the block does not open, and they agree anew."""
    await world.create(ReplicationRegions=[tools.west])
    await world.settle()
    store = world.regions[tools.west].store
    kek = store.replication_kek(KEKDirection.FROM, tools.east)
    await store.write(
        lambda tx: tx.delete_replication_kek(KEKDirection.FROM, tools.east, kek.kek_id)
    )
    await world.restart()
    keks = world.replication._receivers[tools.west].keks
    await keks.keep(
        bytes(66), KEKDirection.FROM, tools.east, kek.kek_id, randoms=bytes(64), now=world.now
    )
    arn = (await world.create(ReplicationRegions=[tools.west]))["KeyArn"]
    await world.settle()
    await equal(world, tools, arn, tools.west)
    with pytest.raises(ConflictError, match="agreed"):
        await keks.keep(
            bytes(66), KEKDirection.FROM, tools.east, kek.kek_id, randoms=bytes(64), now=world.now
        )


async def test_each_direction_and_pair_has_its_own_kek(world: Any, tools: Any) -> None:
    """Both sides keep the same KEK under the same id; no two pairs share one."""
    for region in (tools.east, tools.west):
        others = [r for r in (tools.east, tools.west, tools.south) if r != region]
        await world.create(region, ReplicationRegions=others)
    await world.settle()
    seen = set()
    for sender in (tools.east, tools.west):
        for receiver in {tools.east, tools.west, tools.south} - {sender}:
            to = world.regions[sender].store.replication_kek(KEKDirection.TO, receiver)
            came = world.regions[receiver].store.replication_kek(KEKDirection.FROM, sender)
            assert (to.kek_id, to.check_value) == (came.kek_id, came.check_value)
            assert to.sealed != came.sealed
            seen.add(to.check_value)
    assert len(seen) == 4


async def test_no_clear_key_is_in_any_message(world: Any, tools: Any) -> None:
    """Neither the keys nor the KEKs travel but under a KEK."""
    from keyferry.service.vault.binding import encode_binding

    arns = [(await world.create(ReplicationRegions=[tools.west]))["KeyArn"] for _ in range(5)]
    await world.settle()
    secrets = [world.material(tools.east, arn) for arn in arns]
    region = world.regions[tools.east]
    kek = region.store.replication_kek(KEKDirection.TO, tools.west)
    binding = encode_binding(
        "replication KEK", tools.east, "TO", tools.west, kek.kek_id, kek.check_value
    )
    secrets.append(region.vault.open(kek.sealed, binding=binding))
    traffic = b"".join(body for faults in world.faults.values() for _, body in faults.sent)
    assert traffic
    for secret in secrets:
        for form in (
            secret,
            secret.hex().encode(),
            secret.hex().upper().encode(),
            base64.b64encode(secret),
        ):
            assert form not in traffic


async def test_a_store_taken_back_to_an_earlier_copy_catches_up(world: Any, tools: Any) -> None:
    """A primary that counts behind its replica counts on from there, and the replica follows."""
    from dataclasses import replace

    arn = (await world.create(ReplicationRegions=[tools.west]))["KeyArn"]
    await world.settle()
    key_id = arn.rpartition("/")[2]
    store = world.regions[tools.west].store
    part = store.multi_region(tools.account, key_id)
    ahead = replace(part, change_number=40, incarnation=33)
    await store.write(lambda tx: tx.put_multi_region(ahead))
    await world.call(tools.east, "StopKeyUsage", KeyIdentifier=arn)
    await world.settle()
    await equal(world, tools, arn, tools.west)
    assert (await world.get(tools.west, arn))["Enabled"] is False
    assert store.multi_region(tools.account, key_id).change_number > 40


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"Changes": []}',
        b"\xff\xfe",
        b'{"Changes": [{"Account": "1"}]}',
        b'{"Changes": [{"Account": "111122223333", "KeyId": "abcdefghijklmnop",'
        b' "ChangeNumber": -1, "Incarnation": 1, "Action": "DESTROY"}]}',
        b'{"Changes": [{"Account": "111122223333", "KeyId": "abcdefghijklmnop",'
        b' "ChangeNumber": 1, "Incarnation": 1, "Action": "PUT"}]}',
        b'{"Surprise": 1}',
    ],
)
async def test_garbage_is_refused(world: Any, tools: Any, body: bytes) -> None:
    """A body that is no message changes nothing and is no fault of ours."""
    transport = world.faults[tools.east, tools.west].inner
    for operation in (m.APPLY_CHANGES, m.AGREE_KEY, "Other"):
        with pytest.raises(PeerProtocolError):
            await transport.call(operation, body)
    assert world.regions[tools.west].store.keys(tools.account, limit=10) == []


async def test_a_changed_message_makes_no_key(world: Any, tools: Any) -> None:
    """Another block, check value or KEK is refused, each by its reason; the replica stays."""
    arn = (await world.create(ReplicationRegions=[tools.west]))["KeyArn"]
    await world.settle()
    faults = world.faults[tools.east, tools.west]
    (sent,) = [body for operation, body in faults.sent if operation == m.APPLY_CHANGES]
    message = m.decode(sent, m.ApplyChangesInput)
    (change,) = message.changes
    block = change.key.key_block

    async def answer(**changes: Any) -> m.ChangeResult:
        import msgspec

        spoiled = msgspec.structs.replace(change.key, **changes)
        later = msgspec.structs.replace(change, key=spoiled, change_number=99)
        body = m.encode(msgspec.structs.replace(message, changes=[later]))
        decoded = m.decode(await faults.inner.call(m.APPLY_CHANGES, body), m.ApplyChangesOutput)
        return decoded.results[0]

    for spoiled in (block[:-1] + ("0" if block[-1] != "0" else "1"), "D" * 20, block[:40]):
        assert (await answer(key_block=spoiled)).reason is m.Reason.KEY_BLOCK
    assert (await answer(check_value="000000")).reason is m.Reason.CHECK_VALUE
    assert (await answer(origin="ELSEWHERE")).reason is m.Reason.KEY_BLOCK
    await equal(world, tools, arn, tools.west)
    # A Region that is not the primary of this key cannot speak for it.
    other = world.faults[tools.south, tools.west].inner
    destroy = m.Change(
        account=tools.account,
        key_id=arn.rpartition("/")[2],
        change_number=1000,
        incarnation=1000,
        action=m.Action.DESTROY,
    )
    await other.call(m.APPLY_CHANGES, m.encode(m.ApplyChangesInput(changes=[destroy])))
    await equal(world, tools, arn, tools.west)


async def test_replication_state_is_under_the_row_mac(make_world: Any, tmp_path: Path) -> None:
    """Edited in the database, a status or a part is noticed when it is read."""
    credentials = tmp_path / "credentials.toml"
    world = await make_world(
        dev=False, regions=("us-east-1", "us-west-2"), data_dir=tmp_path, credentials=credentials
    )
    world.faults["us-east-1", "us-west-2"].down = True
    arn = (await world.create(ReplicationRegions=["us-west-2"]))["KeyArn"]
    await world.replication.stop()
    for statement in (
        "UPDATE replicas SET status = 'SYNCHRONIZED'",
        "UPDATE multi_region_keys SET part = 'REPLICA', primary_region = 'us-west-2'",
    ):
        with sqlite3.connect(tmp_path / "keyferry-us-east-1.sqlite3") as database:
            database.execute(statement)
        with pytest.raises(StoreIntegrityError):
            await world.get("us-east-1", arn)


async def test_a_clock_that_is_set_back_holds_nothing_up(world: Any, tools: Any) -> None:
    """What a clock that ran ahead wrote is sent at once by one that is right."""
    faults = world.faults[tools.east, tools.west]
    faults.down = True
    world.now += timedelta(minutes=10)
    arns = [(await world.create(ReplicationRegions=[tools.west]))["KeyArn"] for _ in range(3)]
    world.now -= timedelta(minutes=10)
    faults.down = False
    await world.restart()
    await world.until(
        lambda: all(world.status(arn)[tools.west][0] == "SYNCHRONIZED" for arn in arns)
    )
    assert world.now < tools.now + timedelta(minutes=1)
    for arn in arns:
        await equal(world, tools, arn, tools.west)


async def test_a_region_no_longer_served_is_named(make_world: Any, tmp_path: Path) -> None:
    """Started without a Region it had, the service says so of every key; later they catch up."""
    credentials = tmp_path / "credentials.toml"
    settings = {"dev": False, "data_dir": tmp_path, "credentials": credentials}
    both = ("us-east-1", "us-west-2")
    world = await make_world(regions=both, **settings)
    await world.call(
        "us-east-1", "EnableDefaultKeyReplicationRegions", ReplicationRegions=["us-west-2"]
    )
    there = (await world.create())["KeyArn"]
    await world.settle()
    world.faults["us-east-1", "us-west-2"].down = True
    waiting = (await world.create())["KeyArn"]
    await world.replication.stop()

    alone = await make_world(regions=("us-east-1",), **settings)
    assert alone.status(waiting)["us-west-2"] == (
        "FAILED",
        "Region us-west-2 cannot be reached",
    )
    made = (await alone.create())["KeyArn"]
    await alone.call("us-east-1", "StopKeyUsage", KeyIdentifier=there)
    for arn in (made, there):
        status, message = alone.status(arn)["us-west-2"]
        assert status == "FAILED"
        assert "not served" in message
    await alone.replication.stop()

    again = await make_world(regions=both, start=False, **settings)
    again.now = world.now
    await again.replication.start()
    await again.settle()
    for arn in (there, waiting, made):
        assert again.status(arn) == {"us-west-2": ("SYNCHRONIZED", None)}
    assert (await again.get("us-west-2", there))["Enabled"] is False


async def test_regions_on_postgresql(
    make_world: Any, tools: Any, postgresql_url: str, tmp_path: Path
) -> None:
    """The same on the other engine: created, stopped, removed, and a fault on the way."""
    url, question, query = postgresql_url.partition("?")
    world = await make_world(
        dev=False,
        regions=(tools.east, tools.west),
        store=f"{url}-{{region}}{question}{query}",
        data_dir=tmp_path,
        credentials=tmp_path / "credentials.toml",
    )
    arns = [(await world.create(ReplicationRegions=[tools.west]))["KeyArn"] for _ in range(20)]
    await world.settle()
    world.faults[tools.east, tools.west].lose_answers = 1
    for arn in arns[:10]:
        await world.call(tools.east, "StopKeyUsage", KeyIdentifier=arn)
    await world.settle()
    for arn in arns:
        await equal(world, tools, arn, tools.west)
    await world.call(tools.east, "DeleteKey", KeyIdentifier=arns[0])
    await world.settle()
    assert world.status(arns[0]) == {}
    assert (await world.get(tools.west, arns[0]))["KeyState"] == "DELETE_COMPLETE"

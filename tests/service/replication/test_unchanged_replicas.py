"""A replica that is as its primary says is not written: who has it open keeps it open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keyferry.service.authz.reserved import CANARY_ACCOUNT
from keyferry.service.replication.link import LEASE
from keyferry.service.replication.state import Sender, resend
from keyferry.service.vault.binding import key_binding

OTHER_MATERIAL = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")


async def replicated(world: Any, tools: Any) -> tuple[str, str]:
    """ARN and id of a key that is in the west."""
    arn: str = (await world.create(ReplicationRegions=[tools.west]))["KeyArn"]
    await world.settle()
    return arn, arn.rpartition("/")[2]


async def send_again(world: Any, tools: Any, key_id: str) -> None:
    """Send the primary under its next number, as it is."""
    store = world.regions[tools.east].store
    sender = Sender("test", world.now, frozenset({tools.west}))
    await store.write(
        lambda tx: resend(
            tx,
            tx.key(tools.account, key_id),
            tx.replica(tools.account, key_id, tools.west),
            sender=sender,
        )
    )
    world.now += 2 * LEASE  # it is nobody's: any process delivers it
    await world.settle()


async def test_a_key_that_is_sent_again_writes_no_row(world: Any, tools: Any) -> None:
    """The number of the replica rises, and nothing else; a real change is written."""
    arn, key_id = await replicated(world, tools)
    west = world.regions[tools.west].store
    epoch, record = west.key_epoch(), west.key(tools.account, key_id)
    number = west.multi_region(tools.account, key_id).change_number
    await send_again(world, tools, key_id)
    assert west.multi_region(tools.account, key_id).change_number == number + 1
    assert world.status(arn)[tools.west] == ("SYNCHRONIZED", None)
    assert (west.key_epoch(), west.key(tools.account, key_id)) == (epoch, record)
    await world.call(tools.east, "StopKeyUsage", KeyIdentifier=arn)
    await world.settle()
    assert west.key_epoch() != epoch
    assert not west.key(tools.account, key_id).enabled


async def test_a_canary_disturbs_nobody(world: Any, tools: Any) -> None:
    """It comes every few seconds; names of users' keys stay looked up."""
    canary = world.replication.canaries[tools.east, tools.west]
    first = await canary.round()
    west = world.regions[tools.west].store
    epoch = west.key_epoch()
    second = await canary.round()
    assert second.change_number > first.change_number
    assert west.key_epoch() == epoch
    key_id = world.regions[tools.east].store.canary(tools.west).key_id
    assert west.multi_region(CANARY_ACCOUNT, key_id).change_number == second.change_number


@pytest.mark.parametrize("broken", ["another key", "a seal that does not open"])
async def test_a_seal_that_holds_something_else_is_replaced(
    world: Any, tools: Any, broken: str
) -> None:
    """Whatever its row says: material is compared, not attributes alone."""
    arn, key_id = await replicated(world, tools)
    west = world.regions[tools.west]
    record = west.store.key(tools.account, key_id)
    binding = key_binding(tools.west, record)
    sealed = west.vault.seal(
        OTHER_MATERIAL, binding=binding if broken == "another key" else b"another binding"
    )
    await west.store.write(lambda tx: tx.replace_key(replace(record, sealed=sealed)))
    await send_again(world, tools, key_id)
    assert world.material(tools.west, arn) == world.material(tools.east, arn)
    assert world.status(arn)[tools.west] == ("SYNCHRONIZED", None)

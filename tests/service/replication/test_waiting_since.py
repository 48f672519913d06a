"""How long a Region has been behind: since the first change it does not have."""

from __future__ import annotations

from datetime import timedelta
from typing import Any


async def test_a_later_change_makes_what_waits_no_younger(world: Any, tools: Any) -> None:
    """One row stands for all changes since the Region was equal last, as old as the first."""
    arn = (await world.create(ReplicationRegions=[tools.west]))["KeyArn"]
    lags = world.replication.links[tools.east, tools.west].lags
    await world.until(lambda: len(lags) == 1)
    world.faults[tools.east, tools.west].down = True
    store = world.regions[tools.east].store
    behind_since = world.now
    await world.call(tools.east, "StopKeyUsage", KeyIdentifier=arn)
    for operation in ("StartKeyUsage", "StopKeyUsage"):
        world.now += timedelta(seconds=60)
        await world.call(tools.east, operation, KeyIdentifier=arn)
    backlog = store.outbox_backlog(tools.west)
    assert (backlog.waiting, backlog.oldest) == (1, behind_since)
    world.faults[tools.east, tools.west].down = False
    await world.settle()
    await world.until(lambda: len(lags) == 2)
    assert lags[-1] >= 120
    assert store.outbox_backlog(tools.west).oldest is None
    await world.call(tools.east, "StartKeyUsage", KeyIdentifier=arn)
    assert store.outbox_backlog(tools.west).oldest == world.now


async def test_a_row_that_was_edited_is_written_anew_by_the_next_change(
    world: Any, tools: Any
) -> None:
    """It stopped its link; the change itself is not refused for it, and the link goes on."""
    arn = (await world.create(ReplicationRegions=[tools.west]))["KeyArn"]
    await world.settle()
    world.faults[tools.east, tools.west].down = True
    await world.call(tools.east, "StopKeyUsage", KeyIdentifier=arn)
    store = world.regions[tools.east].store
    await store.write(
        lambda tx: tx._engine.execute("UPDATE replication_outbox SET written_at = 1", ())
    )
    await world.call(tools.east, "StartKeyUsage", KeyIdentifier=arn)
    world.faults[tools.east, tools.west].down = False
    await world.settle()
    assert world.status(arn)[tools.west] == ("SYNCHRONIZED", None)

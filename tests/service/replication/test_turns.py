"""A batch of many keys is worked on in turns with whatever else waits for the event loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from keyferry.service.replication import delivery, receiver
from keyferry.service.replication.turns import KEYS_A_TURN


async def test_others_have_a_turn_while_a_batch_is_wrapped_and_opened(
    world: Any, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On either side, no more than a few keys between two turns of the loop."""
    turns = 0
    wrapped: Counter[int] = Counter()
    opened: Counter[int] = Counter()
    take_snapshot, open_snapshot = delivery.take_snapshot, receiver.open_snapshot

    def wrap(*arguments: Any, **members: Any) -> Any:
        wrapped[turns] += 1
        return take_snapshot(*arguments, **members)

    def unwrap(*arguments: Any, **members: Any) -> Any:
        opened[turns] += 1
        return open_snapshot(*arguments, **members)

    async def tick() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    faults = world.faults[tools.east, tools.west]
    faults.down = True
    for _ in range(5 * KEYS_A_TURN):
        await world.create(ReplicationRegions=[tools.west])
    monkeypatch.setattr(delivery, "take_snapshot", wrap)
    monkeypatch.setattr(receiver, "open_snapshot", unwrap)
    ticking = asyncio.create_task(tick())
    faults.down = False
    await world.settle()
    ticking.cancel()
    for counted in (wrapped, opened):
        assert counted.total() >= 5 * KEYS_A_TURN
        assert max(counted.values()) <= KEYS_A_TURN

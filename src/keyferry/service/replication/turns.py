"""Long work on the event loop, in turns with the requests that wait meanwhile."""

from __future__ import annotations

import asyncio

# Wrapping or opening so many keys takes some two milliseconds.
KEYS_A_TURN = 16


async def give_turn(place: int) -> None:
    """Let everybody else have a turn, if that many keys have been worked on since the last."""
    if place % KEYS_A_TURN == KEYS_A_TURN - 1:
        await asyncio.sleep(0)

"""SIGKILL of a Region's service while keys change in both: primary, replica, both at once."""

from __future__ import annotations

import random
from typing import Any

import pytest


def kill_rounds(pair: Any, load: Any, rng: random.Random, rounds: list[tuple[str, ...]]) -> None:
    """In each round some Regions are killed at a random moment, missed for a while, and started."""
    for killed in rounds:
        load.more(rng.randint(5, 40))
        for region in killed:
            pair.site(region).kill()
        others = [region for region in (pair.east, pair.west) if region not in killed]
        if others:
            # They go on without; what they write waits.
            load.more(10, *others)
        pair.start()
    load.more(10)


@pytest.mark.parametrize("killed", [("us-east-1",), ("us-east-1", "us-west-2")])
def test_a_killed_region_catches_up(clients: Any, pair: Any, killed: tuple[str, ...]) -> None:
    """
    Each Region is primary of some keys and has replicas of others, so one kill is of both kinds.
    """
    load = clients.load(pair, seed=len(killed))
    kill_rounds(pair, load, random.Random(len(killed)), [killed])
    clients.check(pair, load)
    pair.stop()


@pytest.mark.soak
def test_killed_again_and_again(clients: Any, pair: Any) -> None:
    """The long form: thirty kills of either Region or both."""
    rng = random.Random(7)
    both = (pair.east, pair.west)
    load = clients.load(pair, seed=7)
    kill_rounds(pair, load, rng, [rng.choice([both[:1], both[1:], both]) for _ in range(30)])
    clients.check(pair, load)
    pair.stop()

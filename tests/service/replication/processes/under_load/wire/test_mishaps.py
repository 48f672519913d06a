"""Messages between two services that are lost, cut, repeated, late, out of order and spoiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def carry(
    clients: Any, apart: Callable[..., Any], wire: Any, mix: tuple[Any, ...], *, rounds: int
) -> None:
    """Have clients of both Regions work while so many messages each way meet with mishaps."""
    pair, ways = apart(seed=len(mix))
    pair.start()
    load = clients.load(pair, seed=len(mix))
    load.more(5)
    for way in ways.values():
        way.mix = (*mix, *[wire.mishap.NONE] * len(mix))
    for _ in range(rounds):
        load.more(20)
        for way in ways.values():
            way.wait(2)
    for way in ways.values():
        way.calm()
    for mishap in mix:
        assert any(way.happened[mishap] for way in ways.values()), mishap
    load.more(10)
    clients.check(pair, load)
    pair.stop()
    for site in pair.sites:
        assert "Traceback" not in site.log()


@pytest.mark.parametrize(
    "names",
    [
        ("lost", "cut", "unanswered", "half-answered"),
        ("twice", "late", "again"),
        ("garbage", "spoiled"),
    ],
    ids=["cut", "out-of-order", "garbage"],
)
def test_mishaps_on_the_way(
    clients: Any, apart: Callable[..., Any], wire: Any, names: tuple[str, ...]
) -> None:
    """Every change arrives in the end, once and in order, whatever became of single messages."""
    carry(clients, apart, wire, tuple(wire.mishap(name) for name in names), rounds=3)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_all_mishaps_together(
    clients: Any, apart: Callable[..., Any], wire: Any, seed: int
) -> None:
    """The long form: everything at once, for a while."""
    carry(clients, apart, wire, wire.every_mishap[seed % 2 :], rounds=40)

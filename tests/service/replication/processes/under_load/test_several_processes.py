"""Two services for each Region on one PostgreSQL, each with a peer of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def both(make_pair: Callable[..., Any], shared_store: str) -> tuple[Any, Any]:
    """Two pairs on the same two databases."""
    first = make_pair(store=shared_store)
    second = make_pair(store=shared_store, beside=first)
    for pair in (first, second):
        # One after the other: the first makes the master keys.
        pair.start()
    return first, second


def test_processes_of_one_region_share_the_work(clients: Any, both: tuple[Any, Any]) -> None:
    """Clients of all four, one of which is killed and comes back: every key is as it should be."""
    first, second = both
    loads = [clients.load(first, clients=1, seed=11), clients.load(second, clients=1, seed=12)]
    for load in loads:
        load.more(20)
    first.site(first.east).kill()
    loads[1].more(20)
    first.start()
    for load in loads:
        load.more(10)
    for load in loads:
        load.end()
    for pair in both:
        clients.check(pair, *loads)
    for pair in both:
        pair.stop()


@pytest.mark.soak
def test_one_goes_on_where_the_other_ended(clients: Any, both: tuple[Any, Any]) -> None:
    """The long form: a service is killed and stays away; what it owed is taken over."""
    first, second = both
    loads = [clients.load(first, seed=13), clients.load(second, seed=14)]
    for _ in range(5):
        for load in loads:
            load.more(50)
        for region in (first.east, first.west):
            first.site(region).kill()
            loads[1].more(20)
            first.start()
    for load in loads:
        load.more(20)
    first.site(first.east).kill()
    first.site(first.west).kill()
    loads[0].end()
    clients.check(second, *loads)
    second.stop()

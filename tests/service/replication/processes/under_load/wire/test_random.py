"""
Random operations, faults and restarts in two Regions of two processes: once all is well again, the
Regions agree with each other and with what the clients were told.

Hypothesis draws the steps; the model of each key is what its one client was told of it. The form
within one process, with many more examples, is `test_convergence.py`.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

REGIONS = ("us-east-1", "us-west-2")

_region = st.sampled_from(REGIONS)
_key = st.integers(0, 5)
_operation = st.sampled_from(
    [
        "StopKeyUsage",
        "StartKeyUsage",
        "DeleteKey",
        "RestoreKey",
        "AddKeyReplicationRegions",
        "RemoveKeyReplicationRegions",
        "leave",
    ]
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), _region),
        st.tuples(st.just("change"), _key, _operation),
        st.tuples(st.just("change"), _key, _operation),
        st.tuples(st.sampled_from(["kill", "start", "full", "room", "stormy", "calm"]), _region),
        st.tuples(st.just("work"), st.integers(1, 4)),
    ),
    min_size=10,
    max_size=40,
)


def disk(site: Any, *, full: bool) -> None:
    """No file of the process can grow, or any can."""
    if sys.platform != "linux":
        return  # only Linux limits the files of a process that runs
    _, hard = resource.prlimit(site.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(site.pid, resource.RLIMIT_FSIZE, (1 if full else hard, hard))


def drive(
    clients: Any, pair: Any, ways: dict[str, Any], wire: Any, steps: list[tuple[Any, ...]]
) -> None:
    hands = {region: clients.hand(pair, region) for region in REGIONS}
    for step in steps:
        match step:
            case ("create", region):
                hands[region].create()
            case ("change", number, operation):
                keys = [key for hand in hands.values() for key in hand.keys]
                if keys:
                    key = keys[number % len(keys)]
                    hands[key.region].change(key, operation)
            case ("kill", region) if pair.site(region).runs:
                pair.site(region).kill()
            case ("start", region) if not pair.site(region).runs:
                pair.site(region).start()
            case ("full" | "room" as state, region) if pair.site(region).runs:
                disk(pair.site(region), full=state == "full")
            case ("stormy", region):
                ways[region].mix = wire.every_mishap
            case ("calm", region):
                ways[region].calm()
            case ("work", turns):
                for _ in range(turns):
                    for hand in hands.values():
                        hand.create()
    for region in REGIONS:
        ways[region].calm()
        if pair.site(region).runs:
            disk(pair.site(region), full=False)
    pair.start()
    clients.check(pair, *hands.values())
    pair.stop()


def run(clients: Any, apart: Callable[..., Any], wire: Any, steps: list[tuple[Any, ...]]) -> None:
    pair, ways = apart(seed=len(steps))
    pair.start()
    drive(clients, pair, ways, wire, steps)


def examples(count: int) -> Callable[[Any], Any]:
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=count < 10,
        database=None,
        suppress_health_check=list(HealthCheck),
        # Each example starts services: to make a failing one smaller would take an hour.
        phases=[Phase.explicit, Phase.generate],
    )


@examples(3)
@given(steps=STEPS)
def test_services_converge(
    clients: Any, apart: Callable[..., Any], wire: Any, steps: list[Any]
) -> None:
    """The short form, the same examples each time."""
    run(clients, apart, wire, steps)


@pytest.mark.soak
@examples(60)
@given(steps=STEPS)
def test_services_converge_fuzz(
    clients: Any, apart: Callable[..., Any], wire: Any, steps: list[Any]
) -> None:
    """The long form."""
    run(clients, apart, wire, steps)

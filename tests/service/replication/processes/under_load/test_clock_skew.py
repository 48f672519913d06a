"""Two services whose clocks differ by ten minutes, and a clock that is set right."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

# `keyferry` with its clock moved by the minutes of the first argument.
MOVED = """
import sys
import time
from datetime import datetime, timedelta

from keyferry.__main__ import main
from keyferry.service import app, dispatch
from keyferry.service.replication.peers import remote

moved = timedelta(minutes=float(sys.argv.pop(1)))
seconds = time.time


class Clock(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + moved


for module in (app, dispatch, remote):
    module.datetime = Clock
time.time = lambda: seconds() + moved.total_seconds()
main()
"""


def moved(minutes: int) -> tuple[str, ...]:
    return (sys.executable, "-c", MOVED, str(minutes))


def skew_s(pair: Any, tools: Any, region: str) -> float:
    """By how much the clock of a Region is ahead: what it says of a key it just made."""
    line = pair.line(region)
    made = line.call("CreateKey", KeyAttributes=tools.cvk, Exportable=True)
    line.close()
    return float(made.document["Key"]["CreateTimestamp"]) - time.time()


@pytest.mark.parametrize("minutes", [10, -10])
def test_clocks_that_differ(
    clients: Any, make_pair: Callable[..., Any], tools: Any, minutes: int
) -> None:
    """Ten minutes either way are no obstacle, in neither direction, and to no KEK."""
    pair = make_pair()
    pair.site(tools.west).program = moved(minutes)
    pair.start()
    assert skew_s(pair, tools, tools.west) == pytest.approx(60 * minutes, abs=30)
    assert skew_s(pair, tools, tools.east) == pytest.approx(0, abs=30)
    load = clients.load(pair, seed=5)
    load.more(40)
    outcome = pair.command(tools.west, "rotate-kek")
    assert outcome.code == 0, outcome
    load.more(10)
    clients.check(pair, load)
    pair.stop()


def test_a_clock_that_is_set_back(clients: Any, make_pair: Callable[..., Any], tools: Any) -> None:
    """
    What was written by a clock that ran ahead does not wait for as long as it did, once it is
    right: the peer was down then, and is back.
    """
    pair = make_pair()
    east, west = pair.site(tools.east), pair.site(tools.west)
    east.program = moved(10)
    pair.start()
    load = clients.load(pair, seed=6)
    load.more(10)
    west.kill()
    load.more(20, tools.east)
    east.kill()
    east.program = west.program
    pair.start()
    clients.check(pair, load)
    pair.stop()

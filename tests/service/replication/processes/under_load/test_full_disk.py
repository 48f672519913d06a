"""A disk that is full for a while: of one service, and of both Regions of one service."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux limits the files of a process that runs"
)


@contextmanager
def full_disk(pid: int) -> Iterator[None]:
    """
    No file of a process can grow, not its stores, nor their logs, nor the log of the service: to
    the process each write fails, as on a disk that is full.
    """
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


@pytest.mark.parametrize("together", [False, True], ids=["of-one-region", "of-both-regions"])
def test_a_disk_that_was_full(clients: Any, make_pair: Callable[..., Any], together: bool) -> None:
    """
    The service answers that it failed, goes on to live, and once there is room everything is as
    if there had always been.
    """
    pair = make_pair(together=together)
    pair.start()
    load = clients.load(pair, seed=3)
    load.more(20)
    with full_disk(pair.site(pair.west).pid):
        load.fails(5)
        if not together:
            load.more(20, pair.east)
    load.more(20)
    clients.check(pair, load)
    pair.stop()


@pytest.mark.soak
def test_a_disk_that_fills_up_again_and_again(clients: Any, pair: Any) -> None:
    """The long form: one disk or the other, twenty times."""
    load = clients.load(pair, seed=4)
    load.more(20)
    for turn in range(20):
        region = (pair.east, pair.west)[turn % 2]
        with full_disk(pair.site(region).pid):
            load.fails(1 + turn)
        load.more(1 + 3 * turn)
    clients.check(pair, load)
    pair.stop()

"""The PostgreSQL of both Regions restarts while keys change: cleanly, and as in a crash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from keyferry.testing.postgresql import PostgreSQLCluster


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_the_database_restarts(
    clients: Any,
    make_pair: Callable[..., Any],
    postgresql: PostgreSQLCluster,
    shared_store: str,
    mode: str,
) -> None:
    """Both services wait for it, and neither has to be started again."""
    pair = make_pair(store=shared_store)
    pair.start()
    load = clients.load(pair, seed=9)
    load.more(20)
    postgresql.restart(mode)
    load.more(20)
    clients.check(pair, load)
    pair.stop()


@pytest.mark.soak
def test_the_database_restarts_again_and_again(
    clients: Any, make_pair: Callable[..., Any], postgresql: PostgreSQLCluster, shared_store: str
) -> None:
    """The long form: twenty restarts, with a pause and without."""
    pair = make_pair(store=shared_store)
    pair.start()
    load = clients.load(pair, seed=10)
    for turn in range(20):
        load.more(1 + 3 * turn)
        postgresql.restart(("fast", "immediate")[turn % 2])
    load.more(20)
    clients.check(pair, load)
    pair.stop()

"""Connections between two services with mutual TLS that break in the middle of what they carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.parametrize("cuts", [4, pytest.param(60, marks=pytest.mark.soak)])
def test_connections_that_are_cut(
    clients: Any,
    apart: Callable[..., Any],
    wire: Any,
    certificates: Callable[..., list[str]],
    cuts: int,
) -> None:
    """In the handshake, in a message or in an answer: every change arrives in the end."""
    pair, ways = apart(wire.bytes, secure=certificates)
    pair.start()
    load = clients.load(pair, seed=15)
    load.more(5)
    for way in ways.values():
        way.cutting = True
    for way in ways.values():
        way.wait(cuts)
    for way in ways.values():
        way.cutting = False
    load.more(5)
    clients.check(pair, load)
    pair.stop()
    for site in pair.sites:
        assert "Traceback" not in site.log()

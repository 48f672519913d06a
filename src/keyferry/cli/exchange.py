"""`keyferry exchange`: one key from a key distribution host to a key receiving device."""

from __future__ import annotations

import click

from keyferry.cli.catalogue import EXCHANGE_COMMANDS
from keyferry.cli.main import LazyGroup


@click.group("exchange", cls=LazyGroup, catalogue=EXCHANGE_COMMANDS)
def exchange() -> None:
    """
    Bring one key from a key distribution host (KDH) to a key receiving device (KRD).

    Every step is told on standard error; the result says what was proven.
    """

"""`keyferry key`: key blocks and tokens at the desk, with test keys."""

from __future__ import annotations

import click

from keyferry.cli.catalogue import KEY_COMMANDS
from keyferry.cli.main import LazyGroup


@click.group("key", cls=LazyGroup, catalogue=KEY_COMMANDS)
def key() -> None:
    """
    Look into and make key blocks (TR-31) and tokens (TR-34), with test keys only.

    Keys are read from files, standard input or a hidden prompt, never from arguments.
    """

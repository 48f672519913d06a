"""`keyferry regions`: keys in several Regions of a running service."""

from __future__ import annotations

import click

from keyferry.cli.catalogue import REGIONS_COMMANDS
from keyferry.cli.main import LazyGroup


@click.group("regions", cls=LazyGroup, catalogue=REGIONS_COMMANDS)
def regions() -> None:
    """
    Look after keys in several Regions of a running service.

    The access key needs the role of an administrator. Credentials follow the AWS conventions:
    AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, the shared files.
    """

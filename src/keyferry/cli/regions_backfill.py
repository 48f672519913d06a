"""`keyferry regions backfill`: replicate the keys that are there already."""

from __future__ import annotations

import click

from keyferry.cli.options import OutputOptions, output_options
from keyferry.cli.regions_options import service_options
from keyferry.errors import ConfigurationError


@click.command("backfill")
@service_options
@output_options
def backfill(
    options: OutputOptions,  # noqa: ARG001
    endpoint_url: str | None,  # noqa: ARG001
    region: str | None,  # noqa: ARG001
) -> None:
    """Replicate the keys that are there already."""
    raise ConfigurationError("regions backfill: this build does not have it yet")

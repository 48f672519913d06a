"""`keyferry regions replay`: try again what was given up."""

from __future__ import annotations

import click

from keyferry.cli.options import OutputOptions, output_options
from keyferry.cli.regions_options import service_options
from keyferry.errors import ConfigurationError


@click.command("replay")
@service_options
@output_options
def replay(
    options: OutputOptions,  # noqa: ARG001
    endpoint_url: str | None,  # noqa: ARG001
    region: str | None,  # noqa: ARG001
) -> None:
    """Try again what was given up."""
    raise ConfigurationError("regions replay: this build does not have it yet")

"""`keyferry regions status`: how far behind Regions are."""

from __future__ import annotations

import click

from keyferry.cli.options import OutputOptions, output_options
from keyferry.cli.regions_options import service_options
from keyferry.errors import ConfigurationError


@click.command("status")
@service_options
@output_options
def status(
    options: OutputOptions,  # noqa: ARG001
    endpoint_url: str | None,  # noqa: ARG001
    region: str | None,  # noqa: ARG001
) -> None:
    """How far behind regions are."""
    raise ConfigurationError("regions status: this build does not have it yet")

"""`keyferry regions drill`: rehearse the loss of a Region."""

from __future__ import annotations

import click

from keyferry.cli.options import OutputOptions, output_options
from keyferry.cli.regions_options import service_options
from keyferry.errors import ConfigurationError


@click.command("drill")
@service_options
@output_options
def drill(
    options: OutputOptions,  # noqa: ARG001
    endpoint_url: str | None,  # noqa: ARG001
    region: str | None,  # noqa: ARG001
) -> None:
    """Rehearse the loss of a region."""
    raise ConfigurationError("regions drill: this build does not have it yet")

"""`keyferry regions verify`: compare every key of two Regions."""

from __future__ import annotations

import click

from keyferry.cli.options import OutputOptions, output_options
from keyferry.cli.regions_options import service_options
from keyferry.errors import ConfigurationError


@click.command("verify")
@service_options
@output_options
def verify(
    options: OutputOptions,  # noqa: ARG001
    endpoint_url: str | None,  # noqa: ARG001
    region: str | None,  # noqa: ARG001
) -> None:
    """Compare every key of two regions."""
    raise ConfigurationError("regions verify: this build does not have it yet")

"""`keyferry regions rotate-kek`: agree on new keys between Regions."""

from __future__ import annotations

import click

from keyferry.cli.options import OutputOptions, output_options
from keyferry.cli.regions_options import service_options
from keyferry.errors import ConfigurationError


@click.command("rotate-kek")
@service_options
@output_options
def rotate_kek(
    options: OutputOptions,  # noqa: ARG001
    endpoint_url: str | None,  # noqa: ARG001
    region: str | None,  # noqa: ARG001
) -> None:
    """Agree on new keys between regions."""
    raise ConfigurationError("regions rotate-kek: this build does not have it yet")

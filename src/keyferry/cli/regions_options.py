"""The options every command of `keyferry regions` has: where the service is, and which Region."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

_OPTIONS = (
    click.option(
        "--endpoint-url",
        metavar="URL",
        help="The service.  [default: AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY, AWS_ENDPOINT_URL]",
    ),
    click.option(
        "--region",
        metavar="REGION",
        help="The Region to ask.  [default: AWS_REGION, the shared config file]",
    ),
)


_ALL_REGIONS = (
    _OPTIONS[0],
    click.option(
        "--region",
        metavar="REGION",
        help="The Region keys come from.  [default: every Region the service serves]",
    ),
    click.option(
        "--peer",
        metavar="REGION",
        help="The Region they are replicated to.  [default: every peer]",
    ),
)


def service_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--endpoint-url` and `--region`, as `endpoint_url` and `region`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def pair_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--endpoint-url`, `--region` and `--peer`: which ordered pairs of Regions are meant."""
    for option in reversed(_ALL_REGIONS):
        function = option(function)
    return function

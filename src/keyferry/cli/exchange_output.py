"""The result of an exchange, for people and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click
import msgspec

from keyferry.cli.options import OutputOptions
from keyferry.exchange.result import ExchangeResult


def print_result(result: ExchangeResult, options: OutputOptions) -> None:
    """Print what was proven to standard output."""
    if options.json:
        document = {"proven": True, **asdict(result)}
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
        return
    print_rows(
        [
            (
                "Key ARN" if result.key_arn.startswith("arn:") else "KRD's wrapped key",
                result.key_arn,
            ),
            ("KCV at the KRD", f"{result.key_check_value} ({result.key_check_value_algorithm})"),
            ("KCV at the KDH", f"{result.kdh_key_check_value} (same key)"),
            ("Key usage", result.received.key_usage),
            ("Key algorithm", result.received.key_algorithm),
            ("Mode of use", result.received.mode_of_use),
            ("Exportable", "yes" if result.received.exportable else "no"),
            ("KDH's wrapped key", result.kdh_key or "(a clear key, not repeated)"),
            *([("Under the KEK", result.key_encryption_key)] if result.key_encryption_key else []),
            *(("Cleaned up", statement) for statement in result.cleaned_up),
        ]
    )


def print_rows(rows: Sequence[tuple[str, str]]) -> None:
    """Print names and values in two columns; values are not wrapped, so that they can be copied."""
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        click.echo(f"{name:<{width}}  {value}")

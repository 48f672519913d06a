"""`keyferry selftest`: run the known answers and say what passed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from keyferry.cli.options import OutputOptions, output_options
from keyferry.errors import ConfigurationError
from keyferry.selftest import (
    FamilyReport,
    Status,
    packaged_files,
    read_directory,
    run_file,
)


@click.command("selftest")
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--family",
    "families",
    multiple=True,
    metavar="NAME",
    help="Run this family only; may be given several times.  [default: every family]",
)
@output_options
def selftest(options: OutputOptions, *, directory: Path | None, families: tuple[str, ...]) -> None:
    """
    Test the cryptography against known answers.

    Runs the packaged vectors, or every *.json file of that layout in DIR, and prints one line a
    family. Exit code 1 if a case failed or is unsupported, 2 if a file is malformed.
    """
    documents = packaged_files() if directory is None else read_directory(directory)
    chosen = _choose(documents, families)
    now = datetime.now(UTC)
    reports = [run_file(document, now=now, place=place) for place, document in chosen.items()]
    if options.json:
        click.echo(json.dumps({"families": [_members(report) for report in reports]}, indent=2))
    else:
        _print(reports)
    for report in reports:
        if report.unread:
            click.echo(f"{report.family}: members not read: {', '.join(report.unread)}", err=True)
    if not all(report.ok for report in reports):
        click.get_current_context().exit(1)


def _choose(
    documents: Mapping[str, Mapping[str, Any]], families: Sequence[str]
) -> dict[str, Mapping[str, Any]]:
    """Return the documents of the families asked for; all when none is."""
    present = sorted(str(document["family"]) for document in documents.values())
    for family in families:
        if family not in present:
            raise ConfigurationError(
                f"--family {family}: no such family, expected one of {', '.join(present)}"
            )
    return {
        place: document
        for place, document in documents.items()
        if not families or document["family"] in families
    }


def _members(report: FamilyReport) -> dict[str, object]:
    """Return a report for machines."""

    def listed(status: Status) -> list[dict[str, str]]:
        return [
            {"name": outcome.name, "op": outcome.op, "detail": outcome.detail}
            for outcome in report.outcomes
            if outcome.status is status
        ]

    return {
        "family": report.family,
        "passed": report.passed,
        "failed": report.failed,
        "unsupported": report.unsupported,
        "failures": listed(Status.FAILED),
        "unsupported_cases": listed(Status.UNSUPPORTED),
        "members_not_read": list(report.unread),
    }


def _print(reports: Sequence[FamilyReport]) -> None:
    """Print one line a family, and below it each failure and each unsupported op."""
    width = max(len(report.family) for report in reports)
    for report in reports:
        click.echo(
            f"{report.family:<{width}}  {report.passed:>4} passed  {report.failed:>4} failed  "
            f"{report.unsupported:>4} unsupported"
        )
        for outcome in report.outcomes:
            if outcome.status is Status.FAILED:
                click.echo(f"  failed: {outcome.name} ({outcome.op}): {outcome.detail}")
        unsupported = [o.op for o in report.outcomes if o.status is Status.UNSUPPORTED]
        for op in sorted(set(unsupported)):
            click.echo(f"  unsupported: {op}, {unsupported.count(op)} cases")

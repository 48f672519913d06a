"""`keyferry regions drill`: rehearse the loss of a Region."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import click

from keyferry.cli.options import OutputOptions, output_options

_FAILED = 1


@click.command("drill")
@click.option(
    "--from",
    "source",
    metavar="REGION",
    required=True,
    help="The Region whose loss is rehearsed: the one with the primaries.",
)
@click.option(
    "--to",
    "target",
    metavar="REGION",
    required=True,
    help="The Region that is to stand in for it.",
)
@click.option("--account", metavar="NUMBER", help="Prove keys of one account.  [default: all]")
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="NUMBER",
    help="Prove so many keys, by chance but at least one of each usage.  [default: all]",
)
@click.option(
    "--cut-seconds",
    type=click.IntRange(5, 600),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="After so long a cut ends by itself, should this command die; it renews it until then.",
)
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(0, 3600),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait before and after for changes that are under way.",
)
@click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Keep the report as JSON; there are no secrets in it.  [default: not kept]",
)
@click.option(
    "--endpoint-url",
    metavar="URL",
    help="The service of --from.  [default: AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY,"
    " AWS_ENDPOINT_URL]",
)
@click.option(
    "--replica-endpoint-url",
    metavar="URL",
    help="The service of --to, if it is another.  [default: that of --from]",
)
@output_options
def drill(
    options: OutputOptions,
    source: str,
    target: str,
    account: str | None,
    limit: int | None,
    cut_seconds: int,
    wait_s: float,
    report_file: Path | None,
    endpoint_url: str | None,
    replica_endpoint_url: str | None,
) -> int:
    """
    Rehearse the loss of a Region: prove that another works without it, by real operations.

    Every replicated key is used in --from (a CVV, a MAC, a cryptogram, whatever its usage tells
    by). Then the two Regions are cut off from each other, and what was made is verified in --to,
    with the replicas alone. Then they are restored, and the drill waits until they are equal
    again. Keys whose use tells nothing, and stopped ones, are compared by check values computed
    anew. No key of a user is changed; while it lasts, changes in either Region wait.

    Refused, with nothing done, while changes wait or were given up. Exit code 0 only if every key
    was proven and the Regions converged, else 1.
    """
    from keyferry.cli.admin_client import AdminClient
    from keyferry.cli.regions_drill_report import Report
    from keyferry.cli.regions_rehearsal import Drill
    from keyferry.errors import ConfigurationError, KeyferryError

    if source == target:
        raise ConfigurationError(f"--from and --to are both {source}")
    if account is not None and not (len(account) == 12 and account.isdecimal()):
        raise ConfigurationError("--account: expected 12 digits")
    if report_file is not None and not report_file.absolute().parent.is_dir():
        raise ConfigurationError(f"--report {report_file}: its folder does not exist")
    report = Report(
        source=source,
        target=target,
        started_at=datetime.now(UTC),
        account=account,
        limit=limit,
    )
    with ExitStack() as stack:
        clients = [
            AdminClient(endpoint_url=url, region=region)
            for url, region in (
                (endpoint_url, source),
                (replica_endpoint_url or endpoint_url, target),
            )
        ]
        for client in clients:
            stack.callback(client.close)
        rehearsal = Drill(
            source=clients[0],
            target=clients[1],
            report=report,
            cut_s=cut_seconds,
            wait_s=wait_s,
            tell=lambda step: click.echo(f"{step} ...", err=True),
        )
        try:
            rehearsal.run()
        except KeyferryError as error:
            if not report.was_cut:
                raise
            # What was found out until then is worth keeping.
            report.problems.append(str(error))
    document = json.dumps(report.document(), indent=2)
    if report_file is not None:
        try:
            report_file.write_text(document + "\n", encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"--report {report_file}: {error.strerror}") from None
    if options.json:
        click.echo(document)
    else:
        for line in report.lines():
            click.echo(line)
    return 0 if report.proven else _FAILED

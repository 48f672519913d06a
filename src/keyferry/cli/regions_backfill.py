"""`keyferry regions backfill`: replicate the keys that are there already."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from keyferry.cli.options import OutputOptions, output_options
from keyferry.cli.regions_options import service_options

if TYPE_CHECKING:
    from keyferry.cli.regions_backfilling import Backfilled

_PARTLY = 3


@click.command("backfill")
@click.option("--to", required=True, metavar="REGION", help="The Region the keys are to have too.")
@click.option("--plan", is_flag=True, help="Count what there is to do, and change nothing.")
@click.option(
    "--account", metavar="NUMBER", help="Only keys of this account.  [default: of every account]"
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Add the Region to so many keys at most.  [default: to all]",
)
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(0, 86400),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up after so long without any key arriving.",
)
@service_options
@output_options
def backfill(
    options: OutputOptions,
    to: str,
    plan: bool,
    account: str | None,
    limit: int | None,
    wait_s: float,
    endpoint_url: str | None,
    region: str | None,
) -> int:
    """
    Replicate keys that are there already, as AddKeyReplicationRegions does for each.

    Exportable symmetric keys that are in use get the Region; one whose replication failed is tried
    again. Where serve was told that aliases or tags follow, those of keys that are there already
    are sent too. It goes slowly enough that what users change meanwhile does not wait behind it.
    Interrupted, it goes on when it is run again.

    Exit code 0 if everything has arrived, 3 if some keys could not be replicated or are still
    under way: mend what is named, and run it again.
    """
    from keyferry.cli.admin_client import AdminClient
    from keyferry.cli.regions_backfilling import Backfilling, check_account

    check_account(account)
    client = AdminClient(endpoint_url=endpoint_url, region=region)
    try:
        work = Backfilling(client=client, to=to, account=account, wait_s=wait_s)
        result = work.plan() if plan else work.run(limit)
    finally:
        client.close()
    if options.json:
        click.echo(json.dumps(_document(result, to=to, plan=plan), indent=2))
    else:
        _show(result, to=to, plan=plan)
    return 0 if plan or result.complete else _PARTLY


def _document(result: Backfilled, *, to: str, plan: bool) -> dict[str, Any]:
    return {
        "to": to,
        "plan": plan,
        "complete": result.complete,
        "accounts": [
            {
                "account": account,
                "added": counts.added,
                "retried": counts.retried,
                "present": counts.present,
                "left_out": counts.left_out,
                "aliases": counts.aliases,
                "tags": counts.tags,
            }
            | ({"quota": counts.quota} if plan else {})
            for account, counts in sorted(result.accounts.items())
        ],
        "failed": [{"key_arn": key["KeyArn"], "reason": key["Reason"]} for key in result.failed],
        "waiting": result.waiting,
        "held": result.held,
        "limit_reached": result.limit_reached,
    }


def _show(result: Backfilled, *, to: str, plan: bool) -> None:
    from keyferry.cli.printable import printable

    for account, counts in sorted(result.accounts.items()):
        words = [
            f"{counts.added} {'to add' if plan else 'added'}",
            f"{counts.retried} {'to try again' if plan else 'tried again'}",
            f"{counts.present} there already",
            *(f"{count} {reason}" for reason, count in counts.left_out.items()),
        ]
        if counts.aliases:
            words.append(f"{counts.aliases} aliases {'to send' if plan else 'sent'}")
        if counts.tags:
            words.append(f"tags of {counts.tags} keys {'to send' if plan else 'sent'}")
        click.echo(f"{account}  {', '.join(words)}")
        if plan and counts.added:
            click.echo(f"{'':12}  {_quota(counts.quota, to, counts.added)}")
    if not result.accounts:
        click.echo("no keys")
    for key in result.failed:
        click.echo(f"failed  {key['KeyArn']}  {printable(key['Reason'])}")
    if plan:
        return
    if result.limit_reached:
        click.echo("the limit is reached; run it again for the rest", err=True)
    if result.waiting:
        click.echo(f"{result.waiting} changes for {to} are still under way", err=True)
    if result.held:
        click.echo(
            f"{result.held} changes for {to} were given up: see keyferry regions replay --list",
            err=True,
        )


def _quota(quota: dict[str, int | None] | None, to: str, wanted: int) -> str:
    if quota is None:
        return f"{to} did not say how many keys it has room for"
    limit, room = quota["limit"], quota["room"]
    if limit is None or room is None:
        return f"{to} has {quota['used']} keys of the account, and no quota"
    short = f": {wanted - room} too few" if room < wanted else ""
    return f"{to} has {quota['used']} of {limit} keys, room for {room}{short}"

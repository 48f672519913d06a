"""`keyferry events`: the audit trail of a running service."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from keyferry.cli.options import OutputOptions, output_options
from keyferry.cli.printable import printable

if TYPE_CHECKING:
    from keyferry.cli.admin_client import AdminClient

PAGE = 1000  # what one call of ListEvents gives at most
FOLLOW_INTERVAL_S = 1.0


@click.group("events")
def events() -> None:
    """
    Read the audit trail of a service: CloudTrail-shaped records of your own account.

    Credentials follow the AWS conventions: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,
    AWS_PROFILE, the shared files.
    """


@events.command("tail")
@click.option("--follow", is_flag=True, help="Wait for new events, until interrupted.")
@click.option(
    "--limit",
    type=click.IntRange(1, PAGE),
    default=20,
    show_default=True,
    help="How many of the newest events to start with.",
)
@click.option(
    "--endpoint-url",
    metavar="URL",
    help="The service.  [default: AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY, AWS_ENDPOINT_URL]",
)
@click.option(
    "--region",
    metavar="REGION",
    help="The Region whose trail to read.  [default: AWS_REGION, the shared config file]",
)
@output_options
def tail(
    options: OutputOptions, follow: bool, limit: int, endpoint_url: str | None, region: str | None
) -> None:
    """
    Show the newest events, oldest first.

    With --output json: one document {"events": [...], "position": N}; with --follow one document
    a line, an event each, as there is no end to wait for.
    """
    from keyferry.cli.admin_client import AdminClient

    client = AdminClient(endpoint_url=endpoint_url, region=region)
    try:
        first = client.call("ListEvents", {"MaxResults": limit})
        if options.json and not follow:
            click.echo(
                json.dumps({"events": first["Events"], "position": first["Position"]}, indent=2)
            )
            return
        for event in first["Events"]:
            _show(event, options)
        if not first["Events"] and not follow:
            click.echo("no events", err=True)
        if follow:
            for event in _new_events(client, first["Position"]):
                _show(event, options)
    finally:
        client.close()


def _new_events(client: AdminClient, position: int) -> Iterator[Mapping[str, Any]]:
    """Ask again and again for what is new; a full page is asked for more at once."""
    while True:
        sys.stdout.flush()
        answer = client.call("ListEvents", {"After": position, "MaxResults": PAGE})
        position = answer["Position"]
        yield from answer["Events"]
        if len(answer["Events"]) < PAGE:
            time.sleep(FOLLOW_INTERVAL_S)


def _show(event: Mapping[str, Any], options: OutputOptions) -> None:
    click.echo(json.dumps(event) if options.json else _line(event))


def _line(event: Mapping[str, Any]) -> str:
    """One line for people: when, who, what, on what, and how it ended."""
    identity = event.get("userIdentity") or {}
    who = identity.get("userName") or identity.get("invokedBy") or "?"
    return (
        f"{event.get('eventTime', '?'):<20}  {printable(who):<16}  "
        f"{event.get('eventName', '?'):<28}  {event.get('errorCode', 'ok'):<28}  "
        f"{printable(_subject(event))}"
    ).rstrip()


def _subject(event: Mapping[str, Any]) -> str:
    """What the event is about: a key, an alias, or whatever the request named."""
    response = event.get("responseElements") or {}
    request = event.get("requestParameters") or {}
    details = event.get("serviceEventDetails") or {}
    key = response.get("key") or {}
    alias = response.get("alias") or {}
    named = (
        key.get("keyArn"),
        alias.get("aliasName"),
        details.get("keyArn"),
        *(
            request.get(name)
            for name in (
                "keyIdentifier",
                "exportKeyIdentifier",
                "aliasName",
                "resourceArn",
                "keyArn",
                "keyMaterialType",
            )
        ),
    )
    return next((text for text in named if isinstance(text, str)), "")

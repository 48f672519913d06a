"""`keyferry regions replay`: try again what was given up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from keyferry.cli.options import OutputOptions, output_options
from keyferry.cli.regions_options import pair_options

if TYPE_CHECKING:
    from keyferry.cli.regions_pairs import Pair


@click.command("replay")
@click.option("--list", "only_list", is_flag=True, help="Show what was given up; change nothing.")
@click.option(
    "--key",
    "subject",
    metavar="ID",
    help="A key id, key ARN or alias/NAME.  [default: everything that was given up]",
)
@pair_options
@output_options
def replay(
    options: OutputOptions,
    only_list: bool,
    subject: str | None,
    endpoint_url: str | None,
    region: str | None,
    peer: str | None,
) -> None:
    """
    Try again at once what was given up, and print how many changes that are.

    A change that a Region refuses is given up, and its reason is shown in the key's status: a
    quota used up, an id or alias in use by another, a key that could not be read. Mend that
    first. Whether it went well shows in `keyferry regions status`.
    """
    from keyferry.cli.regions_pairs import open_pairs

    if subject is not None and subject.startswith("arn:"):
        subject = subject.partition(":key/")[2] or subject
    with open_pairs(
        endpoint_url=endpoint_url, region=region, peer=peer, linked=not only_list
    ) as pairs:
        if only_list:
            _list(options, pairs, subject)
        else:
            _replay(options, pairs, subject)


def _list(options: OutputOptions, pairs: list[Pair], subject: str | None) -> None:
    found = [
        {
            "region": pair.region,
            "peer": pair.peer,
            "account": letter["Account"],
            "subject": letter["Subject"],
            "change_number": letter["ChangeNumber"],
            "attempts": letter["Attempts"],
            "age_s": letter["Age"],
            "message": letter["Message"],
        }
        for pair in pairs
        for letter in _letters(pair, subject)
    ]
    if options.json:
        click.echo(json.dumps({"dead_letters": found}, indent=2))
        return
    from keyferry.cli.printable import printable

    for one in found:
        click.echo(
            f"{one['region']} -> {one['peer']}  {one['account']}  {one['subject']}"
            f"  {printable(str(one['message']))}"
        )
    if not found:
        click.echo("nothing was given up", err=True)


def _letters(pair: Pair, subject: str | None) -> Iterator[dict[str, Any]]:
    after: dict[str, str] | None = None
    while True:
        asked = {"Peer": pair.peer, "Subject": subject, "After": after}
        answer = pair.client.call("ListDeadLetters", asked)
        yield from answer["DeadLetters"]
        after = answer["Next"]
        if after is None:
            return


def _replay(options: OutputOptions, pairs: list[Pair], subject: str | None) -> None:
    done = [
        {
            "region": pair.region,
            "peer": pair.peer,
            "replayed": pair.client.call(
                "ReplayDeadLetters", {"Peer": pair.peer, "Subject": subject}
            )["Replayed"],
        }
        for pair in pairs
    ]
    total = sum(one["replayed"] for one in done)
    if options.json:
        click.echo(json.dumps({"replayed": total, "pairs": done}, indent=2))
        return
    for one in done:
        if one["replayed"]:
            click.echo(f"{one['region']} -> {one['peer']}  {one['replayed']} tried again")
    click.echo(f"{total} tried again")

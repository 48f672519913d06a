"""`keyferry explain`: what an HSM's error code or an API exception means, and what helps."""

from __future__ import annotations

from typing import Any

import click

from keyferry.cli.options import OutputOptions, output_options


@click.command("explain")
@click.argument("system")
@click.argument("code", required=False)
@click.option("--command", metavar="CODE", help="The HSM command that was answered, if known.")
@output_options
def explain(options: OutputOptions, system: str, code: str | None, command: str | None) -> None:
    """
    Say what a code means: `explain payshield 26`, `explain atalla 0607`.

    SYSTEM is payshield, futurex, atalla or apc; CODE is the error code, for apc the name of an
    exception. An exception may stand alone: `explain ValidationException`.
    """
    from dataclasses import asdict

    import msgspec

    from keyferry.cli.exchange_output import print_rows
    from keyferry.exchange.doctor import SYSTEMS
    from keyferry.exchange.doctor import explain as find

    if code is None:
        if system.lower() in SYSTEMS:
            raise click.UsageError(f"{system} has many codes: name one")
        system, code = "apc", system
    found = find(system, code, command=command)
    if options.json:
        document: dict[str, Any] = asdict(found)
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
        return
    print_rows(
        [
            ("Code", f"{found.system} {found.code}"),
            ("Meaning", found.meaning),
            ("Cause", found.likely),
            ("Fix", found.fix),
            ("Known from", found.evidence),
        ]
    )

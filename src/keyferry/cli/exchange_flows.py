"""`keyferry exchange tr34`, `tr31`, `ecdh`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from keyferry.cli.options import OutputOptions, output_options

SENDERS = ("payshield", "futurex", "atalla", "apc", "local")
RECEIVERS = ("apc", "payshield", "futurex", "atalla")


def exchange_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options the three flows share."""
    for option in (
        click.option(
            "--explain",
            is_flag=True,
            help="Ask the HSMs, print the choice of method and every rule, and stop.",
        ),
        click.option(
            "--prove",
            is_flag=True,
            help="Prove the key by use: one side computes under its copy, the other verifies."
            "  [default: compare check values and attributes only]",
        ),
        click.option(
            "--replicate-to",
            "regions",
            metavar="REGION",
            multiple=True,
            help="Have the key replicated to REGION too (--krd apc), compare the replica, and with"
            " --prove prove it by use there. May be repeated.  [default: none]",
        ),
        click.option(
            "--keep-trust",
            is_flag=True,
            help="Keep the CA public keys and agreement keys of this run.  [default: delete them]",
        ),
        click.option(
            "--test-key", is_flag=True, help="Admit a clear test key (--kdh local).  [default: no]"
        ),
        click.option(
            "--config",
            "config_file",
            type=click.Path(path_type=Path, dir_okay=False),
            default="input_config.json",
            show_default=True,
            help="Configuration of both parties: JSON, YAML or TOML.",
        ),
        click.option(
            "--krd",
            type=click.Choice(RECEIVERS),
            default="apc",
            show_default=True,
            help="Key receiving device.",
        ),
        click.option(
            "--kdh", type=click.Choice(SENDERS), required=True, help="Key distribution host."
        ),
    ):
        function = option(function)
    return function


@click.command("tr34")
@exchange_options
@output_options
def tr34(options: OutputOptions, **arguments: Any) -> None:
    """
    Bring one key over under an RSA key of the receiver, signed by the sender (X9 TR 34).

    Carries TDES and AES_128 keys. Without a transport_key in the configuration a key is generated.
    """
    _run("tr34", options, **arguments)


@click.command("tr31")
@exchange_options
@output_options
def tr31(options: OutputOptions, **arguments: Any) -> None:
    """
    Bring one key over in a key block under a KEK that both sides share (TR-31, X9.143).

    The KEK is named on both sides by tr31.kek; an exchange by tr34 establishes one.
    """
    _run("tr31", options, **arguments)


@click.command("ecdh")
@exchange_options
@output_options
def ecdh(options: OutputOptions, **arguments: Any) -> None:
    """
    Bring one key over in a key block under a key that both sides derive (ECDH).

    Carries every symmetric key, up to AES_256.
    """
    _run("ecdh", options, **arguments)


def _run(
    method: str,
    options: OutputOptions,
    *,
    kdh: str,
    krd: str,
    config_file: Path,
    test_key: bool,
    keep_trust: bool,
    prove: bool,
    regions: tuple[str, ...],
    explain: bool,
) -> None:
    import asyncio
    import sys
    from datetime import UTC, datetime

    from keyferry.cli.exchange_output import (
        print_decision,
        print_failure,
        print_result,
    )
    from keyferry.cli.prompts import ask_hidden
    from keyferry.errors import KeyferryError
    from keyferry.exchange.config_file import load_config
    from keyferry.exchange.parties.interface import Method
    from keyferry.exchange.parties.opening import open_parties
    from keyferry.exchange.plan import make_plan
    from keyferry.exchange.run import decide_exchange, run_exchange
    from keyferry.exchange.steps import Steps

    plan = make_plan(
        load_config(config_file),
        method=Method(method),
        kdh=kdh,
        krd=krd,
        file=str(config_file),
        test_key=test_key,
    )
    steps = Steps(functools.partial(click.echo, err=True))
    sender, receiver = open_parties(
        plan,
        file=str(config_file),
        ask=ask_hidden,
        keep_trust=keep_trust,
        tell=steps.detail,
        terminal=sys.stdin.isatty(),
    )

    async def run() -> None:
        try:
            if explain:
                print_decision(plan, await decide_exchange(plan, sender, receiver, steps), options)
            else:
                result = await run_exchange(
                    plan, sender, receiver, steps, prove=prove, regions=regions
                )
                print_result(result, options)
        finally:
            await sender.close()
            await receiver.close()

    try:
        asyncio.run(run())
    except KeyferryError as error:
        # Knows every family of HSMs: too much to load for an exchange that ends well.
        from keyferry.exchange.doctor import explain_failure

        diagnosis = explain_failure(
            error, systems=(kdh, krd), carried=steps.carried, now=datetime.now(UTC)
        )
        print_failure(error, diagnosis, options, left=steps.left)
        raise

"""`keyferry regions verify`: compare every key of two Regions, and repair."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from keyferry.cli.options import OutputOptions, output_options
from keyferry.cli.regions_options import pair_options

if TYPE_CHECKING:
    from keyferry.cli.regions_pairs import Pair
    from keyferry.cli.regions_verification import Verified

_FAILED, _PARTLY = 1, 3


@click.command("verify")
@click.option(
    "--repair",
    is_flag=True,
    help="Send primaries again whose replicas differ, and aliases; destroy replicas that have no"
    " primary; and verify again. A primary is never changed.",
)
@click.option(
    "--destroy-unknown",
    is_flag=True,
    help="With --repair: destroy also replicas of keys that their primary Region does not know at"
    " all. They may be the last copies of keys, if that Region's store was taken back.",
)
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(0, 3600),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for changes that are under way.",
)
@pair_options
@output_options
def verify(
    options: OutputOptions,
    repair: bool,
    destroy_unknown: bool,
    wait_s: float,
    endpoint_url: str | None,
    region: str | None,
    peer: str | None,
) -> int:
    """
    Compare every key with its replicas: check values computed anew, attributes, state, number;
    tags and aliases too, where the service was told that they follow.

    Each ordered pair is compared from the Region of the primaries; a peer that another service
    serves is verified there in the other direction. A busy service may be verified: what is under
    way is waited for.

    Exit code 0 if all are equal (with --repair: now), 1 if any differs, 3 if some could not be
    told because their changes are still under way.
    """
    from keyferry.cli.regions_pairs import open_pairs
    from keyferry.cli.regions_verification import PairVerifier
    from keyferry.errors import ConfigurationError

    if destroy_unknown and not repair:
        raise ConfigurationError("--destroy-unknown goes with --repair")
    results: list[tuple[Pair, Verified]] = []
    with open_pairs(endpoint_url=endpoint_url, region=region, peer=peer) as pairs:
        for pair in pairs:
            verifier = PairVerifier(client=pair.client, peer=pair.peer, wait_s=wait_s)
            result = verifier.verify()
            if repair and result.drift:
                verifier.repair(result, destroy_unknown=destroy_unknown)
            verifier.record(result)
            results.append((pair, result))
            if not options.json:
                _show(pair, result)
    clean = not any(result.drift for _, result in results)
    pending = any(result.pending for _, result in results)
    if options.json:
        document = {
            "clean": clean and not pending,
            "pairs": [_document(pair, result) for pair, result in results],
        }
        click.echo(json.dumps(document, indent=2))
    if not clean:
        return _FAILED
    return _PARTLY if pending else 0


def _document(pair: Pair, result: Verified) -> dict[str, Any]:
    return {
        "region": pair.region,
        "peer": pair.peer,
        "compared": result.keys.compared,
        "aliases_compared": None if result.aliases is None else result.aliases.compared,
        "pending": result.pending,
        "drift": [
            {
                **_arn(item),
                "kind": item["Kind"],
                "primary": item["Primary"],
                "replica": item["Replica"],
            }
            for item in result.drift
        ],
        "repairs": [
            {**_arn(item), "done": item["Done"], "message": item["Message"]}
            for item in result.repairs
        ],
    }


def _arn(item: dict[str, Any]) -> dict[str, str]:
    if "KeyArn" in item:
        return {"key_arn": item["KeyArn"]}
    return {"alias_arn": item["AliasArn"]}


def _show(pair: Pair, result: Verified) -> None:
    from keyferry.cli.printable import printable
    from keyferry.cli.regions_verification import arn_of

    verdict = f"differences: {len(result.drift)}" if result.drift else "all equal"
    if result.pending:
        verdict += f", still under way: {result.pending}"
    compared = f"keys compared: {result.keys.compared}"
    if result.aliases is not None:
        compared += f", aliases: {result.aliases.compared}"
    click.echo(f"{pair.name}  {compared}, {verdict}")
    for item in result.repairs:
        done = "repaired" if item["Done"] else "NOT REPAIRED"
        click.echo(f"  {done:<12}  {arn_of(item)}  {printable(item['Message'])}")
    for item in result.drift:
        click.echo(f"  {item['Kind']:<18}  {arn_of(item)}")
        for side in ("Primary", "Replica"):
            if item[side]:
                click.echo(f"    {side.lower():<8} {printable(item[side])}")

"""`keyferry regions rotate-kek`: agree on new keys between Regions."""

from __future__ import annotations

import json

import click

from keyferry.cli.options import OutputOptions, output_options
from keyferry.cli.regions_options import pair_options

_FAILED, _PARTLY = 1, 3


@click.command("rotate-kek")
@pair_options
@output_options
def rotate_kek(
    options: OutputOptions, endpoint_url: str | None, region: str | None, peer: str | None
) -> int:
    """
    Agree on a new KEK for each ordered pair of Regions; keys go under it from then on.

    Nothing stops meanwhile: what is on its way opens under the KEK before, which both Regions
    erase an hour later. Exit code 3 if some pairs could not agree, 1 if none could.
    """
    from keyferry.cli.regions_pairs import open_pairs
    from keyferry.errors import RemoteRefusedError

    done, failed = [], []
    with open_pairs(endpoint_url=endpoint_url, region=region, peer=peer) as pairs:
        for pair in pairs:
            try:
                answer = pair.client.call("RotateReplicationKEK", {"Peer": pair.peer})
            except RemoteRefusedError as error:
                failed.append({"region": pair.region, "peer": pair.peer, "error": str(error)})
                continue
            done.append(
                {
                    "region": pair.region,
                    "peer": pair.peer,
                    "kek_id": answer["KekId"],
                    "key_check_value": answer["KeyCheckValue"],
                    "replaced_kek_id": answer["ReplacedKekId"],
                }
            )
    if options.json:
        click.echo(json.dumps({"rotated": done, "failed": failed}, indent=2))
    for one in [] if options.json else done:
        click.echo(
            f"{one['region']} -> {one['peer']}  KEK {one['kek_id']}"
            f" (check value {one['key_check_value']}), before {one['replaced_kek_id'] or 'none'}"
        )
    for one in failed:
        click.echo(f"{one['region']} -> {one['peer']}  failed: {one['error']}", err=True)
    if not failed:
        return 0
    return _PARTLY if done else _FAILED

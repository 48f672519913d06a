"""`keyferry regions status`: how far behind Regions are, and whether it is safe to fail over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from keyferry.cli.options import OutputOptions, output_options
from keyferry.cli.regions_options import pair_options

_FAILED = 1


@click.command("status")
@click.option("--check", is_flag=True, help="Exit with 1 if a pair is not safe to fail over.")
@pair_options
@output_options
def status(
    options: OutputOptions,
    check: bool,
    endpoint_url: str | None,
    region: str | None,
    peer: str | None,
) -> int:
    """
    Show each ordered pair of Regions: lag, backlog, what was given up, age of KEK and canary.

    It is safe to fail over from a Region to its peer if everything of the one is in the other:
    nothing waits for longer than 10 seconds, nothing was given up, the peer answers, the canary
    comes through, and the last verification left no differences. Lags are of the last 1024
    changes of the process that answers.

    Exit code 0 if the state could be told, whatever it is; with --check 1 if it is not safe.
    """
    from keyferry.cli.regions_pairs import open_pairs

    with open_pairs(endpoint_url=endpoint_url, region=region, peer=peer, linked=False) as pairs:
        found = [{"Region": pair.region, **pair.status} for pair in pairs]
    safe = all(pair["Safe"] for pair in found)
    if options.json:
        click.echo(json.dumps({"safe": safe, "pairs": [_document(p) for p in found]}, indent=2))
    else:
        for number, pair in enumerate(found):
            if number:
                click.echo()
            _show(pair)
    return _FAILED if check and not safe else 0


def _document(pair: Mapping[str, Any]) -> dict[str, Any]:
    """The members of an answer in snake case."""
    return {
        "region": pair["Region"],
        "peer": pair["Peer"],
        "safe": pair["Safe"],
        "unsafe_because": pair["UnsafeBecause"],
        "lag": {
            "p50_s": pair["LagP50"],
            "p99_s": pair["LagP99"],
            "samples": pair["Samples"],
        },
        "waiting": pair["Waiting"],
        "oldest_waiting_age_s": pair["OldestWaitingAge"],
        "held": pair["Held"],
        "given_up": [
            {"message": reason["Message"], "count": reason["Count"]} for reason in pair["GivenUp"]
        ],
        "linked": pair["Linked"],
        "circuit": pair["Circuit"],
        "failures_in_a_row": pair["Failures"],
        "cut_until": _instant(pair["CutUntil"]),
        "kek_age_s": pair["KekAge"],
        "canary": {"age_s": pair["CanaryAge"], "lag_s": pair["CanaryLag"]},
        "verified": {
            "age_s": pair["VerifiedAge"],
            "keys": pair["VerifiedKeys"],
            "drift": pair["Drift"],
        },
    }


def _show(pair: Mapping[str, Any]) -> None:
    from keyferry.cli.printable import printable

    rows = [
        ("lag", _lag(pair)),
        ("waiting", _waiting(pair)),
        ("given up", str(pair["Held"])),
        *(("", f"{reason['Count']} x {reason['Message']}") for reason in pair["GivenUp"]),
        ("circuit", _circuit(pair)),
        ("KEK", "none agreed yet" if pair["KekAge"] is None else f"{_age(pair['KekAge'])} old"),
        ("canary", _canary(pair)),
        ("last verified", _verified(pair)),
    ]
    click.echo(f"{pair['Region']} -> {pair['Peer']}")
    for name, value in rows:
        click.echo(f"  {name:<17} {printable(value)}")
    click.echo(f"  {'safe to fail over':<17} {'yes' if pair['Safe'] else 'NO'}")
    for reason in pair["UnsafeBecause"]:
        click.echo(f"  {'':<17} {printable(reason)}")


def _lag(pair: Mapping[str, Any]) -> str:
    if pair["LagP50"] is None:
        return "no change was replicated by this process yet"
    return (
        f"p50 {_milliseconds(pair['LagP50'])}, p99 {_milliseconds(pair['LagP99'])}"
        f" (of {pair['Samples']})"
    )


def _waiting(pair: Mapping[str, Any]) -> str:
    if pair["OldestWaitingAge"] is None:
        return str(pair["Waiting"])
    return f"{pair['Waiting']}, the oldest for {_age(pair['OldestWaitingAge'])}"


def _circuit(pair: Mapping[str, Any]) -> str:
    if not pair["Linked"]:
        return "none: neither served here nor a peer"
    words = str(pair["Circuit"])
    if pair["Failures"]:
        words += f", {pair['Failures']} failures in a row"
    cut = _instant(pair["CutUntil"])
    return words if cut is None else f"{words}, cut off for a drill until {cut}"


def _canary(pair: Mapping[str, Any]) -> str:
    if pair["CanaryAge"] is None:
        return "none"
    lag = "" if pair["CanaryLag"] is None else f", took {_milliseconds(pair['CanaryLag'])}"
    return f"{_age(pair['CanaryAge'])} ago{lag}"


def _verified(pair: Mapping[str, Any]) -> str:
    if pair["VerifiedAge"] is None:
        return "never (keyferry regions verify)"
    return (
        f"{_age(pair['VerifiedAge'])} ago, keys: {pair['VerifiedKeys']},"
        f" differences left: {pair['Drift']}"
    )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _age(seconds: float) -> str:
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _instant(epoch_s: float | None) -> str | None:
    if epoch_s is None:
        return None
    return datetime.fromtimestamp(epoch_s, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

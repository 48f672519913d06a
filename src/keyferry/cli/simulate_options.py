"""The options that every HSM simulator has: where it listens, what it is, what goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypedDict, TypeVar

import click

FILE: Final = click.Path(path_type=Path, dir_okay=False)

C = TypeVar("C", bound=Callable[..., Any])


class SimulatorArguments(TypedDict):
    """What the options say, by the names of `ProcessOptions`."""

    host: str
    port: int
    state: Path | None
    ready_file: Path | None
    tls_cert: Path | None
    tls_key: Path | None
    tls_client_ca: Path | None
    settings: tuple[str, ...]
    firmware: str
    fault: str
    rate: float
    record: Path | None
    replay: Path | None


def simulator_options(
    *,
    port: int,
    keeps: str,
    setting: str,
    firmware: str,
    port_help: str = "Host port",
    settings_default: str = "as published",
) -> Callable[[C], C]:
    """
    Add the options of every simulator to a command.

    Args:
        port: by default.
        keeps: what the state file keeps, for the help.
        setting: an example, for the help.
        firmware: what the profiles beside the default do, for the help.
        port_help: what the port is, for the help.
        settings_default: which settings are in force without the option, for the help.
    """
    options = (
        click.option(
            "--host", default="127.0.0.1", show_default=True, help="Address to listen on."
        ),
        click.option(
            "--port",
            default=port,
            show_default=True,
            type=click.IntRange(0, 65535),
            help=f"{port_help}; 0 takes a free one.",
        ),
        click.option(
            "--state",
            type=FILE,
            help=f"File that keeps {keeps} over restarts, mode 0600."
            "  [default: none, a fresh device each time]",
        ),
        click.option(
            "--ready-file",
            type=FILE,
            help="Written once the simulator is ready: host, port, pid as JSON.  [default: none]",
        ),
        click.option("--tls-cert", type=FILE, help="Certificate chain in PEM.  [default: no TLS]"),
        click.option(
            "--tls-key", type=FILE, help="Private key of --tls-cert in PEM.  [default: none]"
        ),
        click.option(
            "--tls-client-ca",
            type=FILE,
            help="CA certificates that clients must show one of.  [default: clients need none]",
        ),
        click.option(
            "--setting",
            "settings",
            multiple=True,
            metavar="NAME=VALUE",
            help=f"Change a setting for this run, e.g. {setting}; may be repeated."
            f"  [default: {settings_default}, or as in --state]",
        ),
        click.option(
            "--firmware",
            default="SIM0-0001",
            show_default=True,
            metavar="RELEASE",
            help=f"Behave like a release: {firmware}.",
        ),
        click.option(
            "--fault",
            default="",
            metavar="KIND",
            help="Do wrong on purpose: drop (the answer is lost), garble (a byte is another),"
            " delay or delay:MILLISECONDS, error:CODE.  [default: none]",
        ),
        click.option(
            "--rate",
            type=click.FloatRange(0, 1),
            default=1.0,
            show_default=True,
            help="How many of the answers --fault strikes, 0 to 1.",
        ),
        click.option(
            "--record",
            type=FILE,
            help="Write messages and answers to this new file, secrets masked, mode 0600."
            "  [default: none]",
        ),
        click.option(
            "--replay",
            type=click.Path(path_type=Path, dir_okay=False, exists=True),
            help="Answer from a recording instead of a device; other messages are refused with an"
            " error that says so.  [default: a device answers]",
        ),
    )

    def add(function: C) -> C:
        # The help lists options in the order of their decorators, which is from the last to the
        # first that is applied.
        for option in reversed(options):
            function = option(function)
        return function

    return add

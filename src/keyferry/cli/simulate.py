"""`keyferry simulate`: run an HSM simulator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from keyferry.cli.options import OutputOptions, group_options, output_options
from keyferry.cli.simulate_atalla import atalla

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group("simulate")
@group_options
def simulate() -> None:
    """Run an HSM simulator. It holds keys in clear and protects nothing: test keys only."""


def traffic_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add what every simulator can do to its traffic."""
    for option in (
        click.option(
            "--replay",
            type=click.Path(path_type=Path, dir_okay=False, exists=True),
            help="Answer from a recording instead of a device; other messages close the connection."
            "  [default: a device answers]",
        ),
        click.option(
            "--record",
            type=_FILE,
            help="Write messages and answers to this new file, secrets masked, mode 0600."
            "  [default: none]",
        ),
        click.option(
            "--rate",
            type=click.FloatRange(0, 1),
            default=1.0,
            show_default=True,
            help="How many of the answers --fault strikes, 0 to 1.",
        ),
        click.option(
            "--fault",
            default="",
            metavar="KIND",
            help="Do wrong on purpose: drop (the answer is lost), garble (a byte is another),"
            " delay or delay:MILLISECONDS, error:CODE.  [default: none]",
        ),
    ):
        function = option(function)
    return function


@simulate.command("payshield")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=1500,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Host port, TCP and UDP; 0 takes a free one.",
)
@click.option(
    "--state",
    type=_FILE,
    help="File that keeps LMKs, settings and stored keys over restarts, mode 0600."
    "  [default: none, a fresh device each time]",
)
@click.option(
    "--ready-file",
    type=_FILE,
    help="Written once the simulator is ready: host, port, pid as JSON.  [default: none]",
)
@click.option("--tls-cert", type=_FILE, help="Certificate chain in PEM.  [default: no TLS]")
@click.option("--tls-key", type=_FILE, help="Private key of --tls-cert in PEM.  [default: none]")
@click.option(
    "--tls-client-ca",
    type=_FILE,
    help="CA certificates that clients must show one of.  [default: clients need none]",
)
@click.option(
    "--lmk-ports",
    is_flag=True,
    help="Listen on port + 1 + n for LMK n too.  [default: off]",
)
@click.option(
    "--setting",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Change a security setting for this run, e.g. trusted_format_only=no; may be repeated."
    "  [default: as published, or as in --state]",
)
@click.option(
    "--unauthorised",
    multiple=True,
    metavar="ACTIVITY",
    help="Take an authorised activity away for this run, e.g. eckai.K1.host or generate.*.host;"
    " may be repeated.  [default: all are authorised]",
)
@click.option(
    "--old-lmk",
    "old_lmks",
    multiple=True,
    metavar="ID=FROM",
    help="Put LMK FROM into key change storage of LMK ID, for BW and EM; may be repeated."
    "  [default: key change storage is empty]",
)
@click.option(
    "--firmware",
    default="SIM0-0001",
    show_default=True,
    metavar="RELEASE",
    help="Behave like a release: 1.14, 1.8a (refuses !D) or 1.7 (also reports sockets in two"
    " digits).",
)
@traffic_options
@output_options
def payshield(
    options: OutputOptions,  # noqa: ARG001 (a simulator has no result to show)
    host: str,
    port: int,
    state: Path | None,
    ready_file: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    lmk_ports: bool,
    settings: tuple[str, ...],
    unauthorised: tuple[str, ...],
    old_lmks: tuple[str, ...],
    firmware: str,
    fault: str,
    rate: float,
    record: Path | None,
    replay: Path | None,
) -> int:
    """
    Run a Thales payShield 10K simulator.

    LMK 00 is an AES key block LMK, random for each state file; LMK 02 is the public variant test
    LMK. SIGTERM ends the simulator.
    """
    from keyferry.hsm.payshield.simulator.running import SimulatorOptions, run_simulator

    return run_simulator(
        SimulatorOptions(
            host=host,
            port=port,
            state=state,
            ready_file=ready_file,
            tls_cert=tls_cert,
            tls_key=tls_key,
            tls_client_ca=tls_client_ca,
            lmk_ports=lmk_ports,
            settings=settings,
            unauthorised=unauthorised,
            old_lmks=old_lmks,
            firmware=firmware,
            fault=fault,
            rate=rate,
            record=record,
            replay=replay,
        )
    )


@simulate.command("futurex")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=9000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Host port; 0 takes a free one.",
)
@click.option(
    "--state",
    type=_FILE,
    help="File that keeps major keys, settings and the key table over restarts, mode 0600."
    "  [default: none, a fresh device each time]",
)
@click.option(
    "--ready-file",
    type=_FILE,
    help="Written once the simulator is ready: host, port, pid as JSON.  [default: none]",
)
@click.option("--tls-cert", type=_FILE, help="Certificate chain in PEM.  [default: no TLS]")
@click.option("--tls-key", type=_FILE, help="Private key of --tls-cert in PEM.  [default: none]")
@click.option(
    "--tls-client-ca",
    type=_FILE,
    help="CA certificates that clients must show one of.  [default: clients need none]",
)
@click.option(
    "--mfk",
    is_flag=True,
    help="Load a random TDES MFK too, for the commands of older hosts.  [default: PMK only]",
)
@click.option(
    "--setting",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Change a setting for this run, e.g. check_digits=4; may be repeated."
    "  [default: as published, or as in --state]",
)
@output_options
def futurex(
    options: OutputOptions,  # noqa: ARG001 (a simulator has no result to show)
    host: str,
    port: int,
    state: Path | None,
    ready_file: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    mfk: bool,
    settings: tuple[str, ...],
) -> int:
    """
    Run a simulator of a Futurex payment HSM (Excrypt host protocol).

    The PMK is an AES-256 key, random for each state file. SIGTERM ends the simulator.
    """
    from keyferry.hsm.futurex.simulator.running import SimulatorOptions, run_simulator

    return run_simulator(
        SimulatorOptions(
            host=host,
            port=port,
            state=state,
            ready_file=ready_file,
            tls_cert=tls_cert,
            tls_key=tls_key,
            tls_client_ca=tls_client_ca,
            mfk=mfk,
            settings=settings,
        )
    )


simulate.add_command(atalla)

"""`keyferry simulate`: run an HSM simulator."""

from __future__ import annotations

from typing import Unpack

import click

from keyferry.cli.options import OutputOptions, group_options, output_options
from keyferry.cli.simulate_atalla import atalla
from keyferry.cli.simulate_options import SimulatorArguments, simulator_options


@click.group("simulate")
@group_options
def simulate() -> None:
    """Run an HSM simulator. It holds keys in clear and protects nothing: test keys only."""


@simulate.command("payshield")
@simulator_options(
    port=1500,
    port_help="Host port, TCP and UDP",
    keeps="LMKs, settings and stored keys",
    setting="trusted_format_only=no",
    firmware="1.14, 1.8a (refuses !D) or 1.7 (also reports sockets in two digits)",
)
@click.option(
    "--lmk-ports",
    is_flag=True,
    help="Listen on port + 1 + n for LMK n too.  [default: off]",
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
@output_options
def payshield(
    options: OutputOptions,  # noqa: ARG001 (a simulator has no result to show)
    lmk_ports: bool,
    unauthorised: tuple[str, ...],
    old_lmks: tuple[str, ...],
    **arguments: Unpack[SimulatorArguments],
) -> int:
    """
    Run a Thales payShield 10K simulator.

    LMK 00 is an AES key block LMK, random for each state file; LMK 02 is the public variant test
    LMK. SIGTERM ends the simulator.
    """
    from keyferry.hsm.payshield.simulator.running import SimulatorOptions, run_simulator

    return run_simulator(
        SimulatorOptions(
            lmk_ports=lmk_ports, unauthorised=unauthorised, old_lmks=old_lmks, **arguments
        )
    )


@simulate.command("futurex")
@simulator_options(
    port=9000,
    keeps="major keys, settings and the key table",
    setting="check_digits=4",
    firmware="7.6 or 7.4 (refuse a layout of ours, TRTD), or mfk (no PMK: the commands of older"
    " hosts only)",
)
@click.option(
    "--mfk",
    is_flag=True,
    help="Load a random TDES MFK too, for the commands of older hosts.  [default: PMK only]",
)
@output_options
def futurex(
    options: OutputOptions,  # noqa: ARG001 (a simulator has no result to show)
    mfk: bool,
    **arguments: Unpack[SimulatorArguments],
) -> int:
    """
    Run a simulator of a Futurex payment HSM (Excrypt host protocol).

    The PMK is an AES-256 key, random for each state file. SIGTERM ends the simulator.
    """
    from keyferry.hsm.futurex.simulator.running import SimulatorOptions, run_simulator

    return run_simulator(SimulatorOptions(mfk=mfk, **arguments))


simulate.add_command(atalla)

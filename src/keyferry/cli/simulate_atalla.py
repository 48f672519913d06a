"""`keyferry simulate atalla`, and `approve` at its console."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import click

from keyferry.cli.options import OutputOptions, output_options
from keyferry.cli.simulate_options import FILE, SimulatorArguments, simulator_options


@click.group("atalla", invoke_without_command=True)
@simulator_options(
    port=7000,
    keeps="MFK, settings and open challenges",
    setting="e2=off or check_digits=4",
    settings_default="option E2 on",
    firmware="8.53 (refuses layouts that are inferred) or 8.1 (also TR-34 and TR-31)",
)
@click.option(
    "--dual-control",
    type=click.Choice(["console", "auto"]),
    default="console",
    show_default=True,
    help="Who approves the challenges of 12A: two administrators at the console, or nobody: a"
    " challenge is then its own answer.",
)
@click.option(
    "--control",
    type=click.Path(path_type=Path),
    help="Control socket of the console.  [default: beside --state, else by the port]",
)
@click.option(
    "--mfk",
    type=click.Choice(["random", "test"]),
    help="Which master file key a fresh device has; test is that of public examples."
    "  [default: test without --state, random in a new --state]",
)
@output_options
@click.pass_context
def atalla(
    context: click.Context,
    options: OutputOptions,  # noqa: ARG001 (a simulator has no result to show)
    dual_control: str,
    control: Path | None,
    mfk: str | None,
    **arguments: Unpack[SimulatorArguments],
) -> int:
    """
    Run a simulator of an Atalla AT1000 with a TDES master file key.

    Challenges are approved by `keyferry simulate atalla approve CHALLENGE`. SIGTERM ends the
    simulator.
    """
    context.obj = (arguments["state"], control, arguments["port"])
    if context.invoked_subcommand is not None:
        return 0
    from keyferry.hsm.atalla.simulator.challenges import DualControl
    from keyferry.hsm.atalla.simulator.running import SimulatorOptions, run_simulator

    return run_simulator(
        SimulatorOptions(
            dual_control=DualControl(dual_control), control=control, mfk=mfk or "", **arguments
        )
    )


@atalla.command("approve")
@click.argument("challenge")
@click.option("--state", type=FILE, help="State file of the simulator.  [default: none]")
@click.option(
    "--control",
    type=click.Path(path_type=Path),
    help="Control socket of the console.  [default: beside --state, else by the port]",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Host port of a simulator without --state and --control.  [default: 7000]",
)
@click.option(
    "--administrator",
    "administrators",
    multiple=True,
    metavar="NAME",
    help="Who approves; may be repeated. Two different ones are needed."
    "  [default: administrator-1 and administrator-2]",
)
@output_options
@click.pass_context
def approve(
    context: click.Context,
    options: OutputOptions,
    challenge: str,
    state: Path | None,
    control: Path | None,
    port: int | None,
    administrators: tuple[str, ...],
) -> None:
    """
    Approve CHALLENGE at the console of a running simulator, and show the answer.

    The host that waits goes on by itself, or wants the answer typed in. With one administrator
    named the answer stays hidden until another one approves.
    """
    import json

    from keyferry.hsm.atalla.simulator.console import ask_console, control_path

    outer_state, outer_control, outer_port = context.obj
    path = control_path(state or outer_state, control or outer_control, port or outer_port)
    names = list(administrators) or ["administrator-1", "administrator-2"]
    answer = ask_console(path, {"approve": challenge, "administrators": names})
    if options.json:
        click.echo(json.dumps(answer, indent=2))
    elif answer.get("answer"):
        click.echo(f"answer {answer['answer']}")
    else:
        click.echo(f"approved by {', '.join(answer['administrators'])}; one more is needed")

"""`keyferry simulate atalla`, and `approve` at its console."""

from __future__ import annotations

from pathlib import Path

import click

from keyferry.cli.options import OutputOptions, output_options

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group("atalla", invoke_without_command=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=7000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Host port; 0 takes a free one.",
)
@click.option(
    "--state",
    type=_FILE,
    help="File that keeps MFK, settings and open challenges over restarts, mode 0600."
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
@click.option(
    "--setting",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Change an option for this run, e.g. e2=off or check_digits=4; may be repeated."
    "  [default: option E2 on, or as in --state]",
)
@output_options
@click.pass_context
def atalla(
    context: click.Context,
    options: OutputOptions,  # noqa: ARG001 (a simulator has no result to show)
    host: str,
    port: int,
    state: Path | None,
    ready_file: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    dual_control: str,
    control: Path | None,
    mfk: str | None,
    settings: tuple[str, ...],
) -> int:
    """
    Run a simulator of an Atalla AT1000 with a TDES master file key.

    Challenges are approved by `keyferry simulate atalla approve CHALLENGE`. SIGTERM ends the
    simulator.
    """
    context.obj = (state, control, port)
    if context.invoked_subcommand is not None:
        return 0
    from keyferry.hsm.atalla.simulator.challenges import DualControl
    from keyferry.hsm.atalla.simulator.running import SimulatorOptions, run_simulator

    return run_simulator(
        SimulatorOptions(
            host=host,
            port=port,
            state=state,
            ready_file=ready_file,
            tls_cert=tls_cert,
            tls_key=tls_key,
            tls_client_ca=tls_client_ca,
            dual_control=DualControl(dual_control),
            control=control,
            mfk=mfk or "",
            settings=settings,
        )
    )


@atalla.command("approve")
@click.argument("challenge")
@click.option("--state", type=_FILE, help="State file of the simulator.  [default: none]")
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

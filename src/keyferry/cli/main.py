"""The root of the command line: finds the command, imports it, and turns errors into exit codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from keyferry import __version__
from keyferry.cli.catalogue import COMMANDS, overview
from keyferry.cli.errors import report
from keyferry.cli.options import group_options


class LazyGroup(click.Group):
    """A group that knows its commands' names and summaries without importing them."""

    def __init__(
        self, *args: Any, catalogue: Mapping[str, tuple[str, str]] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.catalogue = catalogue or {}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(self.catalogue)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 (click's signature)
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in self.catalogue:
            return None
        module, _ = self.catalogue[cmd_name]
        command = getattr(import_module(module), cmd_name.replace("-", "_"))
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{cmd_name} is not a command")
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 (click's signature)
        formatter: click.HelpFormatter,
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self.catalogue.items()])


class _Root(LazyGroup):
    """`keyferry` itself; its help is the text that is also shown before click is imported."""

    def get_help(self, ctx: click.Context) -> str:  # noqa: ARG002 (click's signature)
        return overview().rstrip("\n")


@click.group(
    cls=_Root,
    catalogue=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="keyferry %(version)s")
@group_options
def cli() -> None:
    """Payment keys from HSMs into AWS Payment Cryptography, and the service itself."""


def run(arguments: Sequence[str]) -> int:
    """
    Run one command line.

    Args:
        arguments: what follows the program's name.

    Returns:
        The exit code of the contract: 0, 1, 2, 3, 4 or 130.
    """
    try:
        result = cli.main(list(arguments), prog_name="keyferry", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (the outermost edge reports all)
        return report(error, arguments)
    # Without its standalone mode, click returns the code of ctx.exit().
    return result if isinstance(result, int) else 0

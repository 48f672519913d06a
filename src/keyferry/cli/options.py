"""
The options every command has: form of the result, verbosity, form of the log.

    @click.command("kcv")
    @output_options
    def kcv(options: OutputOptions, ...) -> None: ...

The decorator adds `--output`, `-v/--verbose` and `--log-format`, sets logging up, and hands the
command one `options` argument in their place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ParamSpec, TypeVar

import click

P = ParamSpec("P")
R = TypeVar("R")

_META = "keyferry.options"


class OutputFormat(StrEnum):
    """Form of the result on standard output."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """What the global options of one command line say."""

    output: OutputFormat = OutputFormat.TABLE
    verbose: bool = False
    log_format: str = "text"

    @property
    def json(self) -> bool:
        """Whether standard output must hold one JSON document and nothing else."""
        return self.output is OutputFormat.JSON


def _declare(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the three options; their defaults are None so that a group's value can stand in."""
    for option in (
        click.option(
            "--log-format",
            type=click.Choice(["text", "json"]),
            help="Form of the log lines on standard error.  [default: text]",
        ),
        click.option(
            "-v",
            "--verbose",
            is_flag=True,
            default=False,
            help="Log more, and show tracebacks of unexpected errors.",
        ),
        click.option(
            "--output",
            type=click.Choice([form.value for form in OutputFormat]),
            help="Form of the result on standard output.  [default: table]",
        ),
    ):
        function = option(function)
    return function


def _take(keywords: dict[str, Any]) -> OutputOptions:
    """Take the three values out of a command's keywords; what is missing comes from the group."""
    context = click.get_current_context()
    outer: OutputOptions = context.meta.get(_META, OutputOptions())
    output, log_format = keywords.pop("output"), keywords.pop("log_format")
    options = OutputOptions(
        output=OutputFormat(output) if output else outer.output,
        verbose=keywords.pop("verbose") or outer.verbose,
        log_format=log_format or outer.log_format,
    )
    context.meta[_META] = options
    return options


def output_options(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command the global options; it receives them as `options`."""

    @_declare
    @functools.wraps(function)
    def command(*args: Any, **keywords: Any) -> R:
        options = _take(keywords)
        from keyferry.cli.logs import configure_logs

        configure_logs(verbose=options.verbose, log_format=options.log_format)
        return function(*args, options=options, **keywords)

    return command


def group_options(function: Callable[[], None]) -> Callable[..., None]:
    """Give a group the global options, as defaults of the commands in it."""

    @_declare
    @functools.wraps(function)
    def group(**keywords: Any) -> None:
        _take(keywords)
        function()

    return group

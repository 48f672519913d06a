"""The one table from causes to exit codes, and how an error is told to a person."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import click

from keyferry.errors import ConfigurationError, KeyferryError, MalformedVectorError

FAILED = 1
USAGE = 2
INTERRUPTED = 130

# The most special class in an error's ancestry decides.
EXIT_CODES: dict[type[KeyferryError], int] = {
    ConfigurationError: USAGE,
    MalformedVectorError: USAGE,
    KeyferryError: FAILED,
}


def exit_code(error: KeyferryError) -> int:
    """Return the exit code of `error`."""
    return next(EXIT_CODES[cause] for cause in type(error).__mro__ if cause in EXIT_CODES)


def report(error: BaseException, arguments: Sequence[str]) -> int:
    """Tell `error` on standard error and return the exit code of the process."""
    verbose = bool({"-v", "--verbose"} & set(arguments))
    if isinstance(error, KeyferryError):
        if verbose:
            _trace(error)
        _tell(str(error), error.hint)
        for note in getattr(error, "__notes__", ()):
            sys.stderr.write(f"keyferry: {note}\n")
        return exit_code(error)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        sys.stderr.write(error.format_message() + "\n")
        return USAGE
    if isinstance(error, click.ClickException):
        path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else None
        _tell(_plain(error.format_message()), f"see {path} --help" if path else None)
        return USAGE
    if isinstance(error, click.Abort | KeyboardInterrupt):
        sys.stderr.write("keyferry: interrupted\n")
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        # The reader of our output went away; a second failure while closing says nothing new.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    if verbose:
        _trace(error)
    # The words of an unexpected exception may hold what it worked on, so only its class is told.
    _tell(
        f"internal error: {type(error).__name__}",
        "run again with -v for the traceback, and report it" if not verbose else None,
    )
    return FAILED


def _tell(message: str, hint: str | None) -> None:
    sys.stderr.write(f"keyferry: error: {message}\n")
    if hint:
        sys.stderr.write(f"keyferry: hint: {hint}\n")


def _plain(message: str) -> str:
    """Lower the first letter and drop the full stop: click writes sentences, we write causes."""
    message = " ".join(message.split()).rstrip(".")
    return message[:1].lower() + message[1:]


def _trace(error: BaseException) -> None:
    sys.stderr.write("".join(traceback.format_exception(error)))

"""Hidden questions to a person at a terminal."""

from __future__ import annotations

import getpass
import sys

from keyferry.errors import ConfigurationError


def ask_hidden(question: str) -> str:
    """
    Ask on the terminal and read the answer without showing it.

    Raises:
        ConfigurationError: there is no terminal to ask on.
    """
    if not _is_terminal():
        raise ConfigurationError(
            f"{question}: there is no terminal to ask on",
            hint="name a file, or pipe the key where - stands for standard input",
        )
    try:
        return getpass.getpass(f"{question}: ", stream=sys.stderr)
    except EOFError:
        raise ConfigurationError(f"{question}: no answer") from None


def _is_terminal() -> bool:
    return sys.stdin.isatty()

"""
The Excrypt commands of a Futurex HSM as token tables, one file for each capability.

`COMMANDS` finds a table by its four letters.
"""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command
from keyferry.hsm.futurex.commands import (
    cards,
    certificates,
    diagnostics,
    exchange,
    key_generation,
    named,
    pins,
)

COMMANDS: Final[dict[str, Command]] = {
    command.code: command
    for table in (diagnostics, key_generation, certificates, exchange, cards, pins, named)
    for command in table.COMMANDS
}

__all__ = ["COMMANDS"]

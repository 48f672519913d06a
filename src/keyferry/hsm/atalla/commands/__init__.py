"""
The host commands of an Atalla as field tables, one file for each capability.

`COMMANDS` finds a table by its command id.
"""

from __future__ import annotations

from typing import Final

from keyferry.hsm.atalla.commands import cards, diagnostics, emv, keys, pins, rsa, tr34
from keyferry.hsm.commands import Command

COMMANDS: Final[dict[str, Command]] = {
    command.code: command
    for table in (diagnostics, keys, rsa, tr34, pins, cards, emv)
    for command in table.COMMANDS
}

__all__ = ["COMMANDS"]

"""
The host commands of a payShield as field tables, one file for each capability.

`COMMANDS` finds a table by the two characters of its code.
"""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command
from keyferry.hsm.payshield.commands import (
    check_value,
    diagnostics,
    exchange,
    key_generation,
    key_transfer,
    legacy,
    pins,
    rsa,
)

COMMANDS: Final[dict[str, Command]] = {
    command.code: command
    for table in (
        key_generation,
        key_transfer,
        check_value,
        legacy,
        rsa,
        exchange,
        pins,
        diagnostics,
    )
    for command in table.COMMANDS
}

__all__ = ["COMMANDS"]

"""
The host commands of a payShield as field tables, one file for each capability.

`COMMANDS` finds a table by the two characters of its code.
"""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command
from keyferry.hsm.payshield.commands import (
    audit,
    cards,
    check_value,
    data_encryption,
    diagnostics,
    dukpt_verification,
    emv,
    exchange,
    hmac,
    key_generation,
    key_transfer,
    legacy,
    macs,
    pin_translation,
    pin_verification,
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
        pin_translation,
        pin_verification,
        dukpt_verification,
        cards,
        data_encryption,
        macs,
        emv,
        hmac,
        diagnostics,
        audit,
    )
    for command in table.COMMANDS
}

__all__ = ["COMMANDS"]

"""What an administrator of the simulated device has set."""

from __future__ import annotations

from typing import Final

import msgspec

from keyferry.errors import ConfigurationError
from keyferry.hsm.atalla.commands import COMMANDS
from keyferry.hsm.setting_assignments import apply_assignments

EVERY_USAGE: Final = "ACDIKMPSVcdmnk"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Options and switches.

    Option E2 is off on a device as delivered; here it is on, because no working key leaves by
    TR-31 without it.
    """

    e0: str = EVERY_USAGE  # usages that may be imported (meaning inferred)
    e1: str = EVERY_USAGE  # usages that may be exported (meaning inferred)
    e2: bool = True  # KEKs may leave, and keys under a TR-31 wrapping key
    option_21: bool = False  # errors carry a detail
    crlf: bool = False  # CR LF after every answer
    check_digits: int = 6  # 4 or 6
    longest_command: int = 5000  # characters
    software: str = "85"  # two digits, the version in error answers
    challenge_minutes: int = 10
    disabled_commands: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.check_digits not in (4, 6):
            raise ConfigurationError(f"check_digits {self.check_digits}: expected 4 or 6")
        if len(self.software) != 2 or not self.software.isdecimal():
            raise ConfigurationError("software: expected two digits")
        if self.longest_command < 100 or self.challenge_minutes < 1:
            raise ConfigurationError("longest_command: at least 100; challenge_minutes: 1")
        unknown = sorted(self.disabled_commands - COMMANDS.keys())
        if unknown:
            raise ConfigurationError(f"disabled_commands: no command {unknown[0][:8]!r}")

    def changed(self, assignments: tuple[str, ...]) -> Settings:
        """
        Return the settings with `name=value` texts applied, as they come from a command line.

        Raises:
            ConfigurationError: no such setting, or not one of its values.
        """
        return apply_assignments(self, assignments)

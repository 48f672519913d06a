"""The settings of the simulated device, by default those the AWS samples were tested with."""

from __future__ import annotations

import msgspec

from keyferry.errors import ConfigurationError
from keyferry.hsm.futurex.commands import COMMANDS
from keyferry.hsm.setting_assignments import apply_assignments


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an administrator of the device has set."""

    check_digits: int = 6  # of a check value, in hex characters
    pci_hsm: bool = True  # no key under a weaker one, no clear PINs
    rsa: bool = True
    ecc: bool = True
    disabled_commands: frozenset[str] = frozenset({"CPIN"})

    def __post_init__(self) -> None:
        if self.check_digits not in range(4, 17, 2):
            raise ConfigurationError(
                f"check_digits {self.check_digits}: expected an even number from 4 to 16"
            )
        unknown = sorted(self.disabled_commands - COMMANDS.keys())
        if unknown:
            raise ConfigurationError(f"disabled_commands: no command {unknown[0]!r}")

    def is_disabled(self, code: str) -> bool:
        """Whether a command is blocked, by name or by what it needs."""
        needs = {"GRSA": self.rsa, "GECC": self.ecc, "SDDH": self.ecc}
        return code in self.disabled_commands or not needs.get(code, True)

    def changed(self, assignments: list[str]) -> Settings:
        """
        Return the settings with `name=value` texts applied, as they come from a command line.

        Raises:
            ConfigurationError: no such setting, or not one of its values.
        """
        return apply_assignments(self, assignments)

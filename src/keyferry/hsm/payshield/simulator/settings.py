"""
The security settings of the simulated device, with the values published with the AWS samples.

Source: the settings page of the AWS samples.
"""

from __future__ import annotations

from typing import Final

import msgspec

from keyferry.errors import ConfigurationError
from keyferry.hsm.payshield.commands import COMMANDS
from keyferry.hsm.setting_assignments import apply_assignments

AUDITED: Final = frozenset({"A0", "A4", "A6", "A8", "B8", "BW", "EI", "EM", "FY", "GI", "IG", "Q6"})


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an administrator of the device has set. Every default is the published one."""

    header_length: int = 4  # bytes of the message header, 0 to 255
    default_lmk: str = "00"  # where neither the command nor the port nor a key block names one
    atalla_variants: bool = False  # digits after a key under a ZMK
    zmk_translate: bool = False  # BY
    x917_import: bool = False  # A6 of schemes X and Y
    x917_export: bool = False  # A8 in schemes X and Y
    zmk_double_length: bool = True  # a bare ZMK field has 32 characters
    authorised_rsa_import: bool = True  # GI needs its activity
    restrict_check_values: bool = True  # 6 characters, never 16
    trusted_format_only: bool = True  # keys travel in key blocks only
    lmk_matches_port: bool = False  # %nn may name another LMK than the port's
    ignore_block_lmk: bool = False  # the LMK identifier in a key block need not fit
    import_zmk: bool = False
    export_zmk: bool = False
    separate_type_002: bool = False  # PCI HSM: TPK becomes 70D, TMK 80D
    pin_length: int = 12  # digits; a PIN under the LMK has one more
    clear_test_pins: bool = (
        False  # test mode of old simulators: a PIN under the LMK is 0 and itself
    )
    encrypted_tables: bool = False  # decimalisation tables travel enciphered
    audited_commands: frozenset[str] = AUDITED
    disabled_commands: frozenset[str] = frozenset()  # answered with 68
    unlicensed_commands: frozenset[str] = frozenset()  # answered with 67

    def __post_init__(self) -> None:
        if not 0 <= self.header_length <= 255:
            raise ConfigurationError(f"header_length {self.header_length}: expected 0 to 255")
        if not 4 <= self.pin_length <= 12:
            raise ConfigurationError(f"pin_length {self.pin_length}: expected 4 to 12")
        if len(self.default_lmk) != 2 or not self.default_lmk.isdecimal():
            raise ConfigurationError("default_lmk: expected two digits")
        for name in ("disabled_commands", "unlicensed_commands", "audited_commands"):
            unknown = sorted(getattr(self, name) - COMMANDS.keys())
            if unknown:
                raise ConfigurationError(f"{name}: no command {unknown[0]!r}")

    def context(self) -> dict[str, object]:
        """Return what the command tables ask of the device."""
        return {
            "atalla_variants": self.atalla_variants,
            "zmk_bare": 32 if self.zmk_double_length else 16,
            "pin_characters": self.pin_length + 1,
        }

    def changed(self, assignments: list[str]) -> Settings:
        """
        Return the settings with `name=value` texts applied, as they come from a command line.

        Raises:
            ConfigurationError: no such setting, or not one of its values.
        """
        return apply_assignments(self, assignments)

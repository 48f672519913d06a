"""What the simulated device does for each command: one file for each capability."""

from __future__ import annotations

import importlib
from typing import Final

_MODULES: Final = (
    "audit",
    "cards",
    "check_value",
    "data_encryption",
    "diagnostics",
    "dukpt_verification",
    "ecc",
    "emv",
    "generate",
    "hmac",
    "legacy",
    "macs",
    "pin_translation",
    "pin_verification",
    "pins",
    "rsa",
    "rsa_import",
    "tr34",
    "transfer",
    "translate",
)


def load() -> None:
    """Import every file of handlers, so that each registers its commands."""
    for module in _MODULES:
        importlib.import_module(f"{__name__}.{module}")

"""What the simulated device does for each command: one file for each capability."""

from __future__ import annotations

import importlib
from typing import Final

_MODULES: Final = (
    "agreement",
    "cards",
    "certificates",
    "diagnostics",
    "generate",
    "pins",
    "tr34",
    "transfer",
)


def load() -> None:
    """Import every file of handlers, so that each registers its commands."""
    for module in _MODULES:
        importlib.import_module(f"{__name__}.{module}")

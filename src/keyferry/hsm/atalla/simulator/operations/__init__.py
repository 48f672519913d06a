"""What the simulated device does for each command: one file for each capability."""

from __future__ import annotations

import importlib
from typing import Final

_MODULES: Final = ("cards", "diagnostics", "emv", "keys", "pins", "rsa", "tr31", "tr34")


def load() -> None:
    """Import every file of handlers, so that each registers its commands."""
    for module in _MODULES:
        importlib.import_module(f"{__name__}.{module}")

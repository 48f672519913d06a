"""What the simulator calls itself."""

from __future__ import annotations

from typing import Final

FIRMWARE: Final = "SIM0-0001"
"""The answer of NC and NO: nine characters, and no firmware a device was ever shipped with."""

"""
Firmware profiles: how what a simulator answers depends on a release, as rows of data.

Each family has its own rows; here is what they share: a name, and how one is found by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from keyferry.errors import ConfigurationError

P = TypeVar("P")

SIMULATOR_FIRMWARE: Final = "SIM0-0001"
"""What a simulator calls itself: no firmware a device was ever shipped with."""


def profile_named(profiles: Mapping[str, P], name: str) -> P:
    """
    Return a profile of a family.

    Raises:
        ConfigurationError: there is none of this name; the hint names those there are.
    """
    profile = profiles.get(name)
    if profile is None:
        raise ConfigurationError(
            f"--firmware {name[:20]!r}: no such profile", hint="profiles: " + ", ".join(profiles)
        )
    return profile

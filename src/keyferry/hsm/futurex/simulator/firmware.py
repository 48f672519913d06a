"""
Firmware profiles: how what a device answers depends on its release, as rows of data.

Which release brought which command is not public, and no public command asks for the release. The
published samples were tested on 7.4 and 7.6; a profile of these knows what public clients send,
and answers 34 to a layout that is our own. Clients older than keys under a PMK are public too,
without a release: their device is called `mfk`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keyferry.hsm.commands import Evidence
from keyferry.hsm.firmware_profiles import SIMULATOR_FIRMWARE
from keyferry.hsm.futurex.commands import COMMANDS
from keyferry.hsm.futurex.commands import shared_rows as rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """One release."""

    name: str
    commands: frozenset[str]  # that it knows
    has_pmk: bool = True  # else keys are under an MFK only
    settings: tuple[str, ...] = ()  # NAME=VALUE, before those of the command line
    evidence: Evidence


def _shown_by(*names: str) -> frozenset[str]:
    """Return the commands whose layout one of some sources shows."""
    return frozenset(
        code
        for code, command in COMMANDS.items()
        if command.request is not None and any(name in command.source for name in names)
    )


_OLDER_CLIENTS: Final = (rows.CSHARP_CLIENT, rows.CPP_CLIENT, rows.PROXY, rows.CATALOGUE)
_PUBLIC: Final = _shown_by(rows.SAMPLES, *_OLDER_CLIENTS)

DEFAULT: Final = Firmware(
    name=SIMULATOR_FIRMWARE, commands=frozenset(COMMANDS), evidence=Evidence.INFERRED
)

PROFILES: Final = {
    profile.name: profile
    for profile in (
        DEFAULT,
        Firmware(name="7.6", commands=_PUBLIC, evidence=Evidence.CLIENT),
        Firmware(name="7.4", commands=_PUBLIC, evidence=Evidence.CLIENT),
        Firmware(
            name="mfk",
            commands=_shown_by(*_OLDER_CLIENTS),
            has_pmk=False,
            settings=("check_digits=4",),
            evidence=Evidence.PARSER,
        ),
    )
}

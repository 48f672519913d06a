"""
Firmware profiles: how what a device answers depends on its release, as rows of data.

Which release brought which command is not public. A profile of a release therefore knows what
public sources show of it, and says 22 to the rest, commands whose layout is inferred among them.
8.53 is what the one published answer of 1101 says, of a client that cites the manual. Answers
that end in 81 are published for payment commands, keys and AKBs only, none for TR-34 or TR-31.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keyferry.hsm.atalla.commands import COMMANDS, sources
from keyferry.hsm.commands import Evidence
from keyferry.hsm.firmware_profiles import SIMULATOR_FIRMWARE


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """One release."""

    name: str
    release: str | None  # as 1101 says it; None: made of the setting `software`
    settings: tuple[str, ...] = ()  # NAME=VALUE, before those of the command line
    commands: frozenset[str]  # that it knows
    evidence: Evidence


def _shown_by(*names: str) -> frozenset[str]:
    """Return the commands whose layout one of some sources shows."""
    return frozenset(
        code
        for code, command in COMMANDS.items()
        if command.evidence not in (sources.GUESSED, sources.CITED)
        and any(name in command.source for name in names)
    )


DEFAULT: Final = Firmware(
    name=SIMULATOR_FIRMWARE,
    release=None,
    commands=frozenset(COMMANDS),
    evidence=Evidence.INFERRED,
)

PROFILES: Final = {
    profile.name: profile
    for profile in (
        DEFAULT,
        Firmware(
            name="8.53",
            release="8.53",
            settings=("software=85",),
            commands=_shown_by(
                sources.SAMPLES, sources.ELEMENTS, sources.AT1000_CLIENT, sources.AKB_WRAPPER
            ),
            evidence=Evidence.CLIENT,
        ),
        # The second digit is the published one, the third is ours. 9A is not shown with this
        # release; without it nobody could be told what the device has.
        Firmware(
            name="8.1",
            release="8.10",
            settings=("software=81",),
            commands=_shown_by(sources.ELEMENTS, sources.AKB_WRAPPER) | {"9A"},
            evidence=Evidence.INFERRED,
        ),
    )
}

"""
Firmware profiles: how what a device answers depends on its release, as rows of data.

Only two differences are public. Firmware 1.14, on which the published samples were tested, takes
`!D` (a TR-31 block of version D); an older one refused it (issue 43 of the samples). NO reports the
sockets in two digits until 1.8a and in four since.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keyferry.hsm.commands import Evidence
from keyferry.hsm.firmware_profiles import SIMULATOR_FIRMWARE

CHARACTERS: Final = 9  # of the firmware in NC and NO


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """One release."""

    name: str  # what NC and NO answer; filled with blanks
    socket_digits: int  # of NO
    block_versions: str  # letters that `!` may name
    evidence: Evidence

    @property
    def field(self) -> str:
        """The name in the nine characters of an answer."""
        return self.name.ljust(CHARACTERS)


DEFAULT: Final = Firmware(
    name=SIMULATOR_FIRMWARE, socket_digits=4, block_versions="ABCD", evidence=Evidence.CLIENT
)

PROFILES: Final = {
    profile.name: profile
    for profile in (
        DEFAULT,
        Firmware(name="1.14", socket_digits=4, block_versions="ABCD", evidence=Evidence.CLIENT),
        Firmware(name="1.8a", socket_digits=4, block_versions="ABC", evidence=Evidence.INFERRED),
        Firmware(name="1.7", socket_digits=2, block_versions="ABC", evidence=Evidence.INFERRED),
    )
}

"""What a Futurex can do with keys under its PMK, and how one is asked."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.capabilities import (
    AES,
    CURVES,
    RSA,
    TDES,
    Capability,
    Device,
    MasterKey,
    Protocol,
    Role,
)
from keyferry.hsm.commands import Evidence
from keyferry.hsm.futurex.driver import FuturexDriver
from keyferry.keys import KeyAlgorithm

_PMK: Final = frozenset({MasterKey.PMK})
_SAMPLES: Final = "AWS samples, on firmware 7.4 and 7.6"
_CERTIFICATES: Final = ("ASGC", "ASYR", "ASSR", "AVPC")


def _row(
    protocol: Protocol,
    role: Role,
    commands: tuple[str, ...],
    *,
    wrapping: frozenset[KeyAlgorithm],
    block_versions: str = "BD",
    source: str = _SAMPLES,
) -> Capability:
    """Return a row of a device whose keys are under a PMK; only sending is seen of devices."""
    return Capability(
        protocol=protocol,
        role=role,
        master_keys=_PMK,
        commands=commands,
        algorithms=TDES | AES,
        wrapping=wrapping,
        block_versions=block_versions,
        evidence=Evidence.CLIENT if role is Role.SENDS else Evidence.INFERRED,
        source=source,
    )


CAPABILITIES: Final = (
    _row(
        Protocol.TR34,
        Role.SENDS,
        ("GRSA", *_CERTIFICATES, "GPGS", "TRTP"),
        wrapping=RSA,
        block_versions="D",
    ),
    _row(Protocol.TR31, Role.SENDS, ("GPGS", "TWKA"), wrapping=TDES | AES),
    _row(
        Protocol.ECDH,
        Role.SENDS,
        ("GPGS", "GECC", *_CERTIFICATES, "SDDH", "TWKA"),
        wrapping=CURVES,
    ),
    _row(
        Protocol.TR34,
        Role.RECEIVES,
        ("GRSA", *_CERTIFICATES, "TRTD"),
        wrapping=RSA,
        source="name of the command only; the layout is our simulator's",
    ),
    _row(
        Protocol.TR31,
        Role.RECEIVES,
        ("TWKM",),
        wrapping=TDES | AES,
        source="TWKM of a public client, with key blocks as TWKA has them",
    ),
    _row(
        Protocol.ECDH,
        Role.RECEIVES,
        ("GECC", *_CERTIFICATES, "SDDH", "TWKM"),
        wrapping=CURVES,
        source="SDDH of the AWS samples, TWKM of a public client",
    ),
)


async def ask_device(driver: FuturexDriver) -> Device:
    """
    Ask a Futurex: ECHO, the one status command that is public. Changes nothing.

    Firmware, major keys and enabled commands are not told by it; that keys are under a PMK is what
    the whole driver assumes.

    Raises:
        HSMError: it does not answer.
    """
    await driver.echo()
    return Device(
        family="futurex",
        master_keys=_PMK,
        told=(("answers (ECHO)", "yes; no public command tells firmware, PMK and settings"),),
    )

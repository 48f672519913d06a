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

_PMK: Final = frozenset({MasterKey.PMK})
_SAMPLES: Final = "AWS samples, on firmware 7.4 and 7.6"
_CERTIFICATES: Final = ("ASGC", "ASYR", "ASSR", "AVPC")

CAPABILITIES: Final = (
    Capability(
        protocol=Protocol.TR34,
        role=Role.SENDS,
        master_keys=_PMK,
        commands=("GRSA", *_CERTIFICATES, "GPGS", "TRTP"),
        algorithms=TDES | AES,
        wrapping=RSA,
        block_versions="D",
        evidence=Evidence.CLIENT,
        source=_SAMPLES,
    ),
    Capability(
        protocol=Protocol.TR31,
        role=Role.SENDS,
        master_keys=_PMK,
        commands=("GPGS", "TWKA"),
        algorithms=TDES | AES,
        wrapping=TDES | AES,
        block_versions="BD",
        evidence=Evidence.CLIENT,
        source=_SAMPLES,
    ),
    Capability(
        protocol=Protocol.ECDH,
        role=Role.SENDS,
        master_keys=_PMK,
        commands=("GPGS", "GECC", *_CERTIFICATES, "SDDH", "TWKA"),
        algorithms=TDES | AES,
        wrapping=CURVES,
        block_versions="BD",
        evidence=Evidence.CLIENT,
        source=_SAMPLES,
    ),
    Capability(
        protocol=Protocol.TR34,
        role=Role.RECEIVES,
        master_keys=_PMK,
        commands=("GRSA", *_CERTIFICATES, "TRTD"),
        algorithms=TDES | AES,
        wrapping=RSA,
        block_versions="BD",
        evidence=Evidence.INFERRED,
        source="name of the command only; the layout is our simulator's",
    ),
    Capability(
        protocol=Protocol.TR31,
        role=Role.RECEIVES,
        master_keys=_PMK,
        commands=("TWKM",),
        algorithms=TDES | AES,
        wrapping=TDES | AES,
        block_versions="BD",
        evidence=Evidence.INFERRED,
        source="TWKM of a public client, with key blocks as TWKA has them",
    ),
    Capability(
        protocol=Protocol.ECDH,
        role=Role.RECEIVES,
        master_keys=_PMK,
        commands=("GECC", *_CERTIFICATES, "SDDH", "TWKM"),
        algorithms=TDES | AES,
        wrapping=CURVES,
        block_versions="BD",
        evidence=Evidence.INFERRED,
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

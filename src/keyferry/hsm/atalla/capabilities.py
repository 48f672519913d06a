"""What an Atalla can do by the kind of its MFK, and how one is asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from keyferry.errors import HSMRefusedError
from keyferry.hsm.atalla.commands import COMMANDS
from keyferry.hsm.atalla.driver import AtallaDriver
from keyferry.hsm.capabilities import (
    RSA,
    TDES,
    Capability,
    Device,
    MasterKey,
    Protocol,
    Role,
)
from keyferry.hsm.commands import Evidence

_TDES_MFK: Final = frozenset({MasterKey.TDES_MFK})
_SAMPLES: Final = "AWS samples"
E2: Final = "E2"  # lets keys, key encryption keys among them, be output

CAPABILITIES: Final = (
    Capability(
        protocol=Protocol.TR34,
        role=Role.SENDS,
        master_keys=_TDES_MFK,
        commands=("12A", "120", "136", "139"),
        algorithms=TDES,
        wrapping=RSA,
        block_versions="B",
        evidence=Evidence.CLIENT,
        source=_SAMPLES,
    ),
    Capability(
        protocol=Protocol.TR31,
        role=Role.SENDS,
        master_keys=_TDES_MFK,
        commands=("11A",),
        algorithms=TDES,
        wrapping=TDES,
        block_versions="B",
        options=(E2,),
        evidence=Evidence.CLIENT,
        source=_SAMPLES,
    ),
)

_OPTION: Final = re.compile(r"\(([0-9A-F]{2})\)")
_COMMAND: Final = re.compile(r"(?<![0-9A-Za-z(])([0-9A-F]{2,4})(?![0-9A-Za-z)])")
_RELEASE: Final = re.compile(r"Version: ([0-9]{1,3}\.[0-9]{1,4})")
_LENGTHS: Final = {"D": "double", "T": "triple"}


async def ask_device(driver: AtallaDriver) -> Device:
    """
    Ask an Atalla: 1101, 9A KEY, 9A CONFIG-ON. Changes nothing.

    9A may be switched off; what it would tell is then unknown.

    Raises:
        HSMError: it does not answer.
    """
    said = await driver.status()
    release = _RELEASE.search(said.software)
    told = [("software (1101)", said.software)]
    master_keys = frozenset({MasterKey.TDES_MFK, MasterKey.AES_MFK})
    commands = options = None
    try:
        key = await driver.configuration("KEY")
        enabled = await driver.configuration("CONFIG-ON")
    except HSMRefusedError as error:
        told.append(("configuration (9A)", f"not told: error {error.code}"))
    else:
        length = _mfk_length(key)
        if length:
            master_keys = _TDES_MFK
            told.append(("MFK (9A KEY)", f"TDES, {length} length"))
        commands, options = _enabled(enabled)
        told.append(
            ("commands (9A CONFIG-ON)", f"{len(commands)} on" if commands else "not understood")
        )
        told.append(("options (9A CONFIG-ON)", ", ".join(sorted(options or ())) or "none"))
    return Device(
        family="atalla",
        master_keys=master_keys,
        firmware=release[1] if release else said.software,
        commands=commands,
        options=options,
        told=tuple(told),
    )


def _mfk_length(items: Sequence[str]) -> str:
    """The length of the MFK: the letter two places behind its name; empty if there is none."""
    for position, item in enumerate(items[:-2]):
        if item.upper().startswith("MFK"):
            return _LENGTHS.get(items[position + 2], "")
    return ""


def _enabled(items: Sequence[str]) -> tuple[frozenset[str] | None, frozenset[str] | None]:
    """
    Read commands and options out of CONFIG-ON, whose separators are not published.

    Without a single command that we know it is not understood, and nothing is concluded.
    """
    text = "#".join(items[2:])
    bare = re.sub(r"\([^)]*\)(=\"[^\"]*\")?", " ", text)
    commands = frozenset(_COMMAND.findall(bare)) & frozenset(COMMANDS)
    if not commands:
        return None, None
    return commands, frozenset(_OPTION.findall(text))

"""PIN verification, PVVs and IBM offsets: DA EA DC EC BC BE DE BK DG FW EE CU DU."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.fields import Fields, Run, Text, digits
from keyferry.hsm.groups import Group
from keyferry.hsm.payshield.commands import tails
from keyferry.hsm.payshield.commands.pin_fields import (
    CHECK_LENGTH,
    IBM,
    IBM_OF_BLOCK,
    MAX_PIN_LENGTH,
    NOT_SINGLE,
    OFFSET,
    PAN12,
    PIN,
    PIN_DIGITS,
    PVK,
    PVK_LENGTH,
    PVK_PAIR,
    PVKI,
    PVV,
    TABLE,
    VALIDATION,
    VERIFICATION,
    PINField,
    account,
    command,
    pin_block,
    pin_format,
)
from keyferry.hsm.payshield.key_field import KeyField

_LIBRARY: Final = "thalessimulatorlibrary"
_CODEC: Final = "ut-codec-payshield"
_CLIENT: Final = "Payshield_test"
_NEW_OFFSET: Final = Text("new_offset", 12, PIN_DIGITS)
_NEW_PVV: Final = digits("new_pvv", 4)
# The PAN to verify with, where it is not the one in the PIN block.
_VERIFICATION_PAN: Final = Group(
    b";", "verification PAN", (Run("verification_account", low=12, high=12),)
)


def _block(key: str) -> Fields:
    return (pin_block("block", key), pin_format("format"))


_TYPED_KEY: Final[Fields] = (tails.KEY_TYPE, KeyField("key"))


def _verify_ibm(code: str, key: str, evidence: tuple[Evidence, ...]) -> Command:
    return command(
        code,
        f"verify PIN by IBM offset ({key.upper()})",
        (KeyField(key), PVK, MAX_PIN_LENGTH, *_block(key), *IBM_OF_BLOCK, OFFSET),
        source=f"{_CODEC}, {_CLIENT}",
        evidence=evidence,
        errors={**VERIFICATION, **PVK_LENGTH},
        warnings=NOT_SINGLE,
        varying=("block", "account", "offset"),
    )


def _verify_pvv(code: str, key: str, evidence: tuple[Evidence, ...]) -> Command:
    return command(
        code,
        f"verify PIN by PVV ({key.upper()})",
        (KeyField(key), PVK_PAIR, *_block(key), account("format"), _VERIFICATION_PAN, PVKI, PVV),
        source=f"{_CODEC}, {_LIBRARY}",
        evidence=evidence,
        errors=VERIFICATION,
        varying=("block", "account", "pvv"),
    )


def _compare(code: str, key: str, evidence: tuple[Evidence, ...]) -> Command:
    return command(
        code,
        f"compare PIN with PIN under the LMK ({key.upper()})",
        (KeyField(key), *_block(key), account("format"), PIN),
        source=f"{_LIBRARY}, {_CLIENT}",
        evidence=evidence,
        errors=VERIFICATION,
    )


_CAPTURE: Final = (Evidence.CAPTURE,)
_VECTOR: Final = (Evidence.VECTOR, Evidence.SIMULATOR)
_SENT: Final = (Evidence.CLIENT, Evidence.SIMULATOR)
_SIMULATOR: Final = (Evidence.SIMULATOR,)

COMMANDS: Final = (
    _verify_ibm("DA", "tpk", _CAPTURE),
    _verify_ibm("EA", "zpk", _SENT),
    _verify_pvv("DC", "tpk", _VECTOR),
    _verify_pvv("EC", "zpk", _SENT),
    _compare("BC", "tpk", _SIMULATOR),
    _compare("BE", "zpk", _SENT),
    command(
        "DE",
        "generate IBM offset of a PIN under the LMK",
        (PVK, PIN, *IBM),
        (_NEW_OFFSET,),
        source=f"{_CODEC}, {_LIBRARY}",
        evidence=_SIMULATOR,
        errors=PVK_LENGTH,
        warnings=NOT_SINGLE,
    ),
    command(
        "BK",
        "generate IBM offset of a PIN block",
        (*_TYPED_KEY, PVK, *_block("key"), *IBM_OF_BLOCK),
        (_NEW_OFFSET,),
        source=_CODEC,
        evidence=(Evidence.FIELD_TABLE,),
        errors=PVK_LENGTH,
        warnings=NOT_SINGLE,
    ),
    command(
        "DG",
        "generate PVV of a PIN under the LMK",
        (PVK_PAIR, PIN, PAN12, PVKI),
        (_NEW_PVV,),
        source=f"{_LIBRARY}, {_CLIENT}",
        evidence=_VECTOR,
    ),
    command(
        "FW",
        "generate PVV of a PIN block",
        (*_TYPED_KEY, PVK_PAIR, *_block("key"), account("format"), PVKI),
        (_NEW_PVV,),
        source=_CODEC,
        evidence=(Evidence.FIELD_TABLE,),
    ),
    command(
        "EE",
        "derive PIN from IBM offset",
        (PVK, OFFSET, CHECK_LENGTH, PAN12, TABLE, VALIDATION),
        (PINField("sealed_pin"),),
        source=f"{_LIBRARY}, {_CLIENT}",
        evidence=_SENT,
        errors=PVK_LENGTH,
        warnings=NOT_SINGLE,
    ),
    command(
        "CU",
        "verify PIN and generate PVV of a new PIN",
        (
            *_TYPED_KEY,
            PVK_PAIR,
            *_block("key"),
            account("format"),
            PVKI,
            PVV,
            pin_block("new_block", "key"),
        ),
        (_NEW_PVV,),
        source=f"{_CODEC}, {_LIBRARY}",
        evidence=_VECTOR,
        errors=VERIFICATION,
    ),
    command(
        "DU",
        "verify PIN and generate IBM offset of a new PIN",
        (*_TYPED_KEY, PVK, *_block("key"), *IBM_OF_BLOCK, OFFSET, pin_block("new_block", "key")),
        (_NEW_OFFSET,),
        source=f"{_CODEC}, {_LIBRARY}",
        evidence=_SIMULATOR,
        errors={**VERIFICATION, **PVK_LENGTH},
        warnings=NOT_SINGLE,
    ),
)

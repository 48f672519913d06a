"""PIN verification from DUKPT: the legacy CK and CM, and GO and GQ with a MAC beside the PIN."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.fields import Fields, Number, Raw, Run, choice, digits, hexadecimal
from keyferry.hsm.groups import Group, When, equals
from keyferry.hsm.payshield.commands.pin_fields import (
    IBM,
    IBM_OF_BLOCK,
    KSN_DESCRIPTOR,
    NOT_SINGLE,
    OFFSET,
    PAN12,
    PVK,
    PVK_LENGTH,
    PVK_PAIR,
    PVKI,
    PVV,
    VERIFICATION,
    account,
    command,
    ksn,
    pin_block,
    pin_format,
)
from keyferry.hsm.payshield.key_field import KeyField

_LIBRARY: Final = "thalessimulatorlibrary"
_PROXY: Final = "aws-payment-cryptography-hsm-proxy"

_SERIAL: Final[Fields] = (KSN_DESCRIPTOR, ksn("ksn", "bdk"), pin_block("block", "bdk"))
_BDK: Final = KeyField("bdk", bare=32)
_PVV: Final[Fields] = (
    account("format"),
    Group(b";", "verification PAN", (Run("verification_account", low=12, high=12),)),
    PVKI,
    PVV,
)

# How a MAC is cut: whole, left half, right half; the numbering of GW, which verifies with 1 to 3.
MAC_MODES: Final = {"1": 16, "2": 8, "3": 8}


def _mac_characters(values: object) -> int:
    mode = values.get("mac_mode") if isinstance(values, dict) else None
    return MAC_MODES.get(str(mode), 16)


def _with_mac(code: str, name: str, pvk: KeyField, data: Fields) -> Command:
    warnings = NOT_SINGLE if code == "GO" else frozenset[str]()
    return command(
        code,
        name,
        (
            choice("mode", "0", "1", reply="03"),
            When(
                equals("mode", "1"),
                (choice("mac_mode", *MAC_MODES, reply="05"), choice("mac_method", "1", reply="06")),
            ),
            _BDK,
            pvk,
            *_SERIAL,
            pin_format("format"),
            *data,
            When(
                equals("mode", "1"),
                (
                    hexadecimal("mac", _mac_characters),
                    Number("length", 4, counts="message"),
                    Raw("message", "length", short="80"),
                ),
            ),
        ),
        (When(equals("mode", "1"), (digits("mac_result", 2),)),),
        source=_PROXY,
        evidence=(Evidence.PARSER,),
        errors={
            **VERIFICATION,
            **(PVK_LENGTH if code == "GO" else {}),
            "03": "invalid mode",
            "05": "invalid MAC mode",
            "06": "invalid MAC method",
            "80": "data length error",
        },
        warnings=warnings,
    )


COMMANDS: Final = (
    command(
        "CK",
        "verify DUKPT PIN by IBM offset (legacy)",
        (_BDK, PVK, *_SERIAL, *IBM, OFFSET),
        source=_LIBRARY,
        evidence=(Evidence.VECTOR, Evidence.SIMULATOR),
        errors=VERIFICATION,
    ),
    command(
        "CM",
        "verify DUKPT PIN by PVV (legacy)",
        (_BDK, PVK_PAIR, *_SERIAL, PAN12, PVKI, PVV),
        source=_LIBRARY,
        evidence=(Evidence.SIMULATOR,),
        errors=VERIFICATION,
    ),
    _with_mac("GO", "verify DUKPT PIN by IBM offset, with MAC", PVK, (*IBM_OF_BLOCK, OFFSET)),
    _with_mac("GQ", "verify DUKPT PIN by PVV, with MAC", PVK_PAIR, _PVV),
)

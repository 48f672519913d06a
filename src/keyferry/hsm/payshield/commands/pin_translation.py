"""PIN blocks from key to key: CA, CC, and out of DUKPT CI and G0."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Evidence
from keyferry.hsm.fields import Fields, Number, Terminated, choice, hexadecimal
from keyferry.hsm.groups import Group, When, given
from keyferry.hsm.payshield.commands.pin_fields import (
    KSN_DESCRIPTOR,
    MAX_PIN_LENGTH,
    BDKFlag,
    account,
    block_size,
    command,
    ksn,
    pin_block,
    pin_format,
)
from keyferry.hsm.payshield.key_field import KeyField

_LIBRARY: Final = "thalessimulatorlibrary"
_CODEC: Final = "ut-codec-payshield"

_TRANSLATED: Final[Fields] = (
    Number("pin_length", 2),
    hexadecimal("new_block", block_size("destination")),
    choice("new_format", "01", "03", "05", "47", "48"),
)
_FORMATS: Final[Fields] = (
    pin_format("source_format"),
    pin_format("destination_format"),
    account("source_format", "destination_format"),
)
_DESTINATION_KSN: Final[Fields] = (
    hexadecimal("destination_descriptor", 3),
    ksn("destination_ksn", "destination"),
)

CA: Final = command(
    "CA",
    "translate PIN from TPK to ZPK or BDK",
    (
        KeyField("source"),
        BDKFlag("destination_flag"),
        KeyField("destination"),
        When(given("destination_flag"), _DESTINATION_KSN),
        MAX_PIN_LENGTH,
        pin_block("block", "source"),
        *_FORMATS,
    ),
    _TRANSLATED,
    source=f"{_CODEC}, {_LIBRARY}",
    evidence=(Evidence.VECTOR, Evidence.SIMULATOR),
    varying=("block", "account"),
)

CC: Final = command(
    "CC",
    "translate PIN from ZPK to ZPK",
    (
        KeyField("source"),
        KeyField("destination"),
        MAX_PIN_LENGTH,
        pin_block("block", "source"),
        *_FORMATS,
    ),
    _TRANSLATED,
    source=f"{_CODEC}, Payshield_test",
    evidence=(Evidence.CAPTURE, Evidence.CLIENT),
    varying=("block", "account"),
)

CI: Final = command(
    "CI",
    "translate PIN from DUKPT to ZPK (legacy)",
    (
        KeyField("bdk", bare=32),
        KeyField("destination"),
        KSN_DESCRIPTOR,
        ksn("ksn", "bdk"),
        pin_block("block", "bdk"),
        pin_format("destination_format"),
        account("destination_format"),
    ),
    _TRANSLATED,
    source=_LIBRARY,
    evidence=(Evidence.VECTOR, Evidence.SIMULATOR),
    varying=("ksn", "block", "account"),
)

G0: Final = command(
    "G0",
    "translate PIN from DUKPT to DUKPT or ZPK",
    (
        BDKFlag("bdk_flag"),
        KeyField("bdk", bare=32),
        BDKFlag("destination_flag"),
        KeyField("destination"),
        KSN_DESCRIPTOR,
        ksn("ksn", "bdk"),
        When(given("destination_flag"), _DESTINATION_KSN),
        pin_block("block", "bdk"),
        *_FORMATS,
        Group(b";", "destination account", (Terminated("destination_pan", b";", high=19),)),
    ),
    _TRANSLATED,
    source="aws-payment-cryptography-hsm-proxy",
    evidence=(Evidence.PARSER,),
    varying=("ksn", "block", "account"),
)

COMMANDS: Final = (CA, CC, CI, G0)

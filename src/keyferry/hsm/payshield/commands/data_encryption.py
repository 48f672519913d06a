"""Data encryption: M0 and M2, M4 from key to key, HE and HG for one block."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.fields import Fields, choice, hexadecimal
from keyferry.hsm.groups import When, equals
from keyferry.hsm.payshield.commands.messages import LENGTH, OUTPUT, Message, data_format, iv
from keyferry.hsm.payshield.commands.pin_fields import command, ksn
from keyferry.hsm.payshield.key_field import KeyField, WireKey
from keyferry.hsm.payshield.key_types import BDK_TYPE_CODES, BDK_USAGES
from keyferry.hsm.values import Values

MODES: Final = ("00", "01", "02", "03", "05")  # ECB, CBC, CFB8, CFB64, OFB
WITH_IV: Final = ("01", "02", "03", "05")
_BDK_TYPES: Final = frozenset(BDK_TYPE_CODES.values())
_BDK_USAGES: Final = frozenset(usage for usages in BDK_USAGES.values() for usage in usages)

_SOURCE: Final = "ut-codec-payshield, payshield-rest-api"
_ERRORS: Final = {
    "02": "invalid mode",
    "03": "invalid input format",
    "04": "invalid output format",
    "05": "invalid key type",
    "06": "invalid message length",
    "35": "invalid message format",
}


def _mode(name: str) -> Fields:
    return (choice(name, *MODES, reply="02"),)


def _key(prefix: str) -> Fields:
    """Return a key with its type, and the serial number a BDK needs."""

    def is_bdk(values: Values) -> bool:
        key = values.get(f"{prefix}key")
        is_type = values.get(f"{prefix}key_type") in _BDK_TYPES
        return is_type or (isinstance(key, WireKey) and key.usage in _BDK_USAGES)

    return (
        hexadecimal(f"{prefix}key_type", 3),
        KeyField(f"{prefix}key"),
        When(is_bdk, (hexadecimal(f"{prefix}descriptor", 3), ksn(f"{prefix}ksn", f"{prefix}key"))),
    )


def _crypt(code: str, name: str, evidence: tuple[Evidence, ...]) -> Command:
    return command(
        code,
        name,
        (
            *_mode("mode"),
            data_format("input_format", "03"),
            data_format("output_format", "04"),
            *_key(""),
            When(equals("mode", *WITH_IV), (iv("iv", "key"),)),
            LENGTH,
            Message(),
        ),
        (When(equals("mode", *WITH_IV), (iv("next_iv", "key"),)), *OUTPUT),
        source=_SOURCE,
        evidence=evidence,
        errors=_ERRORS,
    )


M0: Final = _crypt("M0", "encrypt data", (Evidence.CAPTURE, Evidence.CLIENT))
M2: Final = _crypt("M2", "decrypt data", (Evidence.CLIENT,))

M4: Final = command(
    "M4",
    "re-encrypt data from key to key",
    (
        *_mode("source_mode"),
        *_mode("destination_mode"),
        data_format("input_format", "03"),
        data_format("output_format", "04"),
        *_key("source_"),
        *_key("destination_"),
        When(equals("source_mode", *WITH_IV), (iv("source_iv", "source_key"),)),
        When(equals("destination_mode", *WITH_IV), (iv("destination_iv", "destination_key"),)),
        LENGTH,
        Message(),
    ),
    (When(equals("destination_mode", *WITH_IV), (iv("next_iv", "destination_key"),)), *OUTPUT),
    source=_SOURCE,
    evidence=(Evidence.CAPTURE,),
    errors=_ERRORS,
)

HE: Final = command(
    "HE",
    "encrypt one block under a TAK",
    (KeyField("tak"), hexadecimal("block", 16)),
    (hexadecimal("new_block", 16),),
    source="thalessimulatorlibrary",
    evidence=(Evidence.SIMULATOR,),
)

HG: Final = command(
    "HG",
    "decrypt one block under a TAK",
    (KeyField("tak"), hexadecimal("block", 16)),
    (hexadecimal("new_block", 16),),
    source="thalessimulatorlibrary",
    evidence=(Evidence.SIMULATOR,),
)

COMMANDS: Final = (M0, M2, M4, HE, HG)

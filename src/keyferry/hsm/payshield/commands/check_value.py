"""Key check values: BU, and the legacy KA."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.fields import REST, Constant, choice, digits, hexadecimal
from keyferry.hsm.groups import Group, When, equals
from keyferry.hsm.payshield.commands import tails
from keyferry.hsm.payshield.key_field import KeyField
from keyferry.hsm.values import Values

_BARE_BY_FLAG = {"0": 16, "1": 32, "2": 48, "3": 48}


def _bare(values: Values) -> int:
    return _BARE_BY_FLAG.get(values.text("length_flag"), 16)


KCV_TYPE: Final = Group(
    b";", "check value group", (digits("reserved", 2), choice("kcv_type", "0", "1"))
)

BU: Final = Command(
    code="BU",
    response_code="BV",
    name="generate key check value",
    request=(
        hexadecimal("type_code", 2),
        choice("length_flag", "0", "1", "2", "3", "F", reply="05"),
        KeyField("key", bare=_bare),
        When(equals("type_code", "FF"), (Group(b";", "key type", (hexadecimal("key_type", 3),)),)),
        Group(
            b";", "check value group", (Constant("reserved", b"00"), choice("kcv_type", "0", "1"))
        ),
        tails.LMK,
    ),
    response=(hexadecimal("kcv", REST),),
    source="ut-codec-payshield, payshield-rest-api",
    evidence=(Evidence.CAPTURE, Evidence.CLIENT),
    errors={"05": "invalid key length flag"},
)

KA: Final = Command(
    code="KA",
    response_code="KB",
    name="generate key check value (legacy)",
    request=(
        KeyField("key", bare=32),
        choice("type_code", "00", "01", "02", "03", reply="04"),
        KCV_TYPE,
        tails.LMK,
    ),
    response=(hexadecimal("kcv", REST),),
    source="aws-payment-cryptography-hsm-proxy",
    evidence=(Evidence.PARSER,),
    errors={"04": "invalid key type code"},
)

COMMANDS: Final = (BU, KA)

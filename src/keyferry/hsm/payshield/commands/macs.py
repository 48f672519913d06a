"""MACs: M6 and M8, MY, the legacy C2 and C4, GW out of DUKPT."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.fields import REST, Fields, Number, Raw, choice, hexadecimal
from keyferry.hsm.groups import When, equals
from keyferry.hsm.payshield.commands.messages import LENGTH, Message, data_format, iv
from keyferry.hsm.payshield.commands.pin_fields import (
    KSN_DESCRIPTOR,
    VERIFICATION,
    command,
    is_aes,
    ksn,
)
from keyferry.hsm.payshield.key_field import KeyField
from keyferry.hsm.values import Values

ONLY, FIRST, MIDDLE, LAST = "0", "1", "2", "3"

_PROXY: Final = "aws-payment-cryptography-hsm-proxy"
_ERRORS: Final = {
    "02": "invalid mode",
    "03": "invalid input format",
    "04": "invalid MAC size",
    "05": "invalid algorithm or key type",
    "06": "invalid message length",
    "09": "invalid padding method",
}
_PARSER: Final = (Evidence.PARSER,)


def _mode(reply: str = "02") -> Fields:
    return (choice("mode", ONLY, FIRST, MIDDLE, LAST, reply=reply),)


def _algorithm(prefix: str = "") -> Fields:
    return (
        choice(f"{prefix}size", "0", "1", reply="04"),
        choice(f"{prefix}algorithm", "1", "3", "5", "6", reply="05"),
        choice(f"{prefix}padding", "0", "1", "2", "3", reply="09"),
        hexadecimal(f"{prefix}key_type", 3),
        KeyField(f"{prefix}key"),
    )


def _mac_characters(values: Values) -> int:
    return 8 if values.get("size") == "0" else 16


def _in_mac_characters(values: Values) -> int:
    return 8 if values.get("in_size") == "0" else 16


_ARGUMENTS: Final[Fields] = (
    *_mode(),
    data_format("input_format", "03"),
    *_algorithm(),
    When(equals("mode", MIDDLE, LAST), (iv("iv", "key"),)),
    LENGTH,
)


def _answer_characters(values: Values) -> int:
    if values.get("mode") in (ONLY, LAST):
        return _mac_characters(values)
    return 32 if is_aes(values, "key") else 16


M6: Final = command(
    "M6",
    "generate MAC",
    (*_ARGUMENTS, Message()),
    # Where the message goes on, the answer is the vector for its next part.
    (hexadecimal("new_mac", _answer_characters),),
    source="ut-codec-payshield",
    evidence=(Evidence.CAPTURE,),
    errors=_ERRORS,
    varying=("message",),
)

M8: Final = command(
    "M8",
    "verify MAC",
    (
        *_ARGUMENTS,
        Message(after=lambda values: _mac_characters(values) if _ends(values) else 0),
        When(equals("mode", ONLY, LAST), (hexadecimal("mac", _mac_characters),)),
    ),
    (
        When(
            equals("mode", FIRST, MIDDLE),
            (hexadecimal("next_iv", lambda values: 32 if is_aes(values, "key") else 16),),
        ),
    ),
    source="ut-codec-payshield",
    evidence=(Evidence.CAPTURE,),
    errors={**VERIFICATION, **_ERRORS},
    varying=("message", "mac"),
)


def _ends(values: Values) -> bool:
    return values.get("mode") in (ONLY, LAST)


MY: Final = command(
    "MY",
    "verify MAC and generate another",
    (
        choice("mode", ONLY, reply="02"),
        data_format("input_format", "03"),
        *_algorithm("in_"),
        *_algorithm("out_"),
        LENGTH,
        Message(after=_in_mac_characters),
        hexadecimal("mac", _in_mac_characters),
    ),
    (hexadecimal("new_mac", lambda values: 8 if values.get("out_size") == "0" else 16),),
    source=_PROXY,
    evidence=_PARSER,
    errors={**VERIFICATION, **_ERRORS},
)


def _legacy(code: str, name: str, *, verifies: bool) -> Command:
    blocks = (ONLY, LAST) if verifies else (ONLY, FIRST, MIDDLE, LAST)
    arguments: Fields = (
        choice("mode", *blocks, reply="02"),
        choice("key_flag", "0", "1", reply="05"),
        choice("method", "0", "1", "2", "3", reply="03"),
        choice("input_format", "0", "1", reply="04"),
        KeyField("key"),
        When(equals("mode", MIDDLE, LAST), (hexadecimal("iv", 16),)),
        LENGTH,
        Message(after=8 if verifies else 0),
    )
    return command(
        code,
        name,
        (*arguments, hexadecimal("mac", 8)) if verifies else arguments,
        () if verifies else (hexadecimal("new_mac", REST),),
        source=_PROXY,
        evidence=_PARSER,
        errors={
            **(VERIFICATION if verifies else {}),
            "02": "invalid block number",
            "03": "invalid mode",
            "04": "invalid message type",
            "05": "invalid key type",
            "06": "invalid message length",
        },
    )


C2: Final = _legacy("C2", "generate MAC (legacy)", verifies=False)
C4: Final = _legacy("C4", "verify MAC (legacy)", verifies=True)

# Of GW: three verify and three generate; the letters are the same for other types of BDK.
_GW_MODES: Final = "123456ABCDEFGHIJKL"
GW_VERIFIES: Final = frozenset("123ABCGHI")
GW_WHOLE: Final = frozenset("14ADGJ")
GW_RIGHT: Final = frozenset("36CFIL")


def _gw_characters(values: Values) -> int:
    return 16 if values.get("mode") in GW_WHOLE else 8


GW: Final = command(
    "GW",
    "generate or verify DUKPT MAC",
    (
        choice("mode", *_GW_MODES, reply="04"),
        choice("method", "1", reply="05"),
        KeyField("bdk", bare=32),
        KSN_DESCRIPTOR,
        ksn("ksn", "bdk"),
        When(
            lambda values: values.get("mode") in GW_VERIFIES,
            (hexadecimal("mac", _gw_characters),),
        ),
        Number("length", 4, counts="message"),
        Raw("message", "length", short="80"),
    ),
    (
        When(
            lambda values: values.get("mode") not in GW_VERIFIES,
            (hexadecimal("new_mac", _gw_characters),),
        ),
    ),
    source="ut-codec-payshield, payshield-rest-api",
    evidence=(Evidence.CAPTURE, Evidence.CLIENT),
    errors={
        **VERIFICATION,
        "04": "invalid mode",
        "05": "invalid MAC method",
        "80": "data length error",
    },
)

COMMANDS: Final = (M6, M8, MY, C2, C4, GW)

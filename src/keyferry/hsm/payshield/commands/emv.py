"""EMV: KQ (proprietary session keys) and KW (EMV2000 and common session keys)."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Evidence
from keyferry.hsm.fields import Constant, Fields, Number, Raw, choice
from keyferry.hsm.groups import IfMore, When, equals
from keyferry.hsm.payshield.commands.pin_fields import VERIFICATION, command
from keyferry.hsm.payshield.key_field import KeyField

_DATA: Final[Fields] = (
    Number("data_length", 2, base=16, counts="data", low=1, reply="80"),
    Raw("data", "data_length"),
    Constant("delimiter", b";"),
)
_PAN: Final = Raw("pan_psn", 8)
_ERRORS: Final = {
    **VERIFICATION,
    "03": "invalid mode",
    "04": "invalid scheme",
    "80": "data length error",
}
# After error 01 the correct cryptogram may stand here; a response that went well has an ARPC or
# nothing.
_ARPC: Final = IfMore((Raw("arpc", 8),))

KQ: Final = command(
    "KQ",
    "verify ARQC and generate ARPC (static and proprietary session keys)",
    (
        choice("mode", "0", "1", "2", "3", "4", reply="03"),
        choice("scheme", "0", "1", "2", reply="04"),
        KeyField("mk_ac", bare=32),
        When(equals("mode", "3", "4"), (KeyField("mk_smi", bare=32),)),
        _PAN,
        Raw("atc", 2),
        Raw("unpredictable_number", 4),
        When(equals("mode", "0", "1", "3", "4"), _DATA),
        Raw("arqc", 8),
        When(equals("mode", "1", "2", "4"), (Raw("arc", 2),)),
        When(
            equals("mode", "3", "4"),
            (
                Raw("discretionary_mac", 4),
                Number("discretionary_length", 2, base=16, counts="discretionary", low=1),
                Raw("discretionary", "discretionary_length"),
            ),
        ),
    ),
    (_ARPC,),
    source="ut-codec-payshield",
    evidence=(Evidence.CAPTURE, Evidence.FIELD_TABLE),
    errors=_ERRORS,
)

_EMV2000: Final = ("0", "1")
_OPTION_B: Final = ("1", "3")
METHOD_1: Final = ("1", "2")
METHOD_2: Final = ("3", "4")

KW: Final = command(
    "KW",
    "verify ARQC and generate ARPC (EMV session keys)",
    (
        choice("mode", "0", "1", "2", "3", "4", reply="03"),
        choice("scheme", "0", "1", "2", "3", reply="04"),
        KeyField("mk_ac", bare=32),
        When(equals("scheme", *_EMV2000), (Raw("iv_ac", 16),)),
        When(
            equals("scheme", *_OPTION_B),
            (
                Number("pan_length", 2, low=8, high=11, counts="pan_psn"),
                Raw("pan_psn", "pan_length"),
                Constant("PAN delimiter", b";"),
            ),
            otherwise=(_PAN,),
        ),
        When(equals("scheme", *_EMV2000), (choice("tree", "0", "1", reply="52"),)),
        Raw("atc", 2),
        When(equals("mode", "0", "1", "3"), _DATA),
        Raw("arqc", 8),
        When(equals("mode", *METHOD_1), (Raw("arc", 2),)),
        When(
            equals("mode", *METHOD_2),
            (
                Raw("csu", 4),
                Number("proprietary_length", 1, high=8, counts="proprietary"),
                Raw("proprietary", "proprietary_length"),
            ),
        ),
    ),
    (_ARPC,),
    source="ut-codec-payshield",
    evidence=(Evidence.CAPTURE, Evidence.INFERRED),
    errors={**_ERRORS, "52": "invalid branch and height"},
)

COMMANDS: Final = (KQ, KW)

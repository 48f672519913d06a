"""Keys on their way: A6 import, A8 export, BW old LMK to new, B0 scheme to scheme, BS, CS."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.fields import Constant, choice, hexadecimal
from keyferry.hsm.groups import Group, IfMore, When, equals
from keyferry.hsm.payshield.commands import tails
from keyferry.hsm.payshield.key_field import KeyField, Under, WireKey
from keyferry.hsm.values import Values


def _is_tr31(values: Values) -> bool:
    key = values.get("wrapped_key")
    return isinstance(key, WireKey) and key.scheme == "R"


A6: Final = Command(
    code="A6",
    response_code="A7",
    name="import key",
    request=(
        tails.KEY_TYPE,
        KeyField("zmk", bare=tails.zmk_bare),
        KeyField("wrapped_key", under=Under.ZMK),
        tails.scheme("lmk_scheme"),
        tails.ATALLA,
        tails.LMK,
        When(
            _is_tr31,
            (tails.new_header(tails.usage("header"), most=6),),
            otherwise=(tails.WRAPPED_HEADER,),
        ),
    ),
    response=(KeyField("new_key"), hexadecimal("kcv", 6)),
    source="ut-codec-payshield, payshield-rest-api",
    evidence=(Evidence.CAPTURE, Evidence.FIELD_TABLE),
    errors={
        "01": "imported key had bad parity, it was adjusted",
        "10": "ZMK parity error",
        "11": "imported key is all zeros",
    },
    warnings=frozenset({"01"}),
)

A8: Final = Command(
    code="A8",
    response_code="A9",
    name="export key",
    request=(
        tails.KEY_TYPE,
        tails.ZMKFlag(),
        KeyField("zmk", bare=tails.zmk_bare),
        KeyField("key"),
        tails.scheme("zmk_scheme"),
        tails.ATALLA,
        tails.LMK,
        tails.EXPORT,
        tails.BLOCK_VERSION,
    ),
    response=(KeyField("exported_key", under=Under.ZMK), hexadecimal("kcv", 6)),
    source="ut-codec-payshield, AWS samples",
    evidence=(Evidence.CAPTURE, Evidence.CLIENT),
    errors={"10": "ZMK or TMK parity error", "11": "key parity error"},
)

BW: Final = Command(
    code="BW",
    response_code="BX",
    name="translate key from old LMK to new LMK",
    request=(
        hexadecimal("type_code", 2),
        choice("length_flag", "0", "1", "2", "3", "F", reply="05"),
        KeyField("key", under=Under.OLD_LMK),
        When(equals("type_code", "FF"), (Group(b";", "key type", (hexadecimal("key_type", 3),)),)),
        Group(
            b";",
            "scheme group",
            (
                Constant("reserved", b"0"),
                tails.scheme("lmk_scheme"),
                Constant("reserved", b"0"),
            ),
        ),
        tails.LMK,
        tails.WRAPPED_HEADER,
        Group(
            b"!", "check value group", (choice("kcv_flag", "0", "1"), choice("kcv_type", "0", "1"))
        ),
    ),
    response=(
        KeyField("new_key", bare=tails.bare_of("key")),
        # A captured answer lacks the check value it was asked for: its absence is no error.
        When(equals("kcv_flag", "1"), (IfMore((hexadecimal("kcv", 6),)),)),
    ),
    source="ut-codec-payshield, payshield-rest-api",
    evidence=(Evidence.CAPTURE, Evidence.FIELD_TABLE),
    errors={
        "04": "invalid key type code",
        "05": "invalid key length flag",
        "44": "migration of key type 002 not allowed",
        "45": "bad destination key type for migration",
    },
)

B0: Final = Command(
    code="B0",
    response_code="B1",
    name="translate key scheme",
    request=(
        tails.KEY_TYPE,
        KeyField("key", bare=32),
        tails.scheme("lmk_scheme"),
        tails.LMK,
    ),
    response=(KeyField("new_key", bare=32),),
    source="thalessimulatorlibrary",
    evidence=(Evidence.SIMULATOR,),
)

BS: Final = Command(
    code="BS",
    response_code="BT",
    name="erase key change storage",
    request=(tails.LMK,),
    source="ut-codec-payshield",
    evidence=(Evidence.CAPTURE,),
)

CS: Final = Command(
    code="CS",
    response_code="CT",
    name="modify key block header",
    request=None,
    source="name and error codes only",
    evidence=(Evidence.INFERRED,),
    errors={"B7": "invalid change field", "B8": "invalid old value", "B9": "invalid new value"},
    repeatable=False,
)

COMMANDS: Final = (A6, A8, BW, B0, BS, CS)

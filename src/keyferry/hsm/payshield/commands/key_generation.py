"""Making keys: A0 generate, derive, export in one; A4 form from components."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.fields import Number, choice, hexadecimal
from keyferry.hsm.groups import Repeat, When, equals
from keyferry.hsm.payshield.commands import tails
from keyferry.hsm.payshield.key_field import KeyField, Under, WireKey
from keyferry.hsm.values import Values

BDK_BLOCK_USAGES: Final = ("B0", "41", "42", "43")


def ksn_size(values: Values) -> int:
    """Return the hex characters of a KSN without its counter: 16 under an AES BDK, else 15."""
    key = values.get("dukpt_key")
    return 16 if isinstance(key, WireKey) and key.algorithm == "A" else 15


def wrapped_under_bdk(values: Values) -> bool:
    """Whether the wrapping key of an A0 is a BDK, so that the KSN it stands at follows."""
    key = values.get("zmk")
    return isinstance(key, WireKey) and key.usage in BDK_BLOCK_USAGES


A0: Final = Command(
    code="A0",
    response_code="A1",
    name="generate key",
    request=(
        choice("mode", "0", "1", "A", "B"),
        tails.KEY_TYPE,
        tails.scheme("lmk_scheme"),
        When(
            equals("mode", "A", "B"),
            (
                choice("derive_mode", "0", "1"),
                When(
                    equals("derive_mode", "0"),
                    (
                        choice("dukpt_type", "1", "2", "3", "4"),
                        KeyField("dukpt_key", bare=32),
                        hexadecimal("ksn", ksn_size),
                    ),
                    otherwise=(
                        hexadecimal("zka_type", 3),
                        KeyField("zka_key", bare=32),
                        choice("zka_option", "0", "1"),
                        When(equals("zka_option", "0"), (hexadecimal("rndi", 32),)),
                    ),
                ),
            ),
        ),
        When(
            equals("mode", "1", "B"),
            (
                tails.ZMKFlag(),
                KeyField("zmk", bare=tails.zmk_bare),
                When(wrapped_under_bdk, (hexadecimal("zmk_ksn", 16),)),
                tails.scheme("zmk_scheme"),
                tails.ATALLA,
            ),
        ),
        tails.LMK,
        tails.GENERATED_HEADER,
        tails.EXPORT,
        tails.BLOCK_VERSION,
    ),
    response=(
        KeyField("new_key"),
        When(equals("mode", "1", "B"), (KeyField("exported_key", under=Under.ZMK),)),
        hexadecimal("kcv", 6),
        When(equals("zka_option", "1"), (hexadecimal("chosen_rndi", 32),)),
    ),
    source="ut-codec-payshield, payshield-rest-api, AWS samples",
    evidence=(Evidence.CAPTURE, Evidence.FIELD_TABLE, Evidence.CLIENT),
    errors={"07": "invalid ZKA master key type", "10": "ZMK or TMK parity error"},
)

A4: Final = Command(
    code="A4",
    response_code="A5",
    name="form key from components",
    request=(
        Number("component_count", 1, low=2, high=9, reply="03", counts="components"),
        tails.KEY_TYPE,
        tails.scheme("lmk_scheme"),
        Repeat("components", (KeyField("component"),), "component_count"),
        tails.LMK,
        tails.SHORT_HEADER,
    ),
    response=(KeyField("new_key"), hexadecimal("kcv", 6)),
    source="ut-codec-payshield",
    evidence=(Evidence.CAPTURE,),
    errors={"03": "invalid number of components", "10": "component parity error"},
)

COMMANDS: Final = (A0, A4)

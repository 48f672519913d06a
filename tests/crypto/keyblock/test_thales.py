"""The header of Thales S blocks."""

from __future__ import annotations

import pytest

from keyferry.crypto.keyblock import (
    Algorithm,
    Exportability,
    ModeOfUse,
    OptionalBlock,
    ThalesHeader,
    ThalesVersion,
)
from keyferry.errors import MalformedKeyBlockError

# Captured from devices.
UNDER_TDES = "S00072K0TB00E0001FB8A4952BFE42179AB8D79A81943DF1FAD67CF015117EE8528E79900"
UNDER_AES = (
    "S10096B0AN00S000156B82A787599FA184E25CC67CD24EC67"
    "E213A6F95808FF9630E5133D4441E445BCD6A901A898186F"
)


def test_header_of_a_kek_under_a_tdes_lmk() -> None:
    """Every field comes from its place; the LMK identifier from the last two characters."""
    header = ThalesHeader.parse(UNDER_TDES)
    assert header == ThalesHeader(
        version=ThalesVersion.TDES_LMK,
        usage="K0",
        algorithm=Algorithm.TDES,
        mode=ModeOfUse.BOTH_DIRECTIONS,
        exportability=Exportability.EXPORTABLE,
        lmk_id="01",
    )
    assert header.length == 72 == len(UNDER_TDES) - 1
    assert header.encode() == UNDER_TDES[1:17]


def test_header_of_a_bdk_under_an_aes_lmk() -> None:
    """The scheme letter may be there or not."""
    header = ThalesHeader.parse(UNDER_AES)
    assert header == ThalesHeader.parse(UNDER_AES[1:])
    assert (header.version, header.usage, header.mode) == (ThalesVersion.AES_LMK, "B0", "N")
    assert header.length == 96 == len(UNDER_AES) - 1


def test_optional_blocks() -> None:
    """They stand between header and key, without fill."""
    header = ThalesHeader.parse("S10112B0TX00S0200" + "LB06ab" + "ZZ05x" + "0" * 96)
    assert header.optional_blocks == (OptionalBlock("LB", "ab"), OptionalBlock("ZZ", "x"))
    assert header.encode() == "10112B0TX00S0200LB06abZZ05x"
    made = ThalesHeader(
        version=ThalesVersion.AES_LMK,
        usage="72",
        algorithm=Algorithm.TDES,
        mode=ModeOfUse.NO_RESTRICTIONS,
        lmk_id="FF",
        optional_blocks=(OptionalBlock("LB", "x"),),
    )
    assert made.encode() == "1002172TN00N01FFLB05x"
    assert ThalesHeader.parse("S" + made.encode()) == made


@pytest.mark.parametrize(
    ("offset", "replacement", "field"),
    [
        (0, "2", "version"),
        (0, "D", "version"),
        (1, "00x2", "length"),
        (5, "k0", "key usage"),
        (7, "Z", "algorithm"),
        (8, "!", "mode of use"),
        (9, "cX", "key version"),
        (11, "X", "exportability"),
        (12, "0x", "optional block count"),
        (14, "!!", "LMK identifier"),
    ],
)
def test_refuses_a_bad_field_by_name_and_offset(offset: int, replacement: str, field: str) -> None:
    """Offsets count from the version, as the manuals do."""
    text = UNDER_TDES[1 : 1 + offset] + replacement + UNDER_TDES[1 + offset + len(replacement) :]
    with pytest.raises(MalformedKeyBlockError) as caught:
        ThalesHeader.parse(text)
    assert (caught.value.field, caught.value.offset) == (field, offset)


@pytest.mark.parametrize("text", ["", "S", "S0007", "S" + "\u20ac" * 16, "S0007\n" + "2" * 11])
def test_refuses_what_is_no_header(text: str) -> None:
    """Too short, or not printable ASCII."""
    with pytest.raises(MalformedKeyBlockError):
        ThalesHeader.parse(text)


def test_refuses_a_length_of_five_digits() -> None:
    """The length field has four digits."""
    with pytest.raises(MalformedKeyBlockError, match="at most 9999"):
        ThalesHeader.parse(UNDER_AES).encode(length=10000)

"""Headers: what is read is what was written, and nothing else is read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.crypto.keyblock import (
    Algorithm,
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    ModeOfUse,
    OptionalBlock,
)
from keyferry.errors import MalformedKeyBlockError, UnsupportedKeyBlockError

GOOD = "D0112P0TE00E0000"
CAPITALS_AND_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
PAIRS = st.text(CAPITALS_AND_DIGITS, min_size=2, max_size=2)
# Ids whose content is nobody's business, so that any data round-trips.
FREE_IDS = st.sampled_from(["LB", "FL", "KV", "10", "ZZ", "Q7", "X0", "07"])
OPTIONAL = st.builds(OptionalBlock, FREE_IDS, st.text(PRINTABLE, max_size=300))

HEADERS = st.builds(
    KeyBlockHeader,
    version=st.sampled_from(BlockVersion),
    usage=PAIRS,
    algorithm=st.sampled_from(Algorithm),
    mode=st.sampled_from(ModeOfUse),
    key_version=PAIRS | st.sampled_from(CAPITALS_AND_DIGITS).map("c".__add__),
    exportability=st.sampled_from(Exportability),
    optional_blocks=st.lists(OPTIONAL, max_size=8, unique_by=lambda block: block.id).map(tuple),
    context=st.sampled_from("012"),
)


@given(header=HEADERS)
@settings(derandomize=True, max_examples=300)
def test_parse_is_the_inverse_of_encode(header: KeyBlockHeader) -> None:
    """A header reads back equal, but for the PB block that alignment adds."""
    text = header.encode()
    parsed = KeyBlockHeader.parse(text)
    assert parsed.length == len(text)
    assert (len(text) - 16) % header.version.alignment == 0
    added = parsed.optional_blocks[len(header.optional_blocks) :]
    assert [block.id for block in added] in ([], ["PB"])
    assert set("".join(block.data for block in added)) <= {"0"}
    assert parsed.optional_blocks[: len(header.optional_blocks)] == header.optional_blocks
    assert parsed.encode() == text
    assert KeyBlockHeader.parse(parsed.encode()) == parsed


def test_fields_of_a_header() -> None:
    """Each field comes from its place."""
    header = KeyBlockHeader.parse("B9999K0AXc1S0010" + "what follows is not looked at: \u20ac")
    assert header == KeyBlockHeader(
        version=BlockVersion.B,
        usage="K0",
        algorithm=Algorithm.AES,
        mode=ModeOfUse.DERIVE,
        key_version="c1",
        exportability=Exportability.SENSITIVE,
        context="1",
    )
    assert header.length == 9999
    assert header.encode() == "B9999K0AXc1S0010"
    assert header.encode(length=72) == "B0072K0AXc1S0010"


@pytest.mark.parametrize(
    ("offset", "replacement", "field"),
    [
        (0, "F", "version"),
        (0, "d", "version"),
        (0, " ", "version"),
        (1, "011 ", "length"),
        (1, "+112", "length"),
        (1, "-112", "length"),
        (1, "0x70", "length"),
        (1, "1_12", "length"),
        (5, "p0", "key usage"),
        (5, "P ", "key usage"),
        (5, "P-", "key usage"),
        (7, "B", "algorithm"),
        (7, "t", "algorithm"),
        (8, "A", "mode of use"),
        (8, "e", "mode of use"),
        (9, " 0", "key version"),
        (9, "0a", "key version"),
        (9, "c-", "key version"),
        (9, "d1", "key version"),
        (11, "X", "exportability"),
        (11, "e", "exportability"),
        (12, "0A", "optional block count"),
        (12, " 1", "optional block count"),
        (12, "-1", "optional block count"),
        (14, "3", "key context"),
        (14, "A", "key context"),
        (15, "1", "reserved character"),
    ],
)
def test_refuses_a_bad_field_by_name_and_offset(offset: int, replacement: str, field: str) -> None:
    """A field that is not as the standard has it is named, with its place."""
    text = GOOD[:offset] + replacement + GOOD[offset + len(replacement) :]
    with pytest.raises(MalformedKeyBlockError) as caught:
        KeyBlockHeader.parse(text)
    assert (caught.value.field, caught.value.offset) == (field, offset)


@pytest.mark.parametrize("digit", "0123456789")
def test_refuses_the_versions_of_vendors(digit: str) -> None:
    """A digit looks like a key block and is another format."""
    with pytest.raises(UnsupportedKeyBlockError, match="vendor"):
        KeyBlockHeader.parse(digit + GOOD[1:])


@pytest.mark.parametrize("text", ["", "D", GOOD[:15], "D\u0660112P0TE00E0000", "D0112P0TE00E000\n"])
def test_refuses_what_is_no_header(text: str) -> None:
    """Too short, other scripts' digits, control characters."""
    with pytest.raises(MalformedKeyBlockError):
        KeyBlockHeader.parse(text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("usage", "p0"),
        ("usage", "P"),
        ("usage", "P00"),
        ("usage", ""),
        ("key_version", "0"),
        ("key_version", "\u00e90"),
        ("context", "9"),
        ("context", ""),
        ("context", "01"),
    ],
)
def test_a_header_that_could_not_be_read_cannot_be_made(field: str, value: str) -> None:
    """The constructor checks what `parse` would refuse."""
    fields = {
        "version": BlockVersion.D,
        "usage": "P0",
        "algorithm": Algorithm.TDES,
        "mode": ModeOfUse.ENCRYPT,
    }
    with pytest.raises(MalformedKeyBlockError):
        KeyBlockHeader(**{**fields, field: value})


def test_refuses_a_length_of_five_digits() -> None:
    """The length field has four digits."""
    header = KeyBlockHeader.parse(GOOD)
    with pytest.raises(MalformedKeyBlockError, match="at most 9999"):
        header.encode(length=10000)
    with pytest.raises(MalformedKeyBlockError, match="at most 9999"):
        header.encode(length=-1)


def test_every_code_has_its_letter() -> None:
    """The letters are those of the standard (X9.143-2021, 6.3)."""
    assert "".join(BlockVersion) == "ABCDE"
    assert "".join(Algorithm) == "ADEHRSTIJ"
    assert "".join(ModeOfUse) == "BCDEGNSTVXY0123456789"
    assert "".join(Exportability) == "ESN"
    assert [version for version in BlockVersion if version.is_legacy] == ["A", "C"]

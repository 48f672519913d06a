"""Optional blocks: short and extended lengths, fill, known and unknown ids."""

from __future__ import annotations

import pytest

from keyferry.crypto.keyblock import KeyBlockHeader, OptionalBlock
from keyferry.errors import MalformedKeyBlockError


def header_with(optional: str, count: int, version: str = "B") -> str:
    """A header of 16 characters and the optional blocks as given."""
    return f"{version}{16 + len(optional):04}B1TX00E{count:02}00{optional}"


def parse(optional: str, count: int, version: str = "B") -> list[tuple[str, str]]:
    """The optional blocks of a header, as pairs."""
    header = KeyBlockHeader.parse(header_with(optional, count, version))
    return [(block.id, block.data) for block in header.optional_blocks]


def encode(*blocks: tuple[str, str], version: str = "B") -> str:
    """The text of optional blocks in a header of a version."""
    bare = KeyBlockHeader.parse(header_with("", 0, version))
    made = KeyBlockHeader(
        version=bare.version,
        usage=bare.usage,
        algorithm=bare.algorithm,
        mode=bare.mode,
        optional_blocks=tuple(OptionalBlock(*block) for block in blocks),
    )
    return made.encode()[16:]


def test_a_block_without_data() -> None:
    """04 is the smallest length."""
    assert parse("ZZ04" + "PB04", 2) == [("ZZ", ""), ("PB", "")]


@pytest.mark.parametrize(
    ("size", "start"),
    [(0, "LB04"), (251, "LBFF"), (252, "LB00040106"), (253, "LB00040107"), (4000, "LB00040FAA")],
)
def test_lengths_that_have_no_room_are_extended(size: int, start: str) -> None:
    """From 252 characters of data on, the length takes ten characters."""
    text = encode(("LB", "x" * size))
    assert text.startswith(start + "x" * min(size, 1))
    count = 1 if (len(start) + size) % 8 == 0 else 2
    assert parse(text, count)[0] == ("LB", "x" * size)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("LB00020Bxxx", "xxx"),
        ("LB00040010xxxxxx", "xxxxxx"),
        ("LB000A0000000019xxxxxxxxx", "xxxxxxxxx"),
        ("LB0001Fxxxxxxxx", "xxxxxxxx"),
    ],
)
def test_extended_lengths_count_characters(text: str, data: str) -> None:
    """The length of the length is obeyed as characters, even where it was not needed."""
    fill = -(len(text) + 4) % 8
    assert parse(text + f"PB{fill + 4:02X}" + "0" * fill, 2)[0] == ("LB", data)


@pytest.mark.parametrize(
    ("optional", "offset"),
    [
        ("KS0300000000", 18),  # shorter than itself
        ("KS0000000000", 20),  # length of length 00
        ("KS00XX000000", 20),  # length of length not hex
        ("KS0004000900", 18),  # extended length shorter than its own overhead
        ("KS0004FFFF00", 18),  # extended length past the end
        ("KS00FF000000", 22),  # length field past the end
        ("KS00040 1000", 22),  # blank in the extended length
        ("KS0004+10000", 22),  # sign in the extended length
        ("KSFF00000000", 18),  # past the end
        ("KS1x00000000", 18),  # not hex
        ("KS0c00000000", 18),  # lower-case hex
        ("KS+400000000", 18),  # sign
        ("K-0400000000", 16),  # id not alphanumeric
        ("K 0400000000", 16),
        ("\u00e9S0400000000", 16),
        ("LB", 16),  # cut off
        ("", 16),
    ],
)
def test_refuses_a_block_that_does_not_parse(optional: str, offset: int) -> None:
    """The first thing that is wrong is named, with its place."""
    with pytest.raises(MalformedKeyBlockError) as caught:
        parse(optional, 1)
    assert caught.value.offset == offset


def test_refuses_repeated_ids_and_fill_that_is_not_last() -> None:
    """An id stands once, PB last; also in a header that is made."""
    with pytest.raises(MalformedKeyBlockError, match="each id once"):
        parse("ZZ04ZZ04", 2)
    with pytest.raises(MalformedKeyBlockError, match="nothing behind PB"):
        parse("PB04ZZ04", 2)
    with pytest.raises(MalformedKeyBlockError, match="each id once"):
        encode(("ZZ", ""), ("ZZ", "1"))
    with pytest.raises(MalformedKeyBlockError, match="last one"):
        encode(("PB", ""), ("ZZ", ""))


@pytest.mark.parametrize(("version", "alignment"), [("A", 8), ("B", 8), ("D", 16), ("E", 16)])
def test_the_sum_is_whole_cipher_blocks(version: str, alignment: int) -> None:
    """Blocks that do not fill cipher blocks are refused, and filled up when written."""
    with pytest.raises(MalformedKeyBlockError, match=f"a multiple of {alignment}"):
        parse("ZZ05x", 1, version)
    for size in range(40):
        text = encode(("ZZ", "x" * size), version=version)
        assert len(text) % alignment == 0
        assert len(text) <= 4 + size + 4 + alignment


def test_fill_is_kept_where_it_fits_and_made_anew_where_not() -> None:
    """A block may move to another version; its own PB goes, and another comes."""
    kept = encode(("ZZ", "1234"), ("PB", "~q!~"))
    assert kept == "ZZ081234PB08~q!~"
    assert encode(("ZZ", "1234"), ("PB", "~q!~"), version="D") == kept
    assert encode(("ZZ", "1234"), ("PB", "~"), version="B") == "ZZ081234"
    assert encode(("ZZ", "12345"), ("PB", "~"), version="D") == "ZZ0912345PB07000"


@pytest.mark.parametrize(
    ("block", "good", "bad"),
    [
        ("AL", ["0100", "0101"], ["0102", "01", ""]),
        ("BI", ["000123456789", "0112345678", "1112345678"], ["0012345678", "02", "01"]),
        ("CT", ["00MIIB+/=", "01x", "02000004MIIB"], ["", "03x"]),
        ("DA", ["01P0TEE", "01P0TEED0TBE"], ["01", "02P0TEE", "01P0TE"]),
        ("HM", ["10", "20", "23", "25", "33", "41"], ["", "2", "26", "34", "42", "XX", "021"]),
        ("IK", ["1234567890ABCDEF"], ["1234567890ABCDE", "1234567890ABCDEG", ""]),
        ("KC", ["000169E3", "000169", "012331550BC9"], ["00", "02AABBCC", "00AABBCCDD", "00AAB"]),
        ("KP", ["00ECAD62", "012331550BC9"], ["01", "AABBCC"]),
        ("PK", ["00ECAD62"], ["00ECAD6X"]),
        ("KS", ["00604B120F9292800000", "FFFF9876543210E0"], ["00604B120F929280000O", "FF"]),
        ("TC", ["20200818221218Z", "2020081822121803Z"], ["20200818221218", "2020-08-18"]),
        ("TS", ["2024-02-29T23:59:59Z", "2024-02-29T23:59:59.07Z"], ["2024-02-29 23:59:59Z"]),
        ("WP", ["000", "003"], ["004", "010", "00"]),
        ("LB", ["", "any text at all !~"], []),
        ("10", ["IBMC", "0000"], []),
        ("Z9", ["", "~~~"], []),
    ],
)
def test_data_of_known_ids(block: str, good: list[str], bad: list[str]) -> None:
    """What comes in must look as the standard says; ids that are not known may hold anything."""
    for data in good:
        text = encode((block, data))
        assert (block, data) in parse(text, text.count("PB") + 1)
    for data in bad:
        text = encode((block, data))  # written unchecked, as the service promises its callers
        with pytest.raises(MalformedKeyBlockError, match=f"optional block {block} at offset 20"):
            parse(text, text.count("PB") + 1)


@pytest.mark.parametrize(
    ("block", "data"),
    [("K", ""), ("KSN", ""), ("K-", ""), ("\u00e9\u00e9", ""), ("LB", "\n"), ("LB", "\u20ac")],
)
def test_a_block_that_could_not_be_read_cannot_be_made(block: str, data: str) -> None:
    """The constructor checks id and characters."""
    with pytest.raises(MalformedKeyBlockError):
        OptionalBlock(block, data)


def test_refuses_more_than_the_header_can_count() -> None:
    """Two digits count the blocks, four hex digits their length."""
    many = [(f"Z{number:X}"[-2:], "") for number in range(16)]
    many += [(a + b, "") for a in "ABCDEFG" for b in "ABCDEFGHIJKLMN"][: 100 - len(many)]
    assert len({block for block, _ in many}) == 100
    with pytest.raises(MalformedKeyBlockError, match="at most 99"):
        encode(*many)
    with pytest.raises(MalformedKeyBlockError, match="at most 65525"):
        OptionalBlock("LB", "x" * 65526).encode()

"""Atalla key blocks against published vectors, and against every change of a character."""

from __future__ import annotations

import contextlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.crypto.check_values import tdes_kcv
from keyferry.crypto.keyblock.akb import AKB, MFK, AKBHeader, AKBVersion
from keyferry.errors import (
    KeyBlockAuthenticationError,
    KeyferryError,
    KeySizeError,
    MalformedKeyBlockError,
    UnsupportedKeyBlockError,
)

FIRST = "0123456789ABCDEF8080808080808080FEDCBA9876543210"
SECOND = "2ABC3DEF4567018998107645FED3CBA20123456789ABCDEF"

# Captures and tools of independent authors, as the reference lists them.
VECTORS = [
    (
        FIRST,
        "1PUNE000,B17A04DCF500DD5F7474C10ACC68D47AC2D2A4CD7948C008,4FFC0BC8BCC1980E",
        "0123456789ABCDEFFEDCBA9876543210",
        "08D7B4",
    ),
    (
        FIRST,
        "1PUNE000,23AE722410BC25C24BB6AD0C900A16F085927D34A8C06EB0,DA3BB9004654010D",
        "00112233445566778899AABBCCDDEEFF0123456789ABCDEF",
        "6D99CF",
    ),
    (
        SECOND,
        "1PUNE000,D3266EC69C61820019F4A9640A8F603DA14F78E154C7522D,55720A06F8964B8F",
        "0000000055556666",
        "3BAFC4",
    ),
    (
        SECOND,
        "1mENE000,8AB6708833051A7258342A74919328D5BCAADF60322ABF10,A05A674C696D25AA",
        "0123456789ABCDEFFEDCBA9876543210",
        "08D7B4",
    ),
    (
        SECOND,
        "1PUNE000,302A81872F21CE1D0A8791AC9B0C7A6ABB5A9D73F6EB4872,B8E0CBEEB718723D",
        "11" * 8 + "22" * 8,
        "D2B91C",
    ),
    (
        SECOND,
        "1PUNE000,0E1E69D28D24BABD7152C3ECAB2A04E4A471A1C8CD7FF123,01C98B8A08067F7A",
        "55" * 8 + "66" * 8,
        "DDB736",
    ),
]


@pytest.mark.parametrize(("mfk", "akb", "key", "kcv"), VECTORS)
def test_published_blocks(mfk: str, akb: str, key: str, kcv: str) -> None:
    """Each vector opens to its key, and the key wraps to the vector again."""
    opened = MFK(bytes.fromhex(mfk))
    unwrapped = opened.unwrap(akb)
    assert unwrapped.key.hex().upper() == key
    assert tdes_kcv(unwrapped.key).hex().upper() == kcv
    assert opened.wrap(unwrapped.header, unwrapped.key) == akb


@pytest.mark.parametrize("position", range(len(VECTORS[0][1])))
def test_no_character_can_change(position: int) -> None:
    """Whatever character changes, the block is refused with an error of ours."""
    mfk, akb, _, _ = VECTORS[0]
    for other in "0A,x":
        changed = akb[:position] + other + akb[position + 1 :]
        if changed.upper() != akb.upper():
            with pytest.raises(KeyferryError):
                MFK(bytes.fromhex(mfk)).unwrap(changed)


@given(st.text(max_size=120))
def test_text_that_is_no_akb(text: str) -> None:
    """Whatever the text is, it parses or is refused with our own error."""
    with contextlib.suppress(MalformedKeyBlockError):
        assert AKB.parse(text).encode().upper() == text.strip().upper()


@given(st.binary(min_size=0, max_size=600))
def test_bytes_come_back(data: bytes) -> None:
    """Bytes of any length, zeros at the end included, survive wrapping."""
    mfk = MFK(bytes.fromhex(SECOND))
    header = AKBHeader.parse("1wRGN000")
    assert mfk.unwrap_bytes(mfk.wrap_bytes(header, data)).key == data


def test_header_goes_both_ways() -> None:
    """Every header of the reference parses and encodes to itself."""
    headers = (
        "1kDNE000 1KDNE000 1kREE000 1KDEE000 1KDDE000 1KDNE0I0 1PUNE000 1PDNE000 1DDNE000 1CDNE000"
        " 1MDNE000 1VUNE000 1V3NE000 1VVNE000 1dDNE000 1mENE000 1mENE00M 1mENE00E 1nCNE000 3PUNE000"
    )
    for text in headers.split():
        assert AKBHeader.parse(text).encode() == text


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("2PUNE000", 0),
        ("1?UNE000", 1),
        ("1P NE000", 2),
        ("1PUzE000", 3),
        ("1PUNX000", 4),
        ("1PUNE100", 5),
        ("1PUNE0-0", 6),
        ("1PUNE00 ", 7),
        ("1PUNE00", 0),
    ],
)
def test_malformed_headers_name_their_place(text: str, offset: int) -> None:
    """The character that is wrong is named by its offset."""
    with pytest.raises(MalformedKeyBlockError) as caught:
        AKBHeader.parse(text)
    assert caught.value.offset == offset


def test_an_aes_mfk_is_refused() -> None:
    """A block under an AES MFK parses, and nobody pretends to open it."""
    text = VECTORS[0][1].replace("1PUNE000", "3PUNE000")
    assert AKB.parse(text).header.version is AKBVersion.AES_MFK
    with pytest.raises(UnsupportedKeyBlockError):
        MFK(bytes.fromhex(FIRST)).unwrap(text)


def test_another_mfk_does_not_open() -> None:
    """A block of one MFK is refused by another, without a hint of the key."""
    with pytest.raises(KeyBlockAuthenticationError):
        MFK(bytes.fromhex(SECOND)).unwrap(VECTORS[0][1])


@pytest.mark.parametrize("size", [0, 7, 15, 23, 25])
def test_key_sizes(size: int) -> None:
    """Neither an MFK nor a wrapped key may have another length than DES and TDES keys have."""
    with pytest.raises(KeySizeError):
        MFK(bytes.fromhex(FIRST)).wrap(AKBHeader.parse("1PUNE000"), bytes(size))
    with pytest.raises(KeySizeError):
        MFK(bytes(size))


def test_a_key_that_looks_like_a_shorter_one() -> None:
    """A triple key whose end is the fill of a double key would come back shorter: refused."""
    with pytest.raises(KeySizeError):
        MFK(bytes.fromhex(FIRST)).wrap(AKBHeader.parse("1PUNE000"), bytes(range(16)) + b"D" * 8)


def test_an_opened_key_does_not_show() -> None:
    """Neither representation nor pickle of an opened MFK holds the key."""
    mfk = MFK(bytes.fromhex(FIRST))
    assert FIRST not in repr(mfk)
    with pytest.raises(TypeError):
        pickle.dumps(mfk)
    assert "0123" not in repr(mfk.unwrap(VECTORS[0][1]))

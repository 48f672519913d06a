"""No input raises anything but our errors, and no changed block opens."""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import (
    KBPK,
    Algorithm,
    BlockVersion,
    KeyBlockHeader,
    ModeOfUse,
    OptionalBlock,
    ThalesHeader,
)
from keyferry.errors import KeyBlockError, MalformedKeyBlockError

TDES_KBPK = KBPK(Cipher.TDES, bytes(range(24)))
AES_KBPK = KBPK(Cipher.AES, bytes(range(16)))
OPTIONAL = (
    OptionalBlock("KS", "00604B120F9292800000"),
    OptionalBlock("LB", "a label"),
    OptionalBlock("CT", "00" + "A" * 300),
)
BLOCKS = [
    (kbpk, kbpk.wrap(header, bytes(range(size)), allow_legacy=True))
    for version in BlockVersion
    for count in range(4)
    for size in (16, 24)
    for kbpk in (AES_KBPK if version in "DE" else TDES_KBPK,)
    for header in (
        KeyBlockHeader(
            version=version,
            usage="P0",
            algorithm=Algorithm.TDES,
            mode=ModeOfUse.BOTH_DIRECTIONS,
            optional_blocks=OPTIONAL[:count],
        ),
    )
]
ALPHABET = "0123456789ABCDEFabcdefGKPSTZ \t\n\x00\x7f-+_\u00e9\u0660\U0001f511"


def refuse(kbpk: KBPK, text: str) -> None:
    """Require that the text does not open, and that the error says where it can."""
    with pytest.raises(KeyBlockError) as caught:
        kbpk.unwrap(text)
    if isinstance(caught.value, MalformedKeyBlockError):
        assert caught.value.field
        assert 0 <= caught.value.offset <= len(text)


def mutate(text: str, rng: random.Random) -> str:
    """Change, drop, insert, repeat or swap characters."""
    start = rng.randrange(len(text))
    end = min(len(text), start + rng.choice([1, 1, 1, 2, 4, 8, 16, 32]))
    match rng.randrange(6):
        case 0:
            return text[:start] + rng.choice(ALPHABET) + text[start + 1 :]
        case 1:
            return text[:start] + text[end:]
        case 2:
            return text[:start] + rng.choice(ALPHABET) + text[start:]
        case 3:
            return text[:end] + text[start:end] + text[end:]
        case 4:
            return text[:start] + text[end:] + text[start:end]
        case _:
            # A length field that fits the change gets past the first check.
            changed = text[:start] + text[end:]
            return f"{changed[:1]}{len(changed):04}{changed[5:]}"


def mutated_blocks_are_refused(rng: random.Random, rounds: int) -> None:
    """Mutate known blocks; a change of nothing but the case of hex digits is none."""
    for _ in range(rounds):
        kbpk, block = rng.choice(BLOCKS)
        text = block
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            text = mutate(text, rng) or "0"
        end = len(KeyBlockHeader.parse(block).encode())
        if text != block and text[:end] + text[end:].upper() != block:
            refuse(kbpk, text)


def test_mutated_blocks_are_refused() -> None:
    """The short form: thousands of mutations with a fixed seed."""
    mutated_blocks_are_refused(random.Random(31), 4000)


@pytest.mark.soak
def test_mutated_blocks_are_refused_for_long() -> None:
    """The long form: a million mutations, with a seed that is printed."""
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")  # noqa: T201  # so that a failure can be run again
    mutated_blocks_are_refused(random.Random(seed), 1_000_000)


@pytest.mark.parametrize("index", range(0, len(BLOCKS), 8))
def test_every_flipped_bit_is_refused(index: int) -> None:
    """Each bit of each character of one block a version, but the one that is only upper case."""
    kbpk, block = BLOCKS[index]
    end = len(KeyBlockHeader.parse(block).encode())
    for place, character in enumerate(block):
        for bit in range(8):
            flipped = chr(ord(character) ^ (1 << bit))
            if place >= end and flipped.upper() == character:
                continue
            refuse(kbpk, block[:place] + flipped + block[place + 1 :])


@given(text=st.text(max_size=300) | st.text(ALPHABET, max_size=200))
@settings(derandomize=True, max_examples=300)
def test_any_text_is_refused(text: str) -> None:
    """Text from nowhere is no key block, and never anything worse."""
    refuse(AES_KBPK, text)
    refuse(TDES_KBPK, text)


def parse_or_refusal(
    kind: type[KeyBlockHeader] | type[ThalesHeader], text: str
) -> tuple[KeyBlockHeader | ThalesHeader | None, KeyBlockError | None]:
    """The header, or the error of ours that refuses it; anything else is the test's failure."""
    try:
        return kind.parse(text), None
    except KeyBlockError as error:
        return None, error


@given(
    version=st.sampled_from("ABCDE01Z"),
    fields=st.tuples(
        st.sampled_from(["0112", "0096", "9999", "0000"]),
        st.sampled_from(["P0", "K1", "00", "p0"]),
        st.sampled_from("ATDHREZ"),
        st.sampled_from("BCDEGNSTVXY0!"),
        st.sampled_from(["00", "c1", "A7", "  "]),
        st.sampled_from("ESNX"),
        st.sampled_from(["00", "01", "02", "99", "0A"]),
        st.sampled_from(["00", "10", "20", "30", "01", "FF"]),
    ),
    optional=st.lists(
        st.tuples(
            st.sampled_from(["KS", "PB", "LB", "HM", "TS", "??"]),
            st.sampled_from(["04", "08", "0C", "00", "0004", "00FF", "FF", "03"]),
            st.text("0123456789ABCDEF~ ", max_size=24),
        ),
        max_size=4,
    ),
    rest=st.text("0123456789ABCDEF", max_size=96),
)
@settings(derandomize=True, max_examples=500)
def test_headers_parse_or_are_refused(
    version: str, fields: tuple[str, ...], optional: list[tuple[str, str, str]], rest: str
) -> None:
    """Near misses of a header parse to what encodes back, or raise our error with a place."""
    text = version + "".join(fields) + "".join(map("".join, optional)) + rest
    for kind in (KeyBlockHeader, ThalesHeader):
        header, refusal = parse_or_refusal(kind, text)
        if header is not None:
            assert kind.parse(header.encode()) == header
        elif isinstance(refusal, MalformedKeyBlockError):
            assert 0 <= refusal.offset <= len(text)
        else:
            assert version in "01"

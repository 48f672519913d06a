"""
Optional blocks: what stands between the 16 characters of a header and the wrapped key.

One block is `id (2) ‖ length (2 hex, of the whole block) ‖ data`, or, where that length has no
room, `id ‖ 00 ‖ LL ‖ length (LL hex characters)` (X9.143-2021, examples 8.5 and 8.6). Ids we do
not know are kept as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from keyferry.errors import MalformedKeyBlockError

__all__ = ["PADDING_ID", "OptionalBlock", "encode_optional_blocks", "parse_optional_blocks"]

PADDING_ID: Final = "PB"

# Characters before the data: id and length; id, `00`, `04` and four digits of length.
_SHORT_OVERHEAD: Final = 4
_LONG_OVERHEAD: Final = 10
_LONGEST_SHORT_DATA: Final = 0xFF - _SHORT_OVERHEAD

_HEX_BYTE: Final = {f"{number:02X}": number for number in range(256)}
_HEX_DIGITS: Final = frozenset("0123456789ABCDEF")

# What the data of an id we understand must look like. It is held against blocks that come in: a
# KSN that is not hex would fail later and far away (X9.143-2021 prints such a block in 8.2). It is
# not held against blocks we write, because the service API promises to pass them on unchecked.
# Ids that are not listed, and the content of labels, fill and certificates, are nobody's business
# here. BI 11 for an AES BDK is what AWS's guide prints.
_SYNTAX: Final[dict[str, tuple[re.Pattern[str], str]]] = {
    name: (re.compile(pattern, re.ASCII), expected)
    for name, pattern, expected in (
        ("AL", "01(00|01)", "version 01 and key life 00 or 01"),
        ("BI", "(00|11)[0-9A-Fa-f]{10}|(01|11)[0-9A-Fa-f]{8}", "00 and 10 hex digits, or 01 and 8"),
        ("CT", "(00|01|02).+", "format 00, 01 or 02 and a certificate"),
        ("DA", "01(.{5})+", "version 01 and entries of 5 characters"),
        (
            "HM",
            "10|2[0-5]|3[0-3]|4[01]",
            "a hash code: 10, 20 to 25, 30 to 33, 40 or 41",
        ),
        ("IK", "[0-9A-Fa-f]{16}", "16 hex digits"),
        ("KC", "00([0-9A-Fa-f]{2}){1,3}|01([0-9A-Fa-f]{2}){1,5}", "a method and a check value"),
        ("KP", "00([0-9A-Fa-f]{2}){1,3}|01([0-9A-Fa-f]{2}){1,5}", "a method and a check value"),
        ("PK", "00([0-9A-Fa-f]{2}){1,3}|01([0-9A-Fa-f]{2}){1,5}", "a method and a check value"),
        ("KS", "[0-9A-Fa-f]{16}|[0-9A-Fa-f]{20}", "20 hex digits, or 16 in old blocks"),
        (
            "TC",
            r"\d{14}(\d\d)?Z|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d\d)?Z",
            "a UTC time ending in Z",
        ),
        (
            "TS",
            r"\d{14}(\d\d)?Z|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d\d)?Z",
            "a UTC time ending in Z",
        ),
        ("WP", "00[0-3]", "version 00 and a digit 0 to 3"),
    )
}


@dataclass(frozen=True, slots=True)
class OptionalBlock:
    """One optional block, e.g. `OptionalBlock("KS", "FFFF9876543210E00000")`."""

    id: str  # 2 alphanumeric characters
    data: str  # printable ASCII, without id and length

    def __post_init__(self) -> None:
        if not (len(self.id) == 2 and self.id.isascii() and self.id.isalnum()):
            raise MalformedKeyBlockError(
                "optional block id", offset=16, expected="2 alphanumeric characters"
            )
        if not (self.data.isascii() and self.data.isprintable()):
            raise MalformedKeyBlockError(
                f"optional block {self.id}", offset=16, expected="printable ASCII"
            )

    def encode(self) -> str:
        """Return the block as it stands in a header."""
        size = len(self.data)
        if size <= _LONGEST_SHORT_DATA:
            return f"{self.id}{size + _SHORT_OVERHEAD:02X}{self.data}"
        if size > 0xFFFF - _LONG_OVERHEAD:
            raise MalformedKeyBlockError(
                f"optional block {self.id}",
                offset=16,
                expected=f"at most {0xFFFF - _LONG_OVERHEAD} characters",
            )
        return f"{self.id}0004{size + _LONG_OVERHEAD:04X}{self.data}"


def check_order(blocks: Sequence[OptionalBlock]) -> None:
    """Refuse a repeated id, and padding that is not last."""
    seen: set[str] = set()
    for block in blocks:
        if block.id in seen:
            raise MalformedKeyBlockError(
                f"optional block {block.id}", offset=16, expected="each id once"
            )
        if PADDING_ID in seen:
            raise MalformedKeyBlockError(
                f"optional block {PADDING_ID}", offset=16, expected="to be the last one"
            )
        seen.add(block.id)


def encode_optional_blocks(blocks: Sequence[OptionalBlock], alignment: int) -> tuple[str, int]:
    """
    Return the text of the optional blocks and how many they are.

    Args:
        blocks: in order; a PB at the end is kept if the sum then fits, else made anew.
        alignment: the sum of characters is brought to a multiple of it, by a PB block filled with
            the character 0; 1 for no alignment.
    """
    if not blocks:
        return "", 0
    texts = [block.encode() for block in blocks]
    total = sum(map(len, texts))
    if total % alignment:
        if blocks[-1].id == PADDING_ID:
            total -= len(texts.pop())
        if total % alignment:
            fill = -(total + _SHORT_OVERHEAD) % alignment
            texts.append(f"{PADDING_ID}{fill + _SHORT_OVERHEAD:02X}{'0' * fill}")
    if len(texts) > 99:
        raise MalformedKeyBlockError("optional block count", offset=12, expected="at most 99")
    return "".join(texts), len(texts)


def parse_optional_blocks(
    text: str, *, offset: int, count: int, alignment: int
) -> tuple[tuple[OptionalBlock, ...], int]:
    """
    Read `count` optional blocks that start at `offset`.

    Returns:
        The blocks, and the offset of what follows them.

    Raises:
        MalformedKeyBlockError: a block does not parse, runs past the text, repeats an id, stands
            behind PB, has data its id does not take, or the sum is not a multiple of `alignment`.
    """
    start = offset
    blocks: list[OptionalBlock] = []
    seen: set[str] = set()
    for _ in range(count):
        block, end = _parse_one(text, offset)
        if block.id in seen:
            raise MalformedKeyBlockError(
                "optional block id", offset=offset, expected="each id once"
            )
        if PADDING_ID in seen:
            raise MalformedKeyBlockError(
                "optional block id", offset=offset, expected=f"nothing behind {PADDING_ID}"
            )
        seen.add(block.id)
        blocks.append(block)
        offset = end
    if (offset - start) % alignment:
        raise MalformedKeyBlockError(
            "optional blocks",
            offset=start,
            expected=f"a multiple of {alignment} characters, found {offset - start}",
        )
    return tuple(blocks), offset


def _parse_one(text: str, offset: int) -> tuple[OptionalBlock, int]:
    """Read the optional block at `offset`; return it and the offset behind it."""
    if len(text) < offset + _SHORT_OVERHEAD:
        raise MalformedKeyBlockError(
            "optional block", offset=offset, expected="id and length, found the end"
        )
    name = text[offset : offset + 2]
    if not (name.isascii() and name.isalnum()):
        raise MalformedKeyBlockError(
            "optional block id", offset=offset, expected="2 alphanumeric characters"
        )
    length = _HEX_BYTE.get(text[offset + 2 : offset + 4])
    if length is None:
        raise MalformedKeyBlockError(
            "optional block length", offset=offset + 2, expected="2 upper-case hex digits"
        )
    overhead = _SHORT_OVERHEAD
    if length == 0:
        length, overhead = _parse_extended_length(text, offset)
    if length < overhead:
        raise MalformedKeyBlockError(
            "optional block length", offset=offset + 2, expected=f"at least {overhead}"
        )
    if length > len(text) - offset:
        raise MalformedKeyBlockError(
            "optional block length",
            offset=offset + 2,
            expected=f"at most the {len(text) - offset} characters that are left",
        )
    end = offset + length
    data = text[offset + overhead : end]
    if not (data.isascii() and data.isprintable()):
        raise MalformedKeyBlockError(
            f"optional block {name}", offset=offset + overhead, expected="printable ASCII"
        )
    rule = _SYNTAX.get(name)
    if rule is not None and not rule[0].fullmatch(data):
        raise MalformedKeyBlockError(
            f"optional block {name}", offset=offset + overhead, expected=rule[1]
        )
    return OptionalBlock(name, data), end


def _parse_extended_length(text: str, offset: int) -> tuple[int, int]:
    """
    Read `LL ‖ length` behind a length of 00; return the block's length and its overhead.

    LL counts characters. One public implementation takes it for pairs of characters and cannot be
    read here, another for characters as the standard does; we write 04 only.
    """
    digits = _HEX_BYTE.get(text[offset + 4 : offset + 6])
    if not digits:
        raise MalformedKeyBlockError(
            "optional block length of length",
            offset=offset + 4,
            expected="2 upper-case hex digits, not 00",
        )
    field = text[offset + 6 : offset + 6 + digits]
    if len(field) != digits or not _HEX_DIGITS.issuperset(field):
        raise MalformedKeyBlockError(
            "optional block extended length",
            offset=offset + 6,
            expected=f"{digits} upper-case hex digits",
        )
    return int(field, 16), 6 + digits

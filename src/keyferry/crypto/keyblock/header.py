"""The header of a key block: 16 characters, then the optional blocks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from string import ascii_uppercase, digits
from typing import Final, NoReturn

from keyferry.crypto.keyblock.fields import Algorithm, BlockVersion, Exportability, ModeOfUse
from keyferry.crypto.keyblock.optional_blocks import (
    OptionalBlock,
    check_order,
    encode_optional_blocks,
    parse_optional_blocks,
)
from keyferry.errors import MalformedKeyBlockError, UnsupportedKeyBlockError

__all__ = ["HEADER_CHARACTERS", "LONGEST_BLOCK", "KeyBlockHeader"]

HEADER_CHARACTERS: Final = 16
LONGEST_BLOCK: Final = 9999  # characters: the length field has four digits

_VERSIONS: Final = {member.value: member for member in BlockVersion}
_ALGORITHMS: Final = {member.value: member for member in Algorithm}
_MODES: Final = {member.value: member for member in ModeOfUse}
_EXPORTABILITIES: Final = {member.value: member for member in Exportability}
_CONTEXTS: Final = frozenset("012")
_ALPHANUMERIC: Final = digits + ascii_uppercase
_USAGES: Final = frozenset(a + b for a in _ALPHANUMERIC for b in _ALPHANUMERIC)
# `c` and a character mark a component of a key.
_KEY_VERSIONS: Final = _USAGES | {"c" + a for a in _ALPHANUMERIC}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyBlockHeader:
    """
    What a key block says about its key, in the clear (X9.143-2021, 6.2, table 1).

    Unauthenticated when it comes from `parse`; only `KBPK.unwrap` vouches for it.
    """

    version: BlockVersion  # how the block is protected, not which key it holds
    usage: str  # 2 characters, e.g. P0
    algorithm: Algorithm  # of the wrapped key, not of the KBPK
    mode: ModeOfUse
    key_version: str = "00"  # 00: not used; c and a character: a component of a key
    exportability: Exportability = Exportability.NONE
    optional_blocks: tuple[OptionalBlock, ...] = ()
    context: str = "0"  # 0: as the wrapping key; 1: storage only; 2: exchange only
    # Of the whole block in characters, when the header was read from one.
    length: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.usage not in _USAGES:
            _refuse("key usage", 5, "2 upper-case letters or digits")
        if self.key_version not in _KEY_VERSIONS:
            _refuse("key version", 9, "2 upper-case letters or digits, or c and one of them")
        if self.context not in _CONTEXTS:
            _refuse("key context", 14, "0, 1 or 2")
        if self.optional_blocks:
            check_order(self.optional_blocks)

    @staticmethod
    def parse(text: str) -> KeyBlockHeader:
        """
        Read the header and the optional blocks at the start of `text`.

        What follows them is not looked at, and neither is whether the length field is true: a
        TR-34 token carries headers whose length is a formality.

        Raises:
            UnsupportedKeyBlockError: the version is a digit, which marks a vendor's own format.
            MalformedKeyBlockError: anything else.
        """
        return KeyBlockHeader.read(text)[0]

    @staticmethod
    def read(text: str) -> tuple[KeyBlockHeader, int]:
        """Do as `parse` does, and also return the offset of what follows the optional blocks."""
        header, count = _parse_fixed(text[:HEADER_CHARACTERS])
        if not count:
            return header, HEADER_CHARACTERS
        optional_blocks, end = parse_optional_blocks(
            text,
            offset=HEADER_CHARACTERS,
            count=count,
            alignment=header.version.alignment,
        )
        return replace(header, optional_blocks=optional_blocks), end

    def encode(self, *, length: int | None = None) -> str:
        """
        Return the header and its optional blocks as text, padded by a PB block where needed.

        Args:
            length: of the whole block in characters; by default what was read, else the length of
                the text returned, as if nothing followed.

        Raises:
            MalformedKeyBlockError: the length has more than four digits, or there are more than 99
                optional blocks.
        """
        optional, count = encode_optional_blocks(self.optional_blocks, self.version.alignment)
        if length is None:
            length = self.length
        if length is None:
            length = HEADER_CHARACTERS + len(optional)
        return self._encode(length, optional, count)

    def encode_before(self, characters: int) -> str:
        """Return the text of the header of a block in which `characters` more follow."""
        if not self.optional_blocks:
            return self._encode(HEADER_CHARACTERS + characters, "", 0)
        optional, count = encode_optional_blocks(self.optional_blocks, self.version.alignment)
        return self._encode(HEADER_CHARACTERS + len(optional) + characters, optional, count)

    def _encode(self, length: int, optional: str, count: int) -> str:
        if not 0 <= length <= LONGEST_BLOCK:
            _refuse("length", 1, f"at most {LONGEST_BLOCK} characters, found {length}")
        return "".join(
            (
                self.version,
                f"{length:04}",
                self.usage,
                self.algorithm,
                self.mode,
                self.key_version,
                self.exportability,
                f"{count:02}",
                self.context,
                "0",
                optional,
            )
        )


@lru_cache(maxsize=1024)
def _parse_fixed(head: str) -> tuple[KeyBlockHeader, int]:
    """
    Read the 16 characters; return the header without optional blocks, and how many there are.

    Remembered, since of a thousand blocks that arrive most have one of a few headers, and reading
    one takes as long as opening the block. A header is public and does not change.
    """
    if len(head) < HEADER_CHARACTERS:
        _refuse("header", len(head), f"{HEADER_CHARACTERS} characters, found the end")
    if not (head.isascii() and head.isprintable()):
        _refuse("header", 0, "printable ASCII")
    version = _VERSIONS.get(head[0])
    if version is None:
        _refuse_version(head[0])
    if not head[1:5].isdigit():
        _refuse("length", 1, "4 decimal digits")
    algorithm = _ALGORITHMS.get(head[7])
    if algorithm is None:
        _refuse("algorithm", 7, f"one of {', '.join(_ALGORITHMS)}")
    mode = _MODES.get(head[8])
    if mode is None:
        _refuse("mode of use", 8, f"one of {', '.join(_MODES)}")
    exportability = _EXPORTABILITIES.get(head[11])
    if exportability is None:
        _refuse("exportability", 11, f"one of {', '.join(_EXPORTABILITIES)}")
    if not head[12:14].isdigit():
        _refuse("optional block count", 12, "2 decimal digits")
    if head[15] != "0":
        _refuse("reserved character", 15, "0")
    header = KeyBlockHeader(
        version=version,
        usage=head[5:7],
        algorithm=algorithm,
        mode=mode,
        key_version=head[9:11],
        exportability=exportability,
        context=head[14],
        length=int(head[1:5]),
    )
    return header, int(head[12:14])


def _refuse(name: str, offset: int, expected: str) -> NoReturn:
    raise MalformedKeyBlockError(name, offset=offset, expected=expected)


def _refuse_version(letter: str) -> NoReturn:
    if letter.isdigit():
        raise UnsupportedKeyBlockError(
            f"key block version {letter} at offset 0: a vendor's own format, not X9.143",
            hint="a Thales S block opens only inside the HSM that made it; export it as TR-31",
        )
    _refuse("version", 0, f"one of {', '.join(_VERSIONS)}")

"""
The header of a Thales key block, the `S` form in which payShield keeps keys outside itself.

It looks like an X9.143 header with the LMK identifier in its last two characters. What follows the
optional blocks is closed: only the HSM that made it opens it, so there is no unwrap here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from string import ascii_uppercase, digits
from typing import Final, NoReturn, Self, TypeVar

from keyferry.crypto.keyblock.fields import Algorithm, Exportability, ModeOfUse
from keyferry.crypto.keyblock.header import HEADER_CHARACTERS, LONGEST_BLOCK
from keyferry.crypto.keyblock.optional_blocks import (
    OptionalBlock,
    check_order,
    encode_optional_blocks,
    parse_optional_blocks,
)
from keyferry.errors import MalformedKeyBlockError

__all__ = ["ThalesHeader", "ThalesVersion"]

E = TypeVar("E", bound=StrEnum)

_SCHEME_LETTER: Final = "S"
_NO_ALIGNMENT: Final = 1  # no fill is seen between optional blocks and key


class ThalesVersion(StrEnum):
    """Which kind of LMK wrapped the key."""

    TDES_LMK = "0"
    AES_LMK = "1"


_ALPHANUMERIC: Final = digits + ascii_uppercase
_PAIRS: Final = frozenset(a + b for a in _ALPHANUMERIC for b in _ALPHANUMERIC)
_KEY_VERSIONS: Final = _PAIRS | {"c" + digit for digit in digits}


@dataclass(frozen=True, slots=True, kw_only=True)
class ThalesHeader:
    """The 16 characters behind the `S`, and the optional blocks. Unauthenticated."""

    version: ThalesVersion
    usage: str  # 2 characters; the X9.143 codes and Thales's own, e.g. 72 for a ZPK
    algorithm: Algorithm
    mode: ModeOfUse
    key_version: str = "00"  # c1 to c9: a component
    exportability: Exportability = Exportability.NONE
    lmk_id: str = "00"  # FF: wrapped under a ZMK instead
    optional_blocks: tuple[OptionalBlock, ...] = ()
    # Of the whole block in characters without the S, when the header was read from one.
    length: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.usage not in _PAIRS:
            _refuse("key usage", 5, "2 upper-case letters or digits")
        if self.key_version not in _KEY_VERSIONS:
            _refuse("key version", 9, "2 upper-case letters or digits, or c and a digit")
        if self.lmk_id not in _PAIRS:
            _refuse("LMK identifier", 14, "2 digits, or FF")
        check_order(self.optional_blocks)

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Read the header and the optional blocks at the start of `text`.

        Args:
            text: a Thales block, with or without the scheme letter S before it: a version is a
                digit, so the two cannot be mistaken. What follows the header is not looked at.

        Raises:
            MalformedKeyBlockError: the field and its offset, counted from the version.
        """
        return cls.read(text.removeprefix(_SCHEME_LETTER))[0]

    @classmethod
    def read(cls, text: str) -> tuple[Self, int]:
        """Do as `parse` does without the S; also return the offset of what follows the header."""
        head = text[:HEADER_CHARACTERS]
        if len(head) < HEADER_CHARACTERS:
            _refuse("header", len(head), f"{HEADER_CHARACTERS} characters, found the end")
        if not (head.isascii() and head.isprintable()):
            _refuse("header", 0, "printable ASCII")
        if not head[1:5].isdigit():
            _refuse("length", 1, "4 decimal digits")
        if not head[12:14].isdigit():
            _refuse("optional block count", 12, "2 decimal digits")
        version = _member(ThalesVersion, head, "version", 0)
        algorithm = _member(Algorithm, head, "algorithm", 7)
        mode = _member(ModeOfUse, head, "mode of use", 8)
        exportability = _member(Exportability, head, "exportability", 11)
        optional_blocks, end = parse_optional_blocks(
            text, offset=HEADER_CHARACTERS, count=int(head[12:14]), alignment=_NO_ALIGNMENT
        )
        header = cls(
            version=version,
            usage=head[5:7],
            algorithm=algorithm,
            mode=mode,
            key_version=head[9:11],
            exportability=exportability,
            lmk_id=head[14:16],
            optional_blocks=optional_blocks,
            length=int(head[1:5]),
        )
        return header, end

    def encode(self, *, length: int | None = None) -> str:
        """
        Return the header and its optional blocks as text, without the S.

        Args:
            length: of the whole block in characters without the S; by default what was read, else
                the length of the text returned.
        """
        optional, count = encode_optional_blocks(self.optional_blocks, _NO_ALIGNMENT)
        if length is None:
            length = self.length
        if length is None:
            length = HEADER_CHARACTERS + len(optional)
        if not 0 <= length <= LONGEST_BLOCK:
            _refuse("length", 1, f"at most {LONGEST_BLOCK} characters, found {length}")
        return (
            f"{self.version}{length:04}{self.usage}{self.algorithm}{self.mode}"
            f"{self.key_version}{self.exportability}{count:02}{self.lmk_id}{optional}"
        )


def _member(kind: type[E], head: str, name: str, offset: int) -> E:
    try:
        return kind(head[offset])
    except ValueError:
        _refuse(name, offset, f"one of {', '.join(kind)}")


def _refuse(name: str, offset: int, expected: str) -> NoReturn:
    raise MalformedKeyBlockError(name, offset=offset, expected=expected)

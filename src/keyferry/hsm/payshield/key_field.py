"""
Key fields of host commands: a scheme letter that says how the key is written, then the key.

`U` and `X` 32 hex characters, `T` and `Y` 48, `S` a Thales key block, `R` a TR-31 block, a hex
digit a bare key. Sources: docs/evidence.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from keyferry.errors import HSMFrameError
from keyferry.hsm.fields import DIGITS, HEX, PRINTABLE, Size, present, resolve
from keyferry.hsm.reading import Reader
from keyferry.hsm.values import Values

HEX_SIZES: Final = {"U": 32, "X": 32, "T": 48, "Y": 48}
BLOCK_SCHEMES: Final = "SR"
BLOCK_HEADER_CHARACTERS: Final = 16
BLOCK_VERSIONS: Final = {"S": "01", "R": "ABCDE"}
PRIVATE_LENGTH_OF_BLOCK: Final = "FFFF"  # "the length stands in the key block"


class Under(StrEnum):
    """Which key a key field is wrapped under."""

    LMK = "LMK"
    OLD_LMK = "old LMK"  # in key change storage: its keys come to be translated
    ZMK = "ZMK"


@dataclass(frozen=True, slots=True)
class WireKey:
    """A wrapped key as it stands in a command. Its representation shows no ciphertext."""

    scheme: str  # U T X Y S R, or empty for a key without a letter
    body: bytes  # what follows the letter
    under: Under = Under.LMK

    @property
    def wire(self) -> bytes:
        """The field as sent."""
        return self.scheme.encode("ascii") + self.body

    @property
    def text(self) -> str:
        """The field as text; a binary private key block has none."""
        return self.wire.decode("ascii")

    @property
    def is_block(self) -> bool:
        """Whether the key stands in a key block, of either kind."""
        return self.scheme in ("S", "R")

    @property
    def is_reference(self) -> bool:
        """Whether the field names a place in user storage instead of holding a key."""
        return not self.is_block and self.body[:1] == b"K" and len(self.body) == 4

    @property
    def algorithm(self) -> str:
        """The algorithm letter in the header of a block, else `T`."""
        return chr(self.body[7]) if self.is_block else "T"

    @property
    def usage(self) -> str:
        """The key usage in the header of a block, else nothing."""
        return self.body[5:7].decode("ascii") if self.is_block else ""

    @property
    def lmk_identifier(self) -> str:
        """The LMK identifier in the header of a Thales block, else nothing."""
        return self.body[14:16].decode("ascii") if self.scheme == "S" else ""

    def __repr__(self) -> str:
        head = self.body[:BLOCK_HEADER_CHARACTERS].decode("ascii") if self.is_block else ""
        return f"<WireKey {self.scheme or 'bare'}{head}: {len(self.body)} bytes>"

    @classmethod
    def parse(cls, field: str | bytes, *, under: Under = Under.LMK) -> WireKey:
        """
        Read a key written out, letter included; a bare key may have 16, 32 or 48 characters.

        Raises:
            HSMFrameError: the text is not one key field, or more than one.
        """
        if isinstance(field, str) and not field.isascii():
            raise HSMFrameError("key: expected ASCII characters", field="key", offset=0)
        data = field.encode("ascii") if isinstance(field, str) else field
        reader = Reader(data)
        bare = len(data) if len(data) in (16, 32, 48) else 0
        key = read_key(reader, "key", bare=bare, binary=True, under=under)
        if reader.remaining:
            raise reader.fail("key", "nothing after the key")
        return key


def read_key(
    reader: Reader, name: str, *, bare: int, binary: bool = False, under: Under = Under.LMK
) -> WireKey:
    """
    Take one key field; its first character decides how it is written.

    Args:
        reader: stands at the key.
        name: of the field, for errors.
        bare: hex characters of a key without a letter; 0 where such keys are not allowed.
        binary: whether an asymmetric key block may carry raw bytes after its header.
        under: which key it is wrapped under, to remember.

    Raises:
        HSMFrameError: no key begins here, or it is cut off.
    """
    start = reader.offset
    first = reader.peek(1)
    if first and first in b"UXTY":
        scheme = reader.take(1, name).decode("ascii")
        if reader.peek(1) == b"K":
            return WireKey(scheme, _reference(reader, name), under)
        return WireKey(scheme, _hex(reader, name, HEX_SIZES[scheme]), under)
    if first == b"K":
        return WireKey("", _reference(reader, name), under)
    if first and first in b"SR":
        scheme = reader.take(1, name).decode("ascii")
        return WireKey(scheme, _block(reader, name, scheme, binary=binary), under)
    if bare and first and first in HEX:
        return WireKey("", _hex(reader, name, bare), under)
    raise reader.fail(name, "a key: U, T, X, Y, S, R or a hexadecimal digit", at=start)


def _hex(reader: Reader, name: str, size: int) -> bytes:
    start = reader.offset
    text = reader.take(size, name)
    if text.translate(None, HEX):
        raise reader.fail(name, f"{size} hexadecimal characters", at=start)
    return text.upper()


def _reference(reader: Reader, name: str) -> bytes:
    start = reader.offset
    reference = reader.take(4, name)
    if reference[1:].translate(None, HEX):
        raise reader.fail(name, "K and three hexadecimal characters", at=start)
    return reference.upper()


def _block(reader: Reader, name: str, scheme: str, *, binary: bool) -> bytes:
    start = reader.offset
    head = reader.peek(BLOCK_HEADER_CHARACTERS)
    length = head[1:5]
    if len(head) < BLOCK_HEADER_CHARACTERS or length.translate(None, DIGITS):
        raise reader.fail(name, f"the header of a key block after {scheme}", at=start)
    if chr(head[0]) not in BLOCK_VERSIONS[scheme] or head.translate(None, PRINTABLE):
        raise reader.fail(name, f"a key block of a known version after {scheme}", at=start)
    size = int(length)
    if size < BLOCK_HEADER_CHARACTERS:
        raise reader.fail(name, "a key block no shorter than its header", at=start)
    block = reader.take(size, name)
    # The captured RSA private blocks carry raw bytes after a printable header.
    raw_allowed = binary and head[7:8] == b"R"
    if not raw_allowed and block.translate(None, PRINTABLE):
        raise reader.fail(name, "printable characters in the key block", at=start)
    return block


@dataclass(frozen=True, slots=True)
class KeyField:
    """A key of any scheme, kept as `WireKey`."""

    name: str
    bare: Size = 16
    binary: bool = False
    under: Under = Under.LMK

    def decode(self, reader: Reader, values: Values) -> None:
        bare = resolve(self.bare, values)
        values[self.name] = read_key(
            reader, self.name, bare=bare, binary=self.binary, under=self.under
        )

    def encode(self, values: Values, out: bytearray) -> None:
        out += key_of(values, self.name, under=self.under).wire

    def names(self) -> tuple[str, ...]:
        return (self.name,)


@dataclass(frozen=True, slots=True)
class PrivateKeyField:
    """
    A private key behind its length: four digits and raw bytes under a variant LMK, or `FFFF` and
    a key block that says its own length.
    """

    name: str
    under: Under = Under.LMK

    def decode(self, reader: Reader, values: Values) -> None:
        start = reader.offset
        length = reader.take(4, self.name)
        if length == PRIVATE_LENGTH_OF_BLOCK.encode("ascii"):
            if reader.peek(1) != b"S":
                raise reader.fail(self.name, "a Thales key block after FFFF")
            values[self.name] = read_key(reader, self.name, bare=0, binary=True, under=self.under)
            return
        if length.translate(None, DIGITS) or length == b"0000":
            raise reader.fail(self.name, "a length of four digits, or FFFF", at=start)
        values[self.name] = WireKey("", reader.take(int(length), self.name), self.under)

    def encode(self, values: Values, out: bytearray) -> None:
        value = present(values, self.name)
        if not isinstance(value, WireKey) or value.scheme not in ("", "S"):
            raise HSMFrameError(f"{self.name}: expected a private key", field=self.name)
        if value.scheme == "S":
            out += PRIVATE_LENGTH_OF_BLOCK.encode("ascii") + value.wire
            return
        if not 0 < len(value.body) <= 9999:
            raise HSMFrameError(f"{self.name}: expected 1 to 9999 bytes", field=self.name)
        out += f"{len(value.body):04d}".encode("ascii") + value.body

    def names(self) -> tuple[str, ...]:
        return (self.name,)


@dataclass(frozen=True, slots=True)
class UnmeasuredPrivateKey:
    """
    A private key without any length before it (QE): a key block says its own length, and a key
    under a variant LMK has the length its public key implies.
    """

    name: str
    variant_size: Callable[[Values], int]

    def decode(self, reader: Reader, values: Values) -> None:
        head = reader.peek(BLOCK_HEADER_CHARACTERS + 1)
        block = head[:1] == b"S" and head[6:8] == b"03" and not head.translate(None, PRINTABLE)
        if block:
            values[self.name] = read_key(reader, self.name, bare=0, binary=True)
        else:
            values[self.name] = WireKey("", reader.take(self.variant_size(values), self.name))

    def encode(self, values: Values, out: bytearray) -> None:
        out += key_of(values, self.name).wire

    def names(self) -> tuple[str, ...]:
        return (self.name,)


def key_of(values: Values, name: str, *, under: Under = Under.LMK) -> WireKey:
    """
    Return a key to encode; text and bytes are read first, so that only whole keys are written.

    Raises:
        HSMFrameError: no key was given, or what was given is not one.
    """
    value = present(values, name)
    if isinstance(value, WireKey):
        return value
    if isinstance(value, (str, bytes)):
        return WireKey.parse(value, under=under)
    raise HSMFrameError(f"{name}: expected a key", field=name)

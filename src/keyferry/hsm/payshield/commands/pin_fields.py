"""
Rows that PIN commands share: PINs under the LMK, PIN blocks, account numbers, KSNs, IBM data.

The width of some fields is not in the message: that of a PIN under the LMK is a setting of the
device, and that of PIN blocks and serial numbers follows from the key's algorithm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from keyferry.errors import HSMFrameError
from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.fields import (
    DIGITS,
    HEX,
    Fields,
    Number,
    Terminated,
    Text,
    choice,
    digits,
    hexadecimal,
    present,
)
from keyferry.hsm.groups import When
from keyferry.hsm.payshield.commands import tails
from keyferry.hsm.payshield.key_field import KeyField, WireKey
from keyferry.hsm.reading import Reader
from keyferry.hsm.values import Values

LONGEST_PIN: Final = 12
AES_PIN_CHARACTERS: Final = 33  # a letter and 32 hex characters, under an AES LMK
ISO_4: Final = "48"
FORMATS: Final = ("01", "02", "03", "04", "05", "34", "35", "41", "42", "47", ISO_4)
PIN_DIGITS: Final = DIGITS + b"F"  # a clear PIN is filled with F on the right

BDK_FLAGS: Final = {"*": "009", "~": "609"}
"""What stands before a BDK where a ZPK could stand as well: its key type."""


def pin_characters(values: Values) -> int:
    """Return the characters of a PIN under a DES LMK: a setting, or one more than the longest."""
    width = values.get("pin_characters")
    return width if isinstance(width, int) else LONGEST_PIN + 1


@dataclass(frozen=True, slots=True)
class PINField:
    """
    A PIN under the LMK: as many digits as the device is set to, or a letter and 32 hex characters.

    A driver need not know the setting: what it received goes back as it is.
    """

    name: str = "pin"

    def decode(self, reader: Reader, values: Values) -> None:
        head = reader.peek(1)
        is_aes = b"A" <= head <= b"Z"
        size = AES_PIN_CHARACTERS if is_aes else pin_characters(values)
        start = reader.offset
        text = reader.take(size, self.name)
        # In test mode a short clear PIN is filled with F.
        rest = text[1:] if is_aes else text
        if rest.translate(None, HEX if is_aes else PIN_DIGITS):
            raise reader.fail(self.name, "a PIN under the LMK", at=start)
        values[self.name] = text.decode("ascii")

    def encode(self, values: Values, out: bytearray) -> None:
        text = present(values, self.name)
        raw = text.encode("ascii") if isinstance(text, str) and text.isascii() else b""
        if not 5 <= len(raw) <= AES_PIN_CHARACTERS or raw[1:].translate(None, HEX):
            raise HSMFrameError(f"{self.name}: expected a PIN under the LMK", field=self.name)
        out += raw

    def names(self) -> tuple[str, ...]:
        return (self.name,)


PIN: Final = PINField()
PAN12: Final = digits("account", 12)
MAX_PIN_LENGTH: Final = Number("max_pin_length", 2, low=4, high=LONGEST_PIN, reply="24")
KSN_DESCRIPTOR: Final = hexadecimal("ksn_descriptor", 3)
CHECK_LENGTH: Final = Number("check_length", 2, low=4, high=LONGEST_PIN, reply="81")
OFFSET: Final = Text("offset", 12, PIN_DIGITS)
PVKI: Final = digits("pvki", 1)
PVV: Final = digits("pvv", 4)


def is_aes(values: Values, name: str) -> bool:
    """Whether a key of the message is an AES key, as its header says."""
    key = values.get(name)
    # A driver decodes an answer with the request as its caller gave it: keys may be text.
    if isinstance(key, (str, bytes)):
        key = WireKey.parse(key)
    return isinstance(key, WireKey) and key.algorithm == "A"


def pin_format(name: str) -> Text:
    """Return a PIN block format code, error 23 when there is no such format."""
    return choice(name, *FORMATS, reply="23")


def block_size(key: str) -> Callable[[Values], int]:
    """Return the rule for the hex characters of a PIN block under an earlier key."""
    return lambda values: 32 if is_aes(values, key) else 16


def pin_block(name: str, key: str) -> Text:
    """Return a PIN block under an earlier key."""
    return hexadecimal(name, block_size(key))


def ksn(name: str, key: str) -> Text:
    """Return a key serial number of an earlier BDK: 20 hex characters, 24 of an AES key."""
    return hexadecimal(name, lambda values: 24 if is_aes(values, key) else 20)


def account(*formats: str) -> When:
    """Return 12 account digits, or the whole number and `;` where a format is ISO 4."""

    def whole(values: Values) -> bool:
        return any(values.get(name) == ISO_4 for name in formats)

    return When(whole, (Terminated("pan", b";", high=19),), otherwise=(PAN12,))


@dataclass(frozen=True, slots=True)
class MarkedText:
    """Text whose width its first character decides, e.g. `P` and 16 hex characters."""

    name: str
    marked: tuple[tuple[bytes, int, bytes], ...]  # mark, characters after it, their alphabet
    size: int
    alphabet: bytes
    reply: str | None = None

    def decode(self, reader: Reader, values: Values) -> None:
        start = reader.offset
        size, alphabet = self._shape(reader.peek(1))
        raw = reader.take(size, self.name)
        skip = 0 if size == self.size else 1
        if raw[skip:].translate(None, alphabet):
            raise reader.bad_value(self.name, "its alphabet", at=start, reply=self.reply)
        values[self.name] = raw.decode("ascii")

    def encode(self, values: Values, out: bytearray) -> None:
        text = present(values, self.name)
        raw = text.encode("ascii") if isinstance(text, str) and text.isascii() else b""
        size, alphabet = self._shape(raw[:1])
        skip = 0 if size == self.size else 1
        if len(raw) != size or raw[skip:].translate(None, alphabet):
            raise HSMFrameError(f"{self.name}: expected {size} characters", field=self.name)
        out += raw

    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def _shape(self, head: bytes) -> tuple[int, bytes]:
        for mark, size, alphabet in self.marked:
            if head == mark:
                return 1 + size, alphabet
        return self.size, self.alphabet


# Sixteen digits, or enciphered: 16 hex characters, L and 32 under an AES LMK, K and an index.
TABLE: Final = MarkedText("table", ((b"L", 32, HEX), (b"K", 3, HEX)), 16, HEX, reply="25")
# Eleven digits and an N that stands for the last five of the account; or P and the whole value.
VALIDATION: Final = MarkedText("validation", ((b"P", 16, HEX),), 12, DIGITS + b"N")

IBM: Final[Fields] = (CHECK_LENGTH, PAN12, TABLE, VALIDATION)
IBM_OF_BLOCK: Final[Fields] = (CHECK_LENGTH, account("format"), TABLE, VALIDATION)
PVK: Final = KeyField("pvk")
PVK_PAIR: Final = KeyField("pvk", bare=32)


@dataclass(frozen=True, slots=True)
class BDKFlag:
    """A mark before a key that makes it a BDK of a type; without it the key is a ZPK."""

    name: str

    def decode(self, reader: Reader, values: Values) -> None:
        head = reader.peek(1)
        if head and head in b"*~":
            values[self.name] = reader.take(1, self.name).decode("ascii")

    def encode(self, values: Values, out: bytearray) -> None:
        if values.get(self.name) is not None:
            choice(self.name, *BDK_FLAGS).encode(values, out)

    def names(self) -> tuple[str, ...]:
        return (self.name,)


def command(
    code: str,
    name: str,
    request: Fields,
    response: Fields = (),
    *,
    source: str,
    evidence: tuple[Evidence, ...],
    errors: dict[str, str] | None = None,
    warnings: frozenset[str] = frozenset(),
    varying: tuple[str, ...] = (),
    repeatable: bool = True,
) -> Command:
    """Return a data command: its answer's code follows the rule, and `%nn` may close it."""
    return Command(
        code=code,
        response_code=code[0] + chr(ord(code[1]) + 1),
        name=name,
        request=(*request, tails.LMK),
        response=response,
        source=source,
        evidence=evidence,
        errors=errors or {},
        warnings=warnings,
        varying=frozenset(varying),
        repeatable=repeatable,
    )


VERIFICATION: Final = {"01": "verification failed"}
PVK_LENGTH: Final = {"02": "PVK is not single length (a warning)"}
NOT_SINGLE: Final = frozenset({"02"})

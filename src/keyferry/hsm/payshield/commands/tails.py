"""
The optional tail of host commands, in its one order: `;` `%` `#` `&` `!`.

None of these characters occurs inside a hex or key block field; raw-byte fields may hold all of
them, so the tail is looked at only when every mandatory field is taken. Sources: docs/evidence.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keyferry.hsm.fields import DIGITS, Fields, Number, Text, choice, digits, hexadecimal
from keyferry.hsm.groups import Group, Repeat, inner_names
from keyferry.hsm.payshield.key_field import WireKey
from keyferry.hsm.reading import Reader
from keyferry.hsm.values import Values

END_OF_MESSAGE: Final = b"\x19"
EXPORTABILITIES: Final = ("N", "E", "S")

LMK: Final = Group(b"%", "LMK identifier", (digits("lmk", 2),))
KEY_TYPE: Final = hexadecimal("key_type", 3)


def scheme(name: str) -> Text:
    """Return a key scheme field: one letter, error 26 when it is none."""
    return choice(name, "Z", "U", "T", "X", "Y", "S", "R", reply="26")


def optional_blocks(prefix: str, *, most: int = 8) -> Fields:
    """Return a count of optional header blocks and the blocks: id 2A, length 2H, data."""
    block: Fields = (
        Text("id", 2, DIGITS + bytes(range(0x41, 0x5B)), reply="AC"),
        Number("size", 2, base=16, low=4, reply="AC"),
        Text("data", lambda values: values.number("size") - 4),
    )
    count = Number(f"{prefix}_count", 2, high=most, counts=f"{prefix}_blocks", reply="AB")
    return (count, Repeat(f"{prefix}_blocks", block, f"{prefix}_count"))


def usage(prefix: str) -> Text:
    """Return a key usage field: two letters or digits."""
    return Text(f"{prefix}_usage", 2, DIGITS + bytes(range(0x41, 0x5B)), reply="A6")


def mode(prefix: str) -> Text:
    """Return a mode of use field."""
    return choice(f"{prefix}_mode", *"BCDEGNSTVXY", reply="A8")


def version(prefix: str) -> Text:
    """Return a key version number field."""
    return digits(f"{prefix}_version", 2, reply="A9")


def exportability(prefix: str, *letters: str) -> Text:
    """Return an exportability field."""
    return choice(f"{prefix}_exportability", *(letters or EXPORTABILITIES), reply="AA")


ALGORITHM: Final = choice("header_algorithm", "D1", "T2", "T3", "A1", "A2", "A3", reply="A7")


def new_header(*parts: Text, most: int = 8) -> Group:
    """Return the `#` group: the given parts of a new key block header, then optional blocks."""
    return Group(b"#", "new key block header", (*parts, *optional_blocks("header", most=most)))


GENERATED_HEADER: Final = new_header(
    usage("header"), ALGORITHM, mode("header"), version("header"), exportability("header")
)
WRAPPED_HEADER: Final = new_header(
    usage("header"), mode("header"), version("header"), exportability("header")
)
SHORT_HEADER: Final = new_header(version("header"))
PUBLIC_HEADER: Final = new_header(mode("header"), version("header"), exportability("header"))

BLOCK_VERSION: Final = Group(b"!", "key block version", (choice("block_version", *"ABCD"),))

_ATTRIBUTES: Final[Fields] = (
    usage("attributes"),
    mode("attributes"),
    version("attributes"),
    exportability("attributes"),
    *optional_blocks("attributes", most=2),
)


@dataclass(frozen=True, slots=True)
class ExportGroup:
    """
    The `&` group: one letter changes the exportability of the exported copy, more letters are the
    header of a variant key that leaves as a TR-31 block.
    """

    def decode(self, reader: Reader, values: Values) -> None:
        if reader.peek(1) != b"&":
            return
        reader.take(1, "export group")
        # After the short form only `!`, a trailer or the end may follow: one look ahead decides.
        if reader.peek(1, skip=1) in (b"", b"!", END_OF_MESSAGE):
            exportability("changed").decode(reader, values)
            return
        for field in _ATTRIBUTES:
            field.decode(reader, values)

    def encode(self, values: Values, out: bytearray) -> None:
        if values.get("changed_exportability") is not None:
            out += b"&"
            exportability("changed").encode(values, out)
        elif values.get("attributes_usage") is not None:
            out += b"&"
            for field in _ATTRIBUTES:
                field.encode(values, out)

    def names(self) -> tuple[str, ...]:
        return ("changed_exportability", *inner_names(_ATTRIBUTES))


EXPORT: Final = ExportGroup()
CHANGED_EXPORTABILITY: Final = Group(b"&", "exportability", (exportability("changed"),))


@dataclass(frozen=True, slots=True)
class AtallaVariant:
    """One or two digits after a key under a ZMK, only where the device's setting is on."""

    name: str = "atalla_variant"

    def decode(self, reader: Reader, values: Values) -> None:
        if not values.get("atalla_variants") or not _is_digit(reader.peek(1)):
            return
        size = 2 if _is_digit(reader.peek(1, skip=1)) else 1
        values[self.name] = reader.take(size, self.name).decode("ascii")

    def encode(self, values: Values, out: bytearray) -> None:
        if values.get(self.name) is not None:
            Text(self.name, len(values.text(self.name)), DIGITS).encode(values, out)

    def names(self) -> tuple[str, ...]:
        return (self.name,)


ATALLA: Final = AtallaVariant()


@dataclass(frozen=True, slots=True)
class ZMKFlag:
    """
    Whether the wrapping key is a ZMK (`0`) or a TMK (`1`), behind `;`.

    Under a key block LMK a device needs neither, and one client sends the digit without `;`; all
    three are read. The digit alone counts only when a scheme letter follows.
    """

    name: str = "zmk_flag"

    def decode(self, reader: Reader, values: Values) -> None:
        flag = choice(self.name, "0", "1")
        if reader.peek(1) == b";":
            reader.take(1, self.name)
            flag.decode(reader, values)
        elif reader.peek(1) in (b"0", b"1") and reader.peek(1, skip=1) in (
            b"U",
            b"T",
            b"X",
            b"Y",
            b"S",
        ):
            flag.decode(reader, values)

    def encode(self, values: Values, out: bytearray) -> None:
        if values.get(self.name) is not None:
            out += b";"
            choice(self.name, "0", "1").encode(values, out)

    def names(self) -> tuple[str, ...]:
        return (self.name,)


LEGACY: Final = Group(
    b";",
    "scheme group",
    (
        Text("zmk_tag", 1, b"0ZUTXYSR", reply="26"),
        Text("lmk_tag", 1, b"0ZUTXYSR", reply="26"),
        choice("kcv_type", "0", "1"),
    ),
)


def zmk_bare(values: Values) -> int:
    """Return the characters of a bare ZMK field: the device's setting ZMK length decides."""
    size = values.get("zmk_bare")
    return size if isinstance(size, int) else 32


def bare_of(*names: str) -> SizeRule:
    """Return the rule that a bare answer is as long as an earlier key, or as its scheme says."""
    return SizeRule(names)


@dataclass(frozen=True, slots=True)
class SizeRule:
    """The characters of a bare key in a legacy answer (hex, no scheme letter)."""

    names: tuple[str, ...]

    def __call__(self, values: Values) -> int:
        if values.get("lmk_tag") == "Z" or values.get("zmk_tag") == "Z":
            return 16
        for name in self.names:
            key = values.get(name)
            if isinstance(key, WireKey) and not key.is_block:
                return len(key.body)
        return 16


def _is_digit(character: bytes) -> bool:
    return len(character) == 1 and character in DIGITS

"""
A strict DER reader and a small writer, for TR-34 tokens and what travels beside them.

Only the distinguished form is read: one-byte tags, definite lengths in their shortest form, every
element inside its parent, nothing left over. A token signed over one form must not be readable as
two (X.690-2021, 10.1 and 8.1.3), and bounded depth comes from the grammar, which never recurses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from keyferry.errors import KeyferryError, MalformedTokenError

INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
NULL: Final = 0x05
OID: Final = 0x06
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18
SEQUENCE: Final = 0x30
SET: Final = 0x31

TYPE_NAMES: Final = {
    INTEGER: "INTEGER",
    OCTET_STRING: "OCTET STRING",
    NULL: "NULL",
    OID: "OBJECT IDENTIFIER",
    UTC_TIME: "UTCTime",
    GENERALIZED_TIME: "GeneralizedTime",
    SEQUENCE: "SEQUENCE",
    SET: "SET",
}

MAX_BYTES: Final = 1 << 16
"""No token, credential or attribute set comes near this; it bounds the work for hostile input."""


def context_tag(number: int, *, constructed: bool) -> int:
    """Return the tag byte of the context-specific tag `number` (0 to 30)."""
    return (0xA0 if constructed else 0x80) | number


def tag_name(tag: int) -> str:
    """Return a tag as people write it: `SEQUENCE`, `[0]`, or its hex."""
    if tag & 0xC0 == 0x80:
        return f"[{tag & 0x1F}]"
    return TYPE_NAMES.get(tag, f"tag {tag:02X}")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Element:
    """One tag, length and value, and where it stood. Its repr leaves the content out."""

    tag: int
    content: bytes
    encoded: bytes  # tag and length included, byte for byte as received
    offset: int  # of the tag, in the bytes the outermost reader was made of

    @property
    def content_offset(self) -> int:
        """Offset of the first content byte."""
        return self.offset + len(self.encoded) - len(self.content)

    def __repr__(self) -> str:
        return f"<DER {tag_name(self.tag)} at {self.offset}: {len(self.content)} bytes>"


def _malformed(field: str, offset: int, expected: str) -> KeyferryError:
    return MalformedTokenError(field, offset=offset, expected=expected)


class Reader:
    """
    Reads the elements of one constructed value, in order.

    `field` names what is being read; offsets in errors are absolute (`offset` is where `data`
    starts). `error` makes the error raised, so that a certificate is not blamed on a token.
    """

    __slots__ = ("_data", "_error", "_field", "_offset", "_position")

    def __init__(
        self,
        data: bytes,
        *,
        field: str,
        offset: int = 0,
        error: Callable[[str, int, str], KeyferryError] = _malformed,
    ) -> None:
        self._data = data
        self._position = 0
        self._field = field
        self._offset = offset
        self._error = error
        if len(data) > MAX_BYTES:
            raise error(field, offset, f"at most {MAX_BYTES} bytes")

    @property
    def offset(self) -> int:
        """Absolute offset of the next element."""
        return self._offset + self._position

    @property
    def at_end(self) -> bool:
        """Whether every byte was read."""
        return self._position == len(self._data)

    def refuse(self, field: str, expected: str, *, offset: int | None = None) -> KeyferryError:
        """Return (not raise) the error that `field` here is not `expected`."""
        return self._error(field, self.offset if offset is None else offset, expected)

    def peek_tag(self) -> int | None:
        """Return the next tag byte without reading it, None at the end."""
        return None if self.at_end else self._data[self._position]

    def next_element(self, field: str) -> Element:
        """Read one element of whatever tag."""
        data, start = self._data, self._position
        if self.at_end:
            raise self.refuse(field, "an element, not the end")
        tag = data[start]
        if tag & 0x1F == 0x1F:
            raise self.refuse(field, "a one-byte tag")
        length, position = self._length(field, start + 1)
        end = position + length
        if end > len(data):
            raise self.refuse(field, f"{length} bytes of content, {len(data) - position} are left")
        self._position = end
        return Element(
            tag=tag,
            content=data[position:end],
            encoded=data[start:end],
            offset=self._offset + start,
        )

    def _length(self, field: str, position: int) -> tuple[int, int]:
        """Read a length at `position`; return it and the position behind it."""
        data = self._data
        if position >= len(data):
            raise self.refuse(field, "a length")
        first = data[position]
        position += 1
        if first < 0x80:
            return first, position
        count = first & 0x7F
        # 80 is the indefinite form, FF is reserved; four bytes cover more than MAX_BYTES.
        if not 1 <= count <= 4 or position + count > len(data):
            raise self.refuse(field, "a definite length")
        length = int.from_bytes(data[position : position + count], "big")
        if length < 0x80 or data[position] == 0:
            raise self.refuse(field, "a length in its shortest form")
        return length, position + count

    def element(self, tag: int, field: str) -> Element:
        """Read one element that must have `tag`."""
        start = self._position
        element = self.next_element(field)
        if element.tag != tag:
            self._position = start
            raise self.refuse(field, tag_name(tag), offset=element.offset)
        return element

    def optional(self, tag: int, field: str) -> Element | None:
        """Read one element of `tag` if it is next, else return None and read nothing."""
        return self.element(tag, field) if self.peek_tag() == tag else None

    def inside(self, element: Element, field: str) -> Reader:
        """Return a reader of the content of `element`."""
        return Reader(
            element.content, field=field, offset=element.content_offset, error=self._error
        )

    def sequence(self, field: str) -> Reader:
        """Read a SEQUENCE and return a reader of its content."""
        return self.inside(self.element(SEQUENCE, field), field)

    def set_of(self, field: str) -> Reader:
        """Read a SET and return a reader of its content; the order of a SET is not checked."""
        return self.inside(self.element(SET, field), field)

    def integer(self, field: str) -> int:
        """Read an INTEGER in its shortest form."""
        element = self.element(INTEGER, field)
        content = element.content
        if not content:
            raise self.refuse(field, "an INTEGER of at least one byte", offset=element.offset)
        if len(content) > 1 and (
            (content[0] == 0x00 and content[1] < 0x80)
            or (content[0] == 0xFF and content[1] >= 0x80)
        ):
            raise self.refuse(field, "an INTEGER in its shortest form", offset=element.offset)
        return int.from_bytes(content, "big", signed=True)

    def oid(self, field: str) -> bytes:
        """Read an OBJECT IDENTIFIER and return its content bytes."""
        element = self.element(OID, field)
        if not element.content or element.content[-1] & 0x80:
            raise self.refuse(field, "an OBJECT IDENTIFIER", offset=element.offset)
        return element.content

    def expect_oid(self, oid: bytes, name: str, field: str) -> None:
        """Read an OBJECT IDENTIFIER that must be `oid`, called `name`."""
        start = self.offset
        if self.oid(field) != oid:
            raise self.refuse(field, name, offset=start)

    def octet_string(self, field: str) -> bytes:
        """Read a primitive OCTET STRING and return its content."""
        return self.element(OCTET_STRING, field).content

    def null_or_absent(self, field: str) -> None:
        """Read a NULL if one is next."""
        element = self.optional(NULL, field)
        if element is not None and element.content:
            raise self.refuse(field, "an empty NULL", offset=element.offset)

    def end(self) -> None:
        """Require that nothing is left."""
        if not self.at_end:
            raise self.refuse(self._field, "its end")


def read_whole(data: bytes, tag: int, field: str) -> Element:
    """Read `data` as one element of `tag` with nothing behind it."""
    reader = Reader(data, field=field)
    element = reader.element(tag, field)
    reader.end()
    return element


def encode(tag: int, content: bytes) -> bytes:
    """Return tag, shortest definite length and content."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + content


def sequence(*members: bytes) -> bytes:
    """Encode a SEQUENCE of members that are already encoded."""
    return encode(SEQUENCE, b"".join(members))


def set_of(members: Iterable[bytes], *, ordered: bool = False) -> bytes:
    """Encode a SET of encoded members, as given, or in DER order (X.690-2021, 11.6)."""
    return encode(SET, b"".join(sorted(members) if ordered else members))


def integer(value: int) -> bytes:
    """Encode an INTEGER that is not negative."""
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(content: bytes) -> bytes:
    """Encode an OBJECT IDENTIFIER given by its content bytes."""
    return encode(OID, content)


def octet_string(content: bytes) -> bytes:
    """Encode a primitive OCTET STRING."""
    return encode(OCTET_STRING, content)


def null() -> bytes:
    """Encode a NULL."""
    return encode(NULL, b"")


def explicit(number: int, *members: bytes) -> bytes:
    """Encode members under the constructed context tag `number`."""
    return encode(context_tag(number, constructed=True), b"".join(members))

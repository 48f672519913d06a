"""The key block inside the envelope: the clear key, its header, and who sends it."""

from __future__ import annotations

from dataclasses import dataclass, field

from keyferry.crypto.tr34 import der, identifiers
from keyferry.crypto.tr34.credentials import read_issuer_and_serial
from keyferry.errors import MalformedTokenError


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyBlock:
    """A key with its header, bound to the KDH that sends it (TR 34-2019, B.2.2.3.1)."""

    version: int  # 0 in the ASN.1, 1 in every sample
    kdh_id: bytes  # issuer and serial number of the KDH certificate, DER
    key: bytes = field(repr=False)
    header: str  # 16 characters like a TR-31 header's, or more with optional blocks


def header_attribute(header: str) -> bytes:
    """Encode the attribute that carries a key block header, in the block and in the signature."""
    if not _is_printable(header.encode("utf-8", "replace")):
        raise MalformedTokenError("key block header", offset=0, expected="printable ASCII")
    values = der.set_of([der.octet_string(header.encode("ascii"))])
    return der.sequence(der.oid(identifiers.DATA), values)


def read_header_text(reader: der.Reader, field: str) -> str:
    """Read the OCTET STRING of a header; which characters a header may have is checked later."""
    start = reader.offset
    content = reader.octet_string(field)
    if not _is_printable(content):
        raise reader.refuse(field, "printable ASCII", offset=start)
    return content.decode("ascii")


def _is_printable(text: bytes) -> bool:
    return bool(text) and all(0x20 <= byte <= 0x7E for byte in text)


def encode_key_block(*, key: bytes, header: str, kdh_id: bytes) -> bytes:
    """Encode the block, not yet padded, with the version 1 that every sample has."""
    return der.sequence(der.integer(1), kdh_id, der.octet_string(key), header_attribute(header))


def parse_key_block(block: bytes) -> KeyBlock:
    """
    Parse a key block without padding.

    Raises:
        MalformedTokenError: not exactly one key block in strict DER.
    """
    return _read(der.read_whole(block, der.SEQUENCE, "key block"))


def parse_padded_key_block(block: bytes, *, block_bytes: int) -> KeyBlock:
    """
    Parse a key block followed by its PKCS #7 padding to blocks of `block_bytes`.

    One published sample pads only when needed, so a block that ends on the border is read too.

    Raises:
        MalformedTokenError: not a key block, or something else than padding behind it.
    """
    reader = der.Reader(block, field="key block")
    element = reader.element(der.SEQUENCE, "key block")
    padding = block[len(element.encoded) :]
    count = len(padding)
    if count > block_bytes or padding != bytes((count & 0xFF,)) * count:
        raise reader.refuse("key block padding", "PKCS #7 padding")
    return _read(element)


def _read(element: der.Element) -> KeyBlock:
    reader = der.Reader(element.content, field="key block", offset=element.content_offset)
    start = reader.offset
    version = reader.integer("key block version")
    if version not in (0, 1):
        raise reader.refuse("key block version", "0 or 1", offset=start)
    kdh_id = read_issuer_and_serial(reader, "key block KDH id")
    key = reader.octet_string("key block key")
    attribute = reader.sequence("key block header")
    attribute.expect_oid(identifiers.DATA, "the data identifier", "key block header")
    values = attribute.set_of("key block header")
    header = read_header_text(values, "key block header")
    values.end()
    attribute.end()
    reader.end()
    return KeyBlock(version=version, kdh_id=kdh_id, key=key, header=header)

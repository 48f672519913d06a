"""The signed attributes: what the KDH's signature says about an envelope."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from keyferry.crypto.tr34 import der, identifiers
from keyferry.crypto.tr34.key_block import header_attribute, read_header_text
from keyferry.crypto.tr34.layouts import Layout
from keyferry.errors import MalformedTokenError, TokenNonceError

MIN_NONCE_BYTES = 8
MAX_NONCE_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedAttributes:
    """Parsed attributes. `encoded` is what the signature covers, in the order received."""

    content_type: bytes  # OID content bytes
    nonce: bytes | None  # two-pass: the KRD's random nonce, 8 to 16 bytes
    header: str
    header_offset: int  # in the token, for errors
    message_digest: bytes = field(repr=False)
    signing_time: datetime | None  # one-pass
    encoded: bytes = field(repr=False)  # as a SET (tag 31)


def build_signed_attributes(
    *,
    econtent: bytes,
    header: str,
    nonce: bytes | None,
    signing_time: datetime | None = None,
    layout: Layout = Layout.AWS,
) -> bytes:
    """
    Return the attributes as a SET (tag 31), the form that is signed.

    Args:
        econtent: what the token's OCTET STRING will carry; its SHA-256 goes in.
        header: of the key block, 16 ASCII characters or more.
        nonce: two-pass, 8 to 16 bytes; None for one-pass, which needs `signing_time`.
        signing_time: aware; whole seconds are kept.
        layout: CMS sorts (DER), the others keep contentType, randomNonce, data, messageDigest.

    Raises:
        TokenNonceError: not exactly one of nonce and signing time, or a nonce of another length.
        MalformedTokenError: the header is not printable ASCII.

    Source: TR 34-2019, B.2.2.3.1; the AWS samples for the order, which their readers insist on.
    """
    if nonce is not None and signing_time is None:
        check_nonce_size(nonce)
        freshness = _attribute(identifiers.RANDOM_NONCE, der.octet_string(nonce))
    elif nonce is None and signing_time is not None:
        freshness = _attribute(identifiers.SIGNING_TIME, _encode_time(signing_time))
    else:
        raise TokenNonceError("a token carries either a random nonce or a signing time")
    digest = hashlib.sha256(econtent).digest()
    attributes = (
        _attribute(identifiers.CONTENT_TYPE, der.oid(identifiers.ENVELOPED_DATA)),
        freshness,
        header_attribute(header),
        _attribute(identifiers.MESSAGE_DIGEST, der.octet_string(digest)),
    )
    return der.set_of(attributes, ordered=layout is Layout.CMS)


def check_nonce_size(nonce: bytes) -> None:
    """Refuse a nonce that is not of 8 to 16 bytes (TokenNonceError)."""
    if not MIN_NONCE_BYTES <= len(nonce) <= MAX_NONCE_BYTES:
        raise TokenNonceError(
            f"random nonce of {len(nonce)} bytes: expected {MIN_NONCE_BYTES} to {MAX_NONCE_BYTES}"
        )


def _attribute(oid: bytes, value: bytes) -> bytes:
    return der.sequence(der.oid(oid), der.set_of([value]))


def _encode_time(moment: datetime) -> bytes:
    """Encode a time as RFC 5652, 11.3 wants it: UTCTime through 2049, GeneralizedTime after."""
    moment = moment.astimezone(UTC)
    if 1950 <= moment.year <= 2049:
        return der.encode(der.UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode("ascii"))
    text = f"{moment.year:04d}{moment.strftime('%m%d%H%M%SZ')}"
    return der.encode(der.GENERALIZED_TIME, text.encode("ascii"))


def parse_signed_attributes(attributes: bytes, *, offset: int = 0) -> SignedAttributes:
    """
    Parse attributes given as a SET (tag 31) or, as they stand in a token, as [0] (tag A0).

    The order is not checked and is kept: with a nonce of more than 8 bytes the customary order is
    not that of DER, and the signature covers the bytes as sent. Attributes we do not know are
    covered by the signature and otherwise ignored (RFC 5652, 5.3).

    Raises:
        MalformedTokenError: not strict DER, an attribute twice or with other than one value, or
            one of contentType, data and messageDigest missing.
    """
    reader = der.Reader(attributes, field="signed attributes", offset=offset)
    tag = der.context_tag(0, constructed=True)
    if reader.peek_tag() == der.SET:
        tag = der.SET
    element = reader.element(tag, "signed attributes")
    reader.end()
    values = _read_values(reader.inside(element, "signed attributes"))

    def required(oid: bytes, name: str) -> der.Reader:
        if oid not in values:
            raise reader.refuse(f"{name} attribute", "it to be there", offset=element.offset)
        return values[oid]

    content_type = required(identifiers.CONTENT_TYPE, "contentType").oid("contentType")
    header_reader = required(identifiers.DATA, "key block header")
    header_offset = header_reader.offset
    header = read_header_text(header_reader, "key block header")
    message_digest = required(identifiers.MESSAGE_DIGEST, "messageDigest").octet_string(
        "messageDigest"
    )
    nonce = None
    if (nonce_reader := values.get(identifiers.RANDOM_NONCE)) is not None:
        start = nonce_reader.offset
        nonce = nonce_reader.octet_string("random nonce")
        if not MIN_NONCE_BYTES <= len(nonce) <= MAX_NONCE_BYTES:
            raise nonce_reader.refuse("random nonce", "8 to 16 bytes", offset=start)
    signing_time = None
    if (time_reader := values.get(identifiers.SIGNING_TIME)) is not None:
        signing_time = _read_time(time_reader)
    return SignedAttributes(
        content_type=content_type,
        nonce=nonce,
        header=header,
        header_offset=header_offset,
        message_digest=message_digest,
        signing_time=signing_time,
        encoded=bytes((der.SET,)) + element.encoded[1:],
    )


def _read_values(reader: der.Reader) -> dict[bytes, der.Reader]:
    """Read `SEQUENCE { OID, SET { one value } }` for each attribute; return readers by OID."""
    values: dict[bytes, der.Reader] = {}
    while not reader.at_end:
        start = reader.offset
        attribute = reader.sequence("signed attribute")
        oid = attribute.oid("signed attribute type")
        if oid in values:
            raise reader.refuse("signed attribute", "each attribute once", offset=start)
        held = attribute.element(der.SET, "signed attribute value")
        attribute.end()
        content = attribute.inside(held, "signed attribute value")
        content.next_element("signed attribute value")
        content.end()
        values[oid] = attribute.inside(held, "signed attribute value")
    return values


def _read_time(reader: der.Reader) -> datetime:
    """Read a UTCTime or GeneralizedTime in the one form DER allows, to the second, in UTC."""
    element = reader.next_element("signingTime")
    expected_size = {der.UTC_TIME: 13, der.GENERALIZED_TIME: 15}.get(element.tag)
    text = element.content
    if len(text) != expected_size or not text[:-1].isdigit() or text[-1:] != b"Z":
        raise reader.refuse("signingTime", "a time in UTC", offset=element.offset)
    digits = text.decode("ascii")
    if element.tag == der.UTC_TIME:
        # RFC 5280, 4.1.2.5.1: years 50 to 99 are of the 20th century.
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    try:
        return datetime.strptime(digits, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise MalformedTokenError(
            "signingTime", offset=element.offset, expected="a time of the calendar"
        ) from None

"""Key tokens as a whole: SignedData over the envelope. Assembling and parsing, no verification."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from keyferry.crypto.tr34 import der, identifiers
from keyferry.crypto.tr34.attributes import SignedAttributes, parse_signed_attributes
from keyferry.crypto.tr34.credentials import read_issuer_and_serial
from keyferry.crypto.tr34.envelope import Envelope, parse_envelope
from keyferry.crypto.tr34.layouts import ContentCipher, Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedToken:
    """A token whose shape is right. Nothing in it is proven: only `open_token` proves it."""

    layout: Layout
    signer_id: bytes  # issuer and serial number of the KDH certificate, DER
    signature: bytes = field(repr=False)
    econtent: bytes = field(repr=False)  # what the OCTET STRING carries, and the digest covers
    attributes: SignedAttributes
    envelope: Envelope

    @property
    def recipient_id(self) -> bytes:
        """Issuer and serial number of the KRD certificate the token is addressed to, DER."""
        return self.envelope.recipient_id

    @property
    def content_cipher(self) -> ContentCipher:
        """The cipher of the envelope."""
        return self.envelope.content_cipher

    @property
    def nonce(self) -> bytes | None:
        """The random nonce of a two-pass token."""
        return self.attributes.nonce

    @property
    def signing_time(self) -> datetime | None:
        """When a one-pass token says it was signed."""
        return self.attributes.signing_time

    @property
    def header(self) -> str:
        """The key block header in the signed attributes."""
        return self.attributes.header


def assemble_token(
    *,
    econtent: bytes,
    attributes_set: bytes,
    kdh_id: bytes,
    signature: bytes,
    layout: Layout = Layout.AWS,
) -> bytes:
    """
    Put the signed parts together as a token.

    Args:
        econtent: what the attributes' digest covers; for layout AWS without its SEQUENCE.
        attributes_set: the attributes as they were signed, a SET (tag 31).
        kdh_id: issuer and serial number of the KDH certificate, DER.
        signature: RSA PKCS #1 v1.5 with SHA-256 over `attributes_set`.
        layout: no layout differs here; `parse_envelope(econtent)` must have it.

    Raises:
        MalformedTokenError: a part has not the shape it must have.

    Source: RFC 5652, 5; the structure every AWS sample builds.
    """
    attributes = parse_signed_attributes(attributes_set)
    envelope = parse_envelope(econtent)
    if envelope.layout is not layout:
        raise der.Reader(econtent, field="enveloped data").refuse("layout", layout.value)
    read_issuer_and_serial(der.Reader(kdh_id, field="KDH id"), "KDH id")
    digest = identifiers.sha256_identifier(with_null=False)
    signer = der.sequence(
        der.integer(1),
        kdh_id,
        digest,
        # Only the tag changes: the signature covers the SET, the token carries it as [0].
        bytes((der.context_tag(0, constructed=True),)) + attributes.encoded[1:],
        der.sequence(der.oid(identifiers.RSA_ENCRYPTION), der.null()),
        der.octet_string(signature),
    )
    # RFC 5652 asks for version 3 with this content type; TR-34 fixes 1, and no reader objects.
    signed_data = der.sequence(
        der.integer(1),
        der.set_of([digest]),
        der.sequence(
            der.oid(identifiers.ENVELOPED_DATA), der.explicit(0, der.octet_string(econtent))
        ),
        der.set_of([signer]),
    )
    return der.sequence(der.oid(identifiers.SIGNED_DATA), der.explicit(0, signed_data))


def parse_token(token: bytes) -> UnverifiedToken:
    """
    Parse a key token of any of the four layouts. Needs no key and proves nothing.

    Raises:
        MalformedTokenError: not strict DER, bytes behind the token, not exactly one signer and one
            recipient, another hash than SHA-256, or a layout that is none of the four.

    Source: RFC 5652, 5.1 and 5.3; TR 34-2019, B.2.2.3.1.
    """
    whole = der.Reader(token, field="token")
    content_info = whole.sequence("token")
    whole.end()
    content_info.expect_oid(identifiers.SIGNED_DATA, "signedData", "content type")
    explicit = content_info.element(der.context_tag(0, constructed=True), "signed data")
    content_info.end()
    holder = content_info.inside(explicit, "signed data")
    signed_data = holder.sequence("signed data")
    holder.end()

    version_offset = signed_data.offset
    version = signed_data.integer("signed data version")
    digests = signed_data.set_of("digest algorithms")
    identifiers.read_sha256(digests, "digest algorithm")
    digests.end()
    econtent = _read_econtent(signed_data)
    envelope = parse_envelope(econtent.content, offset=econtent.content_offset)
    strict = envelope.layout is Layout.AWS
    if version not in ((1,) if strict else (1, 3)):
        raise signed_data.refuse("signed data version", "1", offset=version_offset)
    if not strict:
        # A CRL travels with one-pass tokens, and CMS libraries add certificates. Both are outside
        # the signature and trusted by nobody: the KDH certificate comes from elsewhere.
        signed_data.optional(der.context_tag(0, constructed=True), "certificates")
        signed_data.optional(der.context_tag(1, constructed=True), "CRLs")
    signers = signed_data.set_of("signers")
    signed_data.end()
    signer = signers.sequence("signer")
    signers.end()
    signer_id, attributes, signature = _read_signer(signer, strict=strict)
    return UnverifiedToken(
        layout=envelope.layout,
        signer_id=signer_id,
        signature=signature,
        econtent=econtent.content,
        attributes=attributes,
        envelope=envelope,
    )


def _read_econtent(signed_data: der.Reader) -> der.Element:
    """Read EncapsulatedContentInfo and return its OCTET STRING."""
    name = "encapsulated content"
    info = signed_data.sequence(name)
    info.expect_oid(identifiers.ENVELOPED_DATA, "envelopedData", "encapsulated content type")
    explicit = info.element(der.context_tag(0, constructed=True), name)
    info.end()
    holder = info.inside(explicit, name)
    econtent = holder.element(der.OCTET_STRING, name)
    holder.end()
    return econtent


def _read_signer(signer: der.Reader, *, strict: bool) -> tuple[bytes, SignedAttributes, bytes]:
    """Read SignerInfo: signer id, attributes, signature. Unsigned attributes are refused."""
    start = signer.offset
    if signer.integer("signer version") != 1:
        raise signer.refuse("signer version", "1", offset=start)
    signer_id = read_issuer_and_serial(signer, "signer id")
    identifiers.read_sha256(signer, "signer digest algorithm")
    element = signer.element(der.context_tag(0, constructed=True), "signed attributes")
    attributes = parse_signed_attributes(element.encoded, offset=element.offset)
    algorithm = signer.sequence("signature algorithm")
    start = algorithm.offset
    oid = algorithm.oid("signature algorithm")
    if oid != identifiers.RSA_ENCRYPTION and (strict or oid != identifiers.SHA256_WITH_RSA):
        raise algorithm.refuse("signature algorithm", "rsaEncryption", offset=start)
    algorithm.null_or_absent("signature algorithm")
    algorithm.end()
    signature = signer.octet_string("signature")
    signer.end()
    return signer_id, attributes, signature

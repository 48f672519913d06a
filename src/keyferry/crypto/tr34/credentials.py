"""How a token names a certificate: issuer and serial number, byte for byte as certified."""

from __future__ import annotations

from cryptography import x509

from keyferry.crypto.tr34 import der
from keyferry.errors import KeyferryError, MalformedCertificateError


def _malformed(field: str, offset: int, expected: str) -> KeyferryError:
    return MalformedCertificateError(f"certificate {field} at offset {offset}: expected {expected}")


def issuer_and_serial(certificate: x509.Certificate) -> bytes:
    """
    Return `SEQUENCE { Name issuer, INTEGER serial }` of a certificate, in DER.

    The Name is copied, never re-encoded: a PrintableString that came back as a UTF8String would no
    longer match on the other side.

    Raises:
        MalformedCertificateError: the certificate's own encoding is not strict DER.

    Source: RFC 5652, 10.2.4.
    """
    outer = der.Reader(certificate.tbs_certificate_bytes, field="body", error=_malformed)
    body = outer.sequence("body")
    body.optional(der.context_tag(0, constructed=True), "version")
    start = body.offset
    serial = body.integer("serial number")
    if serial < 0:
        raise body.refuse("serial number", "a number that is not negative", offset=start)
    body.element(der.SEQUENCE, "signature algorithm")
    issuer = body.element(der.SEQUENCE, "issuer")
    return der.sequence(issuer.encoded, der.integer(serial))


def issuer_and_serial_of(issuer_name: bytes, serial: int) -> bytes:
    """Return the same for an issuer Name already in DER and a serial number."""
    der.read_whole(issuer_name, der.SEQUENCE, "issuer")
    return der.sequence(issuer_name, der.integer(serial))


def read_issuer_and_serial(reader: der.Reader, field: str) -> bytes:
    """Read an issuer and serial number from a token; return it with its tag and length."""
    element = reader.element(der.SEQUENCE, field)
    members = reader.inside(element, field)
    members.element(der.SEQUENCE, f"{field} issuer")
    members.integer(f"{field} serial number")
    members.end()
    return element.encoded

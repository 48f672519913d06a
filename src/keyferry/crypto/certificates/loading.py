"""Certificates and certificate requests as text and bytes."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import DuplicateExtension, InvalidVersion, UnsupportedGeneralNameType

from keyferry.errors import MalformedCertificateError, UnsupportedAlgorithmError

MAX_CERTIFICATE_BYTES: Final = 32_768
"""Of PEM or DER: the most an AWS Payment Cryptography member may hold."""

_PEM: Final = re.compile(
    rb"\s*-----BEGIN (?P<label>[A-Z0-9 ]+)-----\r?\n"
    rb"(?P<body>[A-Za-z0-9+/=\r\n \t]+)-----END (?P=label)-----\s*",
)
_PARSE_ERRORS: Final = (
    ValueError,  # what the parser says of bad DER, names, numbers and points
    TypeError,
    InvalidVersion,
    DuplicateExtension,
    UnsupportedGeneralNameType,
    # A serial number that is not positive is only warned of; it is refused below in any case, and
    # where warnings are errors this is what arrives.
    Warning,
)
Parsed = TypeVar("Parsed", x509.Certificate, x509.CertificateSigningRequest)


def load_certificate(pem_or_der: bytes) -> x509.Certificate:
    """
    Load exactly one certificate, PEM or DER.

    Every part that is used later is read at once (names, validity, key, extensions), since the
    library reads lazily and a certificate must not fail at a distance.

    Raises:
        MalformedCertificateError: no certificate, several, or text around it; a part that cannot
            be read; a serial number that is not positive; more than 32768 bytes.
        UnsupportedAlgorithmError: a public key or signature algorithm the library does not know.
    """
    certificate = _load(
        pem_or_der,
        what="certificate",
        labels=(b"CERTIFICATE", b"X509 CERTIFICATE"),
        parse=x509.load_der_x509_certificate,
        touch=_touch_certificate,
    )
    if certificate.serial_number <= 0:
        raise MalformedCertificateError("certificate serial number: expected a positive number")
    return certificate


def load_csr(pem_or_der: bytes) -> x509.CertificateSigningRequest:
    """
    Load exactly one certificate signing request, PEM or DER, and verify its own signature.

    Raises:
        MalformedCertificateError: no request, several, unreadable, or its signature is wrong.
        UnsupportedAlgorithmError: a public key or signature algorithm the library does not know.
    """
    return _load(
        pem_or_der,
        what="certificate request",
        labels=(b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST"),
        parse=x509.load_der_x509_csr,
        touch=_touch_csr,
    )


def encode_pem(certificate: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    """Return the PEM text of a certificate or request, with a final newline."""
    return certificate.public_bytes(Encoding.PEM)


def _touch_certificate(certificate: x509.Certificate) -> None:
    certificate.public_key()
    _ = (certificate.subject, certificate.issuer, certificate.extensions)
    _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    _ = (certificate.signature_hash_algorithm, certificate.serial_number)


def _touch_csr(csr: x509.CertificateSigningRequest) -> None:
    csr.public_key()
    _ = (csr.subject, csr.extensions, csr.signature_hash_algorithm)
    try:
        valid = csr.is_signature_valid
    except InvalidSignature:
        valid = False
    if not valid:
        raise ValueError


def _load(
    data: bytes,
    *,
    what: str,
    labels: tuple[bytes, ...],
    parse: Callable[[bytes], Parsed],
    touch: Callable[[Parsed], None],
) -> Parsed:
    if len(data) > MAX_CERTIFICATE_BYTES:
        raise MalformedCertificateError(
            f"{what} of {len(data)} bytes: expected at most {MAX_CERTIFICATE_BYTES}"
        )
    if data[:1] != b"\x30":  # DER starts with a SEQUENCE, PEM with text
        data = _pem_body(data, what=what, labels=labels)
    try:
        parsed = parse(data)
        touch(parsed)
    except UnsupportedAlgorithm:
        raise UnsupportedAlgorithmError(
            f"{what}: expected a known public key and signature algorithm"
        ) from None
    except _PARSE_ERRORS:
        raise MalformedCertificateError(f"{what}: expected X.509 in DER") from None
    return parsed


def _pem_body(text: bytes, *, what: str, labels: tuple[bytes, ...]) -> bytes:
    """Return the DER inside the one PEM block that `text` must be."""
    match = _PEM.fullmatch(text)
    if match is None or match["label"] not in labels:
        count = sum(text.count(b"-----BEGIN " + label + b"-----") for label in labels)
        found = f"{count} of them" if count > 1 else "something else"
        raise MalformedCertificateError(
            f"{what}: expected one {what} in PEM or DER and nothing around it, found {found}"
        )
    try:
        return binascii.a2b_base64(b"".join(match["body"].split()), strict_mode=True)
    except binascii.Error:
        raise MalformedCertificateError(f"{what}: expected base64 inside the PEM block") from None

"""Certificates of others: how they arrive, and which imported authority vouches for them."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from cryptography import x509

from keyferry.crypto.certificates import (
    check_issuer_strength,
    check_validity,
    encode_pem,
    key_algorithm_name,
    load_certificate,
    public_key_der,
    verify_issued,
)
from keyferry.errors import CertificateError, MalformedCertificateError
from keyferry.keys import KeyAlgorithm, KeyClass, KeyUsage
from keyferry.service.context import Context
from keyferry.service.control.identifiers import find_key
from keyferry.service.control.states import require_usable
from keyferry.service.errors import InvalidRequestError
from keyferry.service.store.records import KeyRecord

# Clients stamp notBefore with their own "now"; as much difference as a signed request may have.
CLOCK_TOLERANCE = timedelta(minutes=15)

_PEM_LINE = b"-----BEGIN CERTIFICATE-----"


class Moment(Protocol):
    """A call, for what depends on nothing but when it was made; contexts of both planes are one."""

    @property
    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Authority:
    """An imported CA key that may vouch for certificates, and its certificate."""

    record: KeyRecord
    certificate: x509.Certificate


def decode_certificate(text: str, *, member: str) -> x509.Certificate:
    """
    Read a certificate member: base64 of the PEM text of one certificate.

    Raises:
        MalformedCertificateError: bare PEM, base64 of DER, several certificates or none. `member`
            names the place.
    """
    try:
        pem = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise MalformedCertificateError(
            f"{member}: expected base64 of the PEM text of a certificate"
        ) from None
    if not pem.lstrip().startswith(_PEM_LINE):
        raise MalformedCertificateError(f"{member}: expected PEM text inside the base64")
    try:
        return load_certificate(pem)
    except CertificateError as error:
        raise type(error)(f"{member}: {error}") from None


def encode_certificate(certificate: x509.Certificate) -> str:
    """Show a certificate as the API does: base64 of PEM text with a final newline."""
    return base64.b64encode(encode_pem(certificate)).decode("ascii")


def find_authority(context: Context, identifier: str, *, action: str) -> Authority:
    """
    Return the CA key an identifier names.

    Raises:
        InvalidRequestError: not a public key of usage S0 that may verify, or not usable.
        ResourceNotFoundError, AccessDeniedError: as `find_key`.
    """
    record = find_key(context, identifier, action=action)
    attributes = record.attributes
    if (
        attributes.key_class is not KeyClass.PUBLIC_KEY
        or attributes.key_usage is not KeyUsage.TR31_S0_ASYMMETRIC_KEY_FOR_DIGITAL_SIGNATURE
        or not attributes.modes_of_use.verify
        or record.certificate is None
    ):
        raise InvalidRequestError(
            "CertificateAuthorityPublicKeyIdentifier: expected an imported public key of usage"
            f" {KeyUsage.TR31_S0_ASYMMETRIC_KEY_FOR_DIGITAL_SIGNATURE}"
        )
    require_usable(context, record)
    return Authority(record, load_certificate(record.certificate))


def check_issued(context: Moment, certificate: x509.Certificate, authority: Authority) -> None:
    """
    Check that the authority issued a certificate which is valid now, and is strong enough to.

    Nothing is asked of a leaf's extensions: HSMs present leaves without any. The authority's own
    certificate may have expired since it was imported; that is checked too.

    Raises:
        CertificateChainError, CertificateValidityError, CertificateStrengthError: as they say.
        UnsupportedAlgorithmError: the certificate's key is none the service knows.
    """
    # The key first: the library verifies signatures over any curve, we name three.
    subject = key_algorithm_name(certificate.public_key())
    verify_issued(certificate, authority.certificate, now=context.now, tolerance=CLOCK_TOLERANCE)
    check_issuer_strength(subject, authority.record.attributes.key_algorithm.value)


def check_own_certificate(
    context: Context, certificate: x509.Certificate, record: KeyRecord, *, member: str
) -> None:
    """
    Check the certificate a caller brings for a key pair of ours.

    A pair and a certificate that do not belong together is the most common mistake, so it gets
    its own words (certificates are public).

    Raises:
        InvalidRequestError: the certificate holds another public key.
        CertificateValidityError: expired, or not yet valid.
    """
    if public_key_der(certificate.public_key()) != record.public_key:
        raise InvalidRequestError(
            f"{member}: the certificate does not hold the public key of"
            f" {context.key_arn(record.key_id)}"
        )
    check_validity(certificate, now=context.now, tolerance=CLOCK_TOLERANCE, what=member)


def certificate_algorithm(certificate: x509.Certificate) -> KeyAlgorithm:
    """The KeyAlgorithm of a certificate's key; UnsupportedAlgorithmError if it has none."""
    return KeyAlgorithm(key_algorithm_name(certificate.public_key()))

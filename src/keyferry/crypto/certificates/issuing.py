"""Making certificates: roots, intermediates, leaves and certificate signing requests."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from keyferry.errors import CertificateError, UnsupportedAlgorithmError

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512

HASHES: Final[dict[str, type[Hash]]] = {
    "SHA256": hashes.SHA256,
    "SHA384": hashes.SHA384,
    "SHA512": hashes.SHA512,
}
SERIAL_BYTES: Final = 16  # random; RFC 5280, 4.1.2.2 allows 20


class CertificateUsage(StrEnum):
    """What a leaf's key does; becomes its keyUsage extension (RFC 5280, 4.2.1.3)."""

    KEY_ENCIPHERMENT = "keyEncipherment"
    DIGITAL_SIGNATURE = "digitalSignature"
    KEY_AGREEMENT = "keyAgreement"


def hash_algorithm(name: str) -> Hash:
    """Return the hash called SHA256, SHA384 or SHA512; UnsupportedAlgorithmError for others."""
    try:
        return HASHES[name]()
    except KeyError:
        raise UnsupportedAlgorithmError(
            f"hash {name!r}: expected one of {', '.join(HASHES)}"
        ) from None


def distinguished_name(
    *,
    common_name: str,
    organization: str | None = None,
    organization_unit: str | None = None,
    country: str | None = None,
    state_or_province: str | None = None,
    city: str | None = None,
    email_address: str | None = None,
) -> x509.Name:
    """
    Make a distinguished name, in the order country, state, city, organization, unit, name, email.

    Raises:
        CertificateError: a part has a length X.520 does not allow (a country has 2 letters).
    """
    parts = (
        (NameOID.COUNTRY_NAME, country),
        (NameOID.STATE_OR_PROVINCE_NAME, state_or_province),
        (NameOID.LOCALITY_NAME, city),
        (NameOID.ORGANIZATION_NAME, organization),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, organization_unit),
        (NameOID.COMMON_NAME, common_name),
        (NameOID.EMAIL_ADDRESS, email_address),
    )
    try:
        return x509.Name(
            [x509.NameAttribute(oid, value) for oid, value in parts if value is not None]
        )
    except (ValueError, TypeError) as error:
        raise CertificateError(f"certificate subject: {error}") from None


def create_root(
    private_key: PrivateKey,
    *,
    common_name: str,
    not_before: datetime,
    not_after: datetime,
    organization: str | None = None,
    hash_name: str = "SHA512",
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> x509.Certificate:
    """
    Create a self-signed certificate authority.

    Args:
        not_before, not_after: aware, whole seconds are kept.
        hash_name: of the signature, SHA256, SHA384 or SHA512.

    Raises:
        CertificateError: the name or the validity is not possible.
        UnsupportedAlgorithmError: another hash.
    """
    name = distinguished_name(common_name=common_name, organization=organization)
    return _sign(
        private_key.public_key(),
        subject=name,
        issuer_name=name,
        issuer_key=private_key,
        not_before=not_before,
        not_after=not_after,
        hash_name=hash_name,
        random_bytes=random_bytes,
        extensions=_authority_extensions(private_key.public_key(), path_length=None),
    )


def issue_authority(
    public_key: PublicKey,
    *,
    subject: x509.Name | str,
    issuer: x509.Certificate,
    issuer_key: PrivateKey,
    not_before: datetime,
    not_after: datetime,
    path_length: int | None = 0,
    hash_name: str = "SHA512",
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> x509.Certificate:
    """Issue an intermediate authority; `path_length` is how many more may stand below it."""
    return _sign(
        public_key,
        subject=subject,
        issuer_name=issuer.subject,
        issuer_key=issuer_key,
        not_before=not_before,
        not_after=not_after,
        hash_name=hash_name,
        random_bytes=random_bytes,
        extensions=[
            *_authority_extensions(public_key, path_length=path_length),
            (_authority_key_identifier(issuer, issuer_key), False),
        ],
    )


def issue_leaf(
    public_key: PublicKey,
    *,
    subject: x509.Name | str,
    issuer: x509.Certificate,
    issuer_key: PrivateKey,
    not_before: datetime,
    not_after: datetime,
    usage: CertificateUsage,
    hash_name: str = "SHA512",
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> x509.Certificate:
    """
    Issue a leaf certificate with keyUsage and basicConstraints CA:FALSE, both critical.

    Args:
        subject: a whole name, or text that becomes the common name.
        not_before, not_after: aware, whole seconds are kept.

    Raises:
        CertificateError: the name or the validity is not possible.
        UnsupportedAlgorithmError: another hash.
    """
    return _sign(
        public_key,
        subject=subject,
        issuer_name=issuer.subject,
        issuer_key=issuer_key,
        not_before=not_before,
        not_after=not_after,
        hash_name=hash_name,
        random_bytes=random_bytes,
        extensions=[
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_key_usage(usage), True),
            (x509.SubjectKeyIdentifier.from_public_key(public_key), False),
            (_authority_key_identifier(issuer, issuer_key), False),
        ],
    )


def create_csr(
    private_key: PrivateKey, *, subject: x509.Name | str, hash_name: str = "SHA512"
) -> x509.CertificateSigningRequest:
    """
    Create a certificate signing request (PKCS #10, RFC 2986) without attributes.

    Raises:
        CertificateError: the name is not possible.
        UnsupportedAlgorithmError: another hash.
    """
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(subject))
    return builder.sign(private_key, hash_algorithm(hash_name))


def _name(subject: x509.Name | str) -> x509.Name:
    return distinguished_name(common_name=subject) if isinstance(subject, str) else subject


def _sign(
    public_key: PublicKey,
    *,
    subject: x509.Name | str,
    issuer_name: x509.Name,
    issuer_key: PrivateKey,
    not_before: datetime,
    not_after: datetime,
    hash_name: str,
    random_bytes: Callable[[int], bytes],
    extensions: list[tuple[x509.ExtensionType, bool]],
) -> x509.Certificate:
    algorithm = hash_algorithm(hash_name)
    # Clear the top bit (a negative INTEGER otherwise), set the lowest (zero is not allowed).
    serial = int.from_bytes(random_bytes(SERIAL_BYTES), "big") & (1 << 8 * SERIAL_BYTES - 1) - 1 | 1
    if not_before.tzinfo is None or not_after.tzinfo is None:
        raise CertificateError("certificate validity: expected times with a time zone")
    try:
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(issuer_name)
            .public_key(public_key)
            .serial_number(serial)
            .not_valid_before(not_before)
            .not_valid_after(not_after)
        )
    except ValueError as error:
        raise CertificateError(f"certificate validity: {error}") from None
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer_key, algorithm)


def _authority_extensions(
    public_key: PublicKey, *, path_length: int | None
) -> list[tuple[x509.ExtensionType, bool]]:
    return [
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (_key_usage(None), True),
        (x509.SubjectKeyIdentifier.from_public_key(public_key), False),
    ]


def _authority_key_identifier(
    issuer: x509.Certificate, issuer_key: PrivateKey
) -> x509.AuthorityKeyIdentifier:
    """Name the issuer's key as the issuer does, so that chain builders agree."""
    try:
        extension = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(extension.value)


def _key_usage(usage: CertificateUsage | None) -> x509.KeyUsage:
    """Return the keyUsage of a leaf, or of an authority for None."""
    return x509.KeyUsage(
        digital_signature=usage is CertificateUsage.DIGITAL_SIGNATURE,
        content_commitment=False,
        key_encipherment=usage is CertificateUsage.KEY_ENCIPHERMENT,
        data_encipherment=False,
        key_agreement=usage is CertificateUsage.KEY_AGREEMENT,
        key_cert_sign=usage is None,
        crl_sign=usage is None,
        encipher_only=False,
        decipher_only=False,
    )

"""
Verifying certificates: who issued them, whether they are valid now, what they are for.

There is no path building and no revocation: a payment key exchange names its one issuer, and the
caller gives the chain in order. Leaves need no extensions at all (HSMs make such certificates);
an extension that is there is obeyed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import SignatureAlgorithmOID

from keyferry.crypto.certificates.issuing import CertificateUsage
from keyferry.errors import (
    CertificateChainError,
    CertificateUsageError,
    CertificateValidityError,
)

_SIGNATURES: Final = frozenset(
    {
        SignatureAlgorithmOID.RSA_WITH_SHA256,
        SignatureAlgorithmOID.RSA_WITH_SHA384,
        SignatureAlgorithmOID.RSA_WITH_SHA512,
        SignatureAlgorithmOID.RSASSA_PSS,
        SignatureAlgorithmOID.ECDSA_WITH_SHA256,
        SignatureAlgorithmOID.ECDSA_WITH_SHA384,
        SignatureAlgorithmOID.ECDSA_WITH_SHA512,
    }
)
_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_USAGE_MEMBERS: Final = {
    CertificateUsage.DIGITAL_SIGNATURE: "digital_signature",
    CertificateUsage.KEY_ENCIPHERMENT: "key_encipherment",
    CertificateUsage.KEY_AGREEMENT: "key_agreement",
}


def verify_issued(
    leaf: x509.Certificate,
    issuer: x509.Certificate,
    *,
    now: datetime,
    tolerance: timedelta = timedelta(0),
) -> None:
    """
    Verify that `issuer` issued `leaf`, and that both are valid now.

    The issuer is trusted by the caller. A self-signed certificate is issued by itself.

    Args:
        now: aware.
        tolerance: how far in the future notBefore may lie (a client's clock runs ahead); notAfter
            gets none.

    Raises:
        CertificateChainError: another issuer name, a signature that does not verify or is of
            another algorithm than RSA PKCS #1 v1.5, RSA PSS or ECDSA with SHA-256, 384 or 512;
            an issuer that says it is no authority.
        CertificateValidityError: one of the two is expired or not yet valid.

    Source: RFC 5280, 6.1.3 (a), 6.1.4 (k) and (n), less what the module's text leaves out.
    """
    if leaf.issuer != issuer.subject:
        raise CertificateChainError(
            "certificate was issued by another authority: its issuer name differs",
            hint="give the certificate of the authority that issued it, the last one of the chain",
        )
    _verify_signature(leaf, issuer)
    if leaf != issuer:
        check_is_authority(issuer)
    check_validity(leaf, now=now, tolerance=tolerance, what="certificate")
    check_validity(issuer, now=now, tolerance=tolerance, what="issuer certificate")


def verify_root(
    certificate: x509.Certificate, *, now: datetime, tolerance: timedelta = timedelta(0)
) -> None:
    """
    Verify what can be verified of a certificate that is to be trusted as a root.

    Raises:
        CertificateChainError: not self-signed, or basicConstraints says CA:FALSE.
        CertificateValidityError: expired or not yet valid.
    """
    verify_issued(certificate, certificate, now=now, tolerance=tolerance)
    constraints = _basic_constraints(certificate)
    if constraints is not None and not constraints.ca:
        raise CertificateChainError("root certificate is not of an authority (CA:FALSE)")


def verify_chain(
    leaf: x509.Certificate,
    chain: Sequence[x509.Certificate],
    root: x509.Certificate,
    *,
    now: datetime,
    tolerance: timedelta = timedelta(0),
) -> None:
    """
    Verify `leaf` through the intermediates of `chain` (leaf's issuer first) up to `root`.

    The root may stand at the end of `chain` too. Its own signature is verified.

    Raises:
        CertificateChainError: a link is broken, the root is not self-signed, or more authorities
            follow one than its path length allows.
        CertificateValidityError: one of them is expired or not yet valid.
    """
    authorities = [*chain]
    if not authorities or authorities[-1] != root:
        authorities.append(root)
    verify_issued(root, root, now=now, tolerance=tolerance)
    subject = leaf
    for depth, authority in enumerate(authorities):
        verify_issued(subject, authority, now=now, tolerance=tolerance)
        _check_path_length(authority, below=depth)
        subject = authority


def check_validity(
    certificate: x509.Certificate,
    *,
    now: datetime,
    tolerance: timedelta = timedelta(0),
    what: str = "certificate",
) -> None:
    """Check that a certificate is valid at `now` (aware); CertificateValidityError if not."""
    now = now.astimezone(UTC)
    if now + tolerance < certificate.not_valid_before_utc:
        raise CertificateValidityError(
            f"{what} is not valid before {certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}"
        )
    if now > certificate.not_valid_after_utc:
        raise CertificateValidityError(
            f"{what} expired at {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
        )


def check_is_authority(certificate: x509.Certificate) -> None:
    """
    Check that nothing in a certificate forbids it to issue others.

    Raises:
        CertificateChainError: basicConstraints says CA:FALSE, or keyUsage lacks keyCertSign.
    """
    constraints = _basic_constraints(certificate)
    if constraints is not None and not constraints.ca:
        raise CertificateChainError("issuer certificate is not of an authority (CA:FALSE)")
    usage = _key_usage(certificate)
    if usage is not None and not usage.key_cert_sign:
        raise CertificateChainError("issuer certificate may not sign certificates (keyUsage)")


def check_usage(certificate: x509.Certificate, usage: CertificateUsage, *, what: str) -> None:
    """
    Check that keyUsage, when present, allows `usage`; `what` names the certificate in the error.

    Raises:
        CertificateUsageError: keyUsage is present without it.
    """
    present = _key_usage(certificate)
    if present is not None and not getattr(present, _USAGE_MEMBERS[usage]):
        raise CertificateUsageError(f"{what} certificate does not allow {usage} (keyUsage)")


def _verify_signature(leaf: x509.Certificate, issuer: x509.Certificate) -> None:
    if leaf.signature_algorithm_oid not in _SIGNATURES or not isinstance(
        leaf.signature_hash_algorithm, _HASHES
    ):
        raise CertificateChainError(
            "certificate signature: expected RSA or ECDSA with SHA-256, SHA-384 or SHA-512"
        )
    try:
        leaf.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        raise CertificateChainError(
            "certificate was issued by another authority: its signature does not verify",
            hint="authorities of the same name with another key are told apart only here",
        ) from None


def _check_path_length(authority: x509.Certificate, *, below: int) -> None:
    constraints = _basic_constraints(authority)
    if (
        constraints is not None
        and constraints.path_length is not None
        and below > constraints.path_length
    ):
        raise CertificateChainError(
            f"{below} authorities below one that allows {constraints.path_length}"
        )


def _basic_constraints(certificate: x509.Certificate) -> x509.BasicConstraints | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return None


def _key_usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None

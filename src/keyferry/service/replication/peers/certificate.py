"""
The certificate by which a service of other Regions is known.

Both directions apply the same rule, beside what TLS itself verifies: the certificate was issued by
an authority of `--peer-ca`, is valid now, and names the host of the peer's URL itself. A wildcard
does not: it would let every service of a domain pass for any other.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from keyferry.crypto.certificates import load_certificate, verify_issued
from keyferry.errors import CertificateChainError, CertificateError, ConfigurationError

# As much difference between two clocks as a signed request may have.
CLOCK_TOLERANCE = timedelta(minutes=15)
_CA_BYTES = 1 << 20


def read_authorities(path: Path) -> tuple[x509.Certificate, ...]:
    """
    Read the certificates of `--peer-ca`, in PEM.

    Raises:
        ConfigurationError: unreadable, or no certificates.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_CA_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"--peer-ca {path}: {error.strerror}") from None
    if len(content) > _CA_BYTES:
        raise ConfigurationError(f"--peer-ca {path}: larger than 1 MiB")
    try:
        return tuple(x509.load_pem_x509_certificates(content))
    except ValueError:
        raise ConfigurationError(
            f"--peer-ca {path}: expected certificates in PEM",
            hint="give the certificate of the authority that issues the peers' certificates",
        ) from None


def check_peer_certificate(
    der: bytes, *, authorities: Sequence[x509.Certificate], host: str, now: datetime
) -> datetime:
    """
    Check that a certificate is that of the peer at `host`; return when it stops being so.

    Args:
        der: the leaf, whose private key TLS has seen used.
        authorities: trusted; one of them must have issued it directly.
        host: a name in lower case, or an IP address.

    Raises:
        MalformedCertificateError, UnsupportedAlgorithmError: it cannot be read.
        CertificateChainError: another authority issued it, or it is for another host.
        CertificateValidityError: it, or the authority, is expired or not yet valid.
    """
    leaf = load_certificate(der)
    issuer = _issuer(leaf, authorities, now)
    if not _names(leaf, host):
        raise CertificateChainError(
            f"the certificate does not name {host} itself",
            hint="issue it with the host of the --peer URL as a subject alternative name",
        )
    return min(leaf.not_valid_after_utc, issuer.not_valid_after_utc)


def _issuer(
    leaf: x509.Certificate, authorities: Sequence[x509.Certificate], now: datetime
) -> x509.Certificate:
    failure = CertificateChainError("the certificate was issued by no authority of --peer-ca")
    reason: CertificateError = failure
    for authority in authorities:
        if leaf.issuer != authority.subject:
            continue
        try:
            verify_issued(leaf, authority, now=now, tolerance=CLOCK_TOLERANCE)
        except CertificateError as error:
            reason = error  # another authority of the same name may be the one
        else:
            return authority
    raise reason


def _names(leaf: x509.Certificate, host: str) -> bool:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host in {name.lower() for name in names.get_values_for_type(x509.DNSName)}
    return address in names.get_values_for_type(x509.IPAddress)

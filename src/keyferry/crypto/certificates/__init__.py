"""X.509 for key exchanges: load, issue, verify. Times and trust are the caller's."""

from keyferry.crypto.certificates.issuing import (
    CertificateUsage,
    create_csr,
    create_root,
    distinguished_name,
    issue_authority,
    issue_leaf,
)
from keyferry.crypto.certificates.loading import encode_pem, load_certificate, load_csr
from keyferry.crypto.certificates.public_keys import (
    check_issuer_strength,
    check_key_pair,
    key_algorithm_name,
    public_key_der,
)
from keyferry.crypto.certificates.verifying import (
    check_is_authority,
    check_usage,
    check_validity,
    verify_chain,
    verify_issued,
    verify_root,
)

__all__ = [
    "CertificateUsage",
    "check_is_authority",
    "check_issuer_strength",
    "check_key_pair",
    "check_usage",
    "check_validity",
    "create_csr",
    "create_root",
    "distinguished_name",
    "encode_pem",
    "issue_authority",
    "issue_leaf",
    "key_algorithm_name",
    "load_certificate",
    "load_csr",
    "public_key_der",
    "verify_chain",
    "verify_issued",
    "verify_root",
]

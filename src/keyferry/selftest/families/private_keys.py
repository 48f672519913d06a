"""Private keys as the files hold them."""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from keyferry.selftest.case import Case


def load_rsa_private_key(case: Case, value: Any, member: str) -> rsa.RSAPrivateKey:
    """Load an RSA key from PKCS #8 DER in hex; `member` names it in errors."""
    try:
        key = load_der_private_key(case.bytes_of(value, member), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise case.refuse(member, "an RSA private key in PKCS #8")
    return key

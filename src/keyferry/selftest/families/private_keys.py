"""Private keys as the files hold them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from keyferry.selftest.case import Case


def load_rsa_private_key(case: Case, value: Any, member: str) -> rsa.RSAPrivateKey:
    """Load an RSA key from PKCS #8 DER in hex; `member` names it in errors."""
    key = _load(case.bytes_of(value, member))
    if key is None:
        raise case.refuse(member, "an RSA private key in PKCS #8")
    return key


# Loading proves a key's primes, which takes longer than the case that uses it; a file has a few
# keys for many cases. They are published test keys, so keeping them gives nothing away.
@lru_cache(maxsize=16)
def _load(encoded: bytes) -> rsa.RSAPrivateKey | None:
    try:
        key = load_der_private_key(encoded, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, rsa.RSAPrivateKey) else None

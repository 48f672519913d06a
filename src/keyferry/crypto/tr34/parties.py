"""The keys of KDH and KRD: RSA, of the sizes the protocol's users have."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from keyferry.crypto.certificates import key_algorithm_name
from keyferry.errors import UnsupportedAlgorithmError


def rsa_public_key(certificate: x509.Certificate, *, whose: str) -> rsa.RSAPublicKey:
    """
    Return the RSA key of a party's certificate; `whose` is KDH or KRD.

    Raises:
        UnsupportedAlgorithmError: not RSA, or not of 2048, 3072 or 4096 bits.
    """
    key = certificate.public_key()
    key_algorithm_name(key)
    if not isinstance(key, rsa.RSAPublicKey):
        raise UnsupportedAlgorithmError(f"{whose} certificate: expected an RSA key")
    return key

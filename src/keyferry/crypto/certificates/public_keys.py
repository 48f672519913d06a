"""Public keys in certificates: their DER, their names, how strong they are."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificatePublicKeyTypes,
    PublicKeyTypes,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keyferry.errors import (
    CertificateKeyError,
    CertificateStrengthError,
    UnsupportedAlgorithmError,
)

RSA_NAMES: Final = {2048: "RSA_2048", 3072: "RSA_3072", 4096: "RSA_4096"}
ECC_NAMES: Final = {
    "secp256r1": "ECC_NIST_P256",
    "secp384r1": "ECC_NIST_P384",
    "secp521r1": "ECC_NIST_P521",
}
# From weak to strong within a family; families do not mix.
_FAMILIES: Final = (tuple(RSA_NAMES.values()), tuple(ECC_NAMES.values()))


def public_key_der(key: PublicKeyTypes) -> bytes:
    """Return the DER SubjectPublicKeyInfo of a public key (RFC 5280, 4.1.2.7)."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_algorithm_name(key: PublicKeyTypes) -> str:
    """
    Name a public key: RSA_2048, RSA_3072, RSA_4096 or ECC_NIST_P256, P384, P521.

    Raises:
        UnsupportedAlgorithmError: another family, modulus size or curve.
    """
    if isinstance(key, rsa.RSAPublicKey):
        name = RSA_NAMES.get(key.key_size)
        found = f"RSA of {key.key_size} bits"
    elif isinstance(key, ec.EllipticCurvePublicKey):
        name = ECC_NAMES.get(key.curve.name)
        found = f"curve {key.curve.name}"
    else:
        name, found = None, type(key).__name__
    if name is None:
        raise UnsupportedAlgorithmError(
            f"public key is {found}: expected RSA of 2048, 3072 or 4096 bits, "
            "or curve P-256, P-384 or P-521"
        )
    return name


def check_issuer_strength(subject: str, issuer: str) -> None:
    """
    Check that an issuer's key is at least as strong as the key it certifies, and of its family.

    Args:
        subject, issuer: names as `key_algorithm_name` gives them.

    Raises:
        CertificateStrengthError: a weaker issuer, or RSA under ECC or the other way round.
        UnsupportedAlgorithmError: a name that is none of these.

    Source: AWS Payment Cryptography user guide, by its examples: a P-384 leaf needs a P-384 or
    P-521 CA, an RSA_2048 CA may certify RSA_2048 only.
    """
    for family in _FAMILIES:
        if subject in family:
            if issuer not in family:
                if not any(issuer in other for other in _FAMILIES):
                    break
                raise CertificateStrengthError(
                    f"certificate key {subject} under an issuer key {issuer}: "
                    "expected both of one family"
                )
            if family.index(issuer) < family.index(subject):
                raise CertificateStrengthError(
                    f"certificate key {subject} is stronger than its issuer's {issuer}"
                )
            return
    raise UnsupportedAlgorithmError(f"no rule for a key {subject} under an issuer key {issuer}")


def check_key_pair(
    certificate: x509.Certificate, public_key: CertificatePublicKeyTypes, *, whose: str
) -> None:
    """
    Check that a certificate certifies `public_key`; `whose` names the pair in the error.

    Raises:
        CertificateKeyError: it certifies another key.
    """
    if certificate.public_key() != public_key:
        raise CertificateKeyError(f"the {whose} certificate is not for the {whose} private key")

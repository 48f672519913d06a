"""The public keys a payShield answers with: what it made must be what was asked for."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_public_key

from keyferry.errors import HSMFrameError


def rsa_public_key(der: bytes, *, command: str) -> rsa.RSAPublicKey:
    """
    Read the public key in the answer of EI.

    Raises:
        HSMFrameError: the bytes are no RSA public key.
    """
    key = _load(der, command)
    if not isinstance(key, rsa.RSAPublicKey):
        raise _unexpected(command, "RSA")
    return key


def ec_public_key(der: bytes, *, command: str) -> ec.EllipticCurvePublicKey:
    """
    Read the public key in the answer of FY.

    Raises:
        HSMFrameError: the bytes are no EC public key.
    """
    key = _load(der, command)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise _unexpected(command, "EC")
    return key


def _load(der: bytes, command: str) -> PublicKeyTypes:
    try:
        return load_der_public_key(der)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unexpected(command, "usable") from None


def _unexpected(command: str, kind: str) -> HSMFrameError:
    return HSMFrameError(
        f"{command} answered with a public key that is not {kind}", field="public_key", offset=0
    )

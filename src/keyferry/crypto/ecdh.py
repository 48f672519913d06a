"""ECDH on P-256, P-384 and P-521."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from keyferry.errors import KeyAgreementError, UnsupportedAlgorithmError

__all__ = ["agree", "load_point"]

_CURVES: Final[dict[str, ec.EllipticCurve]] = {
    "P256": ec.SECP256R1(),
    "P384": ec.SECP384R1(),
    "P521": ec.SECP521R1(),
}
_UNCOMPRESSED: Final = b"\x04"


def load_point(curve_name: str, point: bytes) -> ec.EllipticCurvePublicKey:
    """
    Read a public key from its uncompressed point.

    Args:
        curve_name: P256, P384 or P521.
        point: 04, then both coordinates at full width: 65, 97 or 133 bytes.

    Raises:
        UnsupportedAlgorithmError: another curve.
        KeyAgreementError: the bytes are no point of the curve. Infinity is none.
    """
    curve = _CURVES.get(curve_name)
    if curve is None:
        raise UnsupportedAlgorithmError(
            f"curve {curve_name[:20]!r}: expected one of {', '.join(_CURVES)}"
        )
    expected = 1 + 2 * _field_bytes(curve)
    if len(point) != expected or point[:1] != _UNCOMPRESSED:
        raise KeyAgreementError(
            f"{curve_name} public key of {len(point)} bytes: expected 04 and both coordinates,"
            f" {expected} bytes"
        )
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
    except ValueError as error:
        raise KeyAgreementError(f"public key is not a point of {curve_name}") from error


def agree(private_key: ec.EllipticCurvePrivateKey, peer: ec.EllipticCurvePublicKey) -> bytes:
    """
    Return the shared secret Z: the x coordinate, big-endian, leading zeros kept.

    Returns:
        32, 48 or 66 bytes.

    Raises:
        UnsupportedAlgorithmError: our key is on a curve we do not agree on.
        KeyAgreementError: the peer's key is on another curve.

    Source: NIST SP 800-56A r3, 5.7.1.2. Vectors: ecdh-kdf.json.
    """
    curve = private_key.curve
    if all(curve.name != known.name for known in _CURVES.values()):
        raise UnsupportedAlgorithmError(f"curve {curve.name}: expected one of {', '.join(_CURVES)}")
    if peer.curve.name != curve.name:
        raise KeyAgreementError(
            f"public key on curve {peer.curve.name}: expected {curve.name}, as the private key"
        )
    try:
        return private_key.exchange(ec.ECDH(), peer)
    except ValueError as error:
        raise KeyAgreementError("key agreement failed") from error


def _field_bytes(curve: ec.EllipticCurve) -> int:
    return (curve.key_size + 7) // 8

"""
Private keys as the simulator lays them out before wrapping: its own form, of the captured sizes.

RSA: 16 bytes of header, then p, q, dp, dq and the coefficient, each half as long as the modulus:
656 bytes for RSA-2048, which is what live devices answer. EC: one byte for the curve, the scalar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from keyferry.hsm.payshield.rsa_public import variant_private_bytes
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError

_MARK: Final = b"RSAK"
_HEADER_BYTES: Final = 16
_USES: Final = ("0", "1", "2")

CURVES: Final[dict[str, ec.EllipticCurve]] = {
    "00": ec.SECP256R1(),
    "01": ec.SECP384R1(),
    "02": ec.SECP521R1(),
}
PRIVATE_KEY_ERROR: Final = "49"


@dataclass(frozen=True, slots=True)
class RSAPrivate:
    """An RSA private key and what it was generated for: 0 sign, 1 unwrap keys, 2 both."""

    key: rsa.RSAPrivateKey
    use: str

    @property
    def may_sign(self) -> bool:
        """Whether the key was generated for signatures."""
        return self.use in ("0", "2")

    @property
    def may_unwrap(self) -> bool:
        """Whether the key was generated for key management."""
        return self.use in ("1", "2")


def encode_rsa(private: RSAPrivate) -> bytes:
    """Lay out an RSA private key: as many bytes as a variant LMK's private key field has."""
    numbers = private.key.private_numbers()
    public = numbers.public_numbers
    bits = public.n.bit_length()
    half = (bits + 15) // 16
    parts = (numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
    header = (
        _MARK
        + bits.to_bytes(2, "big")
        + public.e.to_bytes(4, "big")
        + private.use.encode("ascii")
        + bytes(_HEADER_BYTES - 11)
    )
    body = header + b"".join(part.to_bytes(half, "big") for part in parts)
    return body.ljust(variant_private_bytes(bits), b"\x00")


def decode_rsa(body: bytes) -> RSAPrivate:
    """
    Read what `encode_rsa` wrote; only called on bytes whose seal has held.

    Raises:
        CommandRefusedError: 49, the bytes are no private key.
    """
    bits = int.from_bytes(body[4:6], "big")
    exponent = int.from_bytes(body[6:10], "big")
    use = body[10:11].decode("latin-1")
    half = (bits + 15) // 16
    if body[:4] != _MARK or use not in _USES or len(body) != variant_private_bytes(bits):
        raise CommandRefusedError(PRIVATE_KEY_ERROR)
    p, q, dmp1, dmq1, iqmp = (
        int.from_bytes(body[start : start + half], "big")
        for start in range(_HEADER_BYTES, _HEADER_BYTES + 5 * half, half)
    )
    if p < 3 or q < 3 or (p * q).bit_length() != bits or any(body[11:_HEADER_BYTES]):
        raise CommandRefusedError(PRIVATE_KEY_ERROR)
    public = rsa.RSAPublicNumbers(exponent, p * q)
    try:
        d = pow(exponent, -1, (p - 1) * (q - 1))
        # A variant LMK has no MAC over the key; that five numbers agree is the seal there.
        if (d % (p - 1), d % (q - 1), iqmp * q % p) != (dmp1, dmq1, 1):
            raise CommandRefusedError(PRIVATE_KEY_ERROR)
        numbers = rsa.RSAPrivateNumbers(p, q, d, dmp1, dmq1, iqmp, public)
        # We sealed these numbers ourselves; validating them again costs a hundred milliseconds.
        key = numbers.private_key(unsafe_skip_rsa_key_validation=True)
    except ValueError as error:
        raise CommandRefusedError(PRIVATE_KEY_ERROR) from error
    return RSAPrivate(key, use)


def encode_ec(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Lay out an EC private key: the number of its curve, then the scalar in full width."""
    number = next(number for number, curve in CURVES.items() if curve.name == key.curve.name)
    size = (key.curve.key_size + 7) // 8
    return bytes((int(number),)) + key.private_numbers().private_value.to_bytes(size, "big")


def decode_ec(body: bytes) -> ec.EllipticCurvePrivateKey:
    """
    Read what `encode_ec` wrote.

    Raises:
        CommandRefusedError: 49, the bytes are no private key.
    """
    curve = CURVES.get(f"{body[0]:02d}") if body else None
    if curve is None or len(body) != 1 + (curve.key_size + 7) // 8:
        raise CommandRefusedError(PRIVATE_KEY_ERROR)
    try:
        return ec.derive_private_key(int.from_bytes(body[1:], "big"), curve)
    except ValueError as error:
        raise CommandRefusedError(PRIVATE_KEY_ERROR) from error

"""
Private keys under the PMK, and trusted public keys (TPKs). Both are opaque to everybody else.

What a real device writes is not public. Here a private key is a version D block of usage S0 or K3
over PKCS #8, whose mode of use is the CZ letter; a TPK is the hex of a DER sequence of use letter,
SubjectPublicKeyInfo, the certificate it came from (or nothing), and an AES-CMAC over these under a
key derived from the PMK.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_der_public_key,
)

from keyferry.crypto.certificates import load_certificate, public_key_der
from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.keyblock import (
    Algorithm,
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    ModeOfUse,
)
from keyferry.crypto.tr34 import der
from keyferry.errors import KeyferryError
from keyferry.hsm.futurex.codes import KeyPairUse
from keyferry.hsm.futurex.refusals import INVALID, NOT_AUTHENTIC, USAGE_VIOLATION
from keyferry.hsm.futurex.simulator.major_keys import MajorKeys
from keyferry.hsm.futurex.simulator.outcome import CommandRefusedError

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_USAGES: Final = {KeyPairUse.SIGN: "S0", KeyPairUse.VERIFY: "S0", KeyPairUse.DERIVE: "K3"}
_TPK_LABEL: Final = b"keyferry futurex simulator TPK"
_MAC_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKey:
    """A public key the device has agreed to use, for one thing."""

    use: KeyPairUse
    key: PublicKey
    certificate: x509.Certificate | None = field(default=None)


def seal_private_key(keys: MajorKeys, key: PrivateKey, use: KeyPairUse) -> str:
    """Wrap a private key under the PMK."""
    is_rsa = isinstance(key, rsa.RSAPrivateKey)
    header = KeyBlockHeader(
        version=BlockVersion.D,
        usage=_USAGES[use],
        algorithm=Algorithm.RSA if is_rsa else Algorithm.ELLIPTIC_CURVE,
        mode=ModeOfUse(use.value),
        exportability=Exportability.NONE,
    )
    material = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return keys.wrap(header, material, "RC")


def open_private_key(
    keys: MajorKeys, text: str, uses: tuple[KeyPairUse, ...], *, tag: str = "RC"
) -> PrivateKey:
    """Open a private key of one of some uses; 904 where it does not open, 905 of another use."""
    header, material = keys.unwrap(keys.dereference(text, tag), tag)
    if header.algorithm not in (Algorithm.RSA, Algorithm.ELLIPTIC_CURVE):
        raise CommandRefusedError(USAGE_VIOLATION, tag)
    if header.mode.value not in uses:
        raise CommandRefusedError(USAGE_VIOLATION, tag)
    try:
        # This device made and authenticated it: checking the numbers again takes 40 to 300 ms.
        key = load_der_private_key(material, None, unsafe_skip_rsa_key_validation=True)
    except ValueError:
        raise CommandRefusedError(INVALID, tag) from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise CommandRefusedError(USAGE_VIOLATION, tag)
    return key


def seal_trusted_key(
    keys: MajorKeys,
    key: PublicKey,
    use: KeyPairUse,
    certificate: x509.Certificate | None = None,
) -> str:
    """Return the TPK of a public key."""
    members = _members(
        use, public_key_der(key), certificate.public_bytes(Encoding.DER) if certificate else b""
    )
    mac = _mac_key(keys).cmac(members)
    return der.sequence(members, der.octet_string(mac)).hex().upper()


def open_trusted_key(
    keys: MajorKeys, text: str, uses: tuple[KeyPairUse, ...], *, tag: str
) -> TrustedKey:
    """Open a TPK of one of some uses; 904 where it is none of ours, 905 where of another use."""
    try:
        raw = bytes.fromhex(text)
        reader = der.Reader(raw, field="TPK").sequence("TPK")
        use, public, certificate = (
            reader.octet_string(name) for name in ("use", "public key", "certificate")
        )
        mac = reader.octet_string("MAC")
        reader.end()
    except (ValueError, KeyferryError):
        raise CommandRefusedError(NOT_AUTHENTIC, tag) from None
    letter = use.decode("latin-1")
    expected = _mac_key(keys).cmac(_members(letter, public, certificate))
    if len(mac) != _MAC_BYTES or not compare_digest(expected, mac):
        raise CommandRefusedError(NOT_AUTHENTIC, tag)
    if letter not in uses:
        raise CommandRefusedError(USAGE_VIOLATION, tag)
    key = load_der_public_key(public)
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise CommandRefusedError(USAGE_VIOLATION, tag)
    return TrustedKey(
        use=KeyPairUse(letter),
        key=key,
        certificate=load_certificate(certificate) if certificate else None,
    )


def _members(use: str, public: bytes, certificate: bytes) -> bytes:
    return b"".join(der.octet_string(part) for part in (use.encode("latin-1"), public, certificate))


def _mac_key(keys: MajorKeys) -> CipherKey:
    """Derive the TPK key: AES-CMAC of a label under the PMK, twice 16 bytes."""
    pmk = CipherKey(Cipher.AES, keys.reveal_pmk())
    halves = (pmk.cmac(_TPK_LABEL + bytes([counter])) for counter in (1, 2))
    return CipherKey(Cipher.AES, b"".join(halves))

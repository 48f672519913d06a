"""TRTP: export a key by TR-34. TRTD: import one, in a layout of our own."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from keyferry.crypto.certificates import CertificateUsage, check_key_pair, check_usage
from keyferry.crypto.keyblock import BlockVersion, KeyBlockHeader
from keyferry.crypto.tr34 import ContentCipher, OpenedToken, build_token, open_token
from keyferry.errors import (
    CertificateError,
    KeyferryError,
    KeyStrengthError,
    MalformedTokenError,
    TokenError,
    UnsupportedAlgorithmError,
)
from keyferry.hsm.futurex.codes import KeyPairUse
from keyferry.hsm.futurex.refusals import (
    CERTIFICATE_INVALID,
    INVALID,
    NOT_AUTHENTIC,
    USAGE_VIOLATION,
)
from keyferry.hsm.futurex.simulator.call import Call, Result, handles
from keyferry.hsm.futurex.simulator.device_key import DeviceKey, check_symmetric
from keyferry.hsm.futurex.simulator.operations.certificates import load, verify_under
from keyferry.hsm.futurex.simulator.outcome import CommandRefusedError
from keyferry.hsm.futurex.simulator.private_key import open_private_key
from keyferry.keys import KeyAlgorithm, WrappingMethod, check_strength

_CIPHERS: Final = {"3": ContentCipher.TDES, "4": ContentCipher.AES128}


@handles("TRTP")
async def export_by_tr34(call: Call) -> Result:
    """Encrypt a key for the KRD and sign it as the KDH."""
    kdh_certificate = load(call, "certificate", "RV")
    krd_certificate = load(call, "krd_certificate", "SJ")
    private_key = _rsa(call, (KeyPairUse.SIGN,))
    tpk = call.values.text("krd_issuer_tpk")
    verify_under(call, krd_certificate, tpk, tag="SJ", issuer_tag="SA")
    try:
        check_key_pair(kdh_certificate, private_key.public_key(), whose="KDH")
        check_usage(kdh_certificate, CertificateUsage.DIGITAL_SIGNATURE, what="KDH")
    except KeyferryError:
        raise CommandRefusedError(CERTIFICATE_INVALID, "RV") from None
    key = call.open("key", "BG")
    key.require_exportable()
    krd_key = krd_certificate.public_key()
    if not isinstance(krd_key, rsa.RSAPublicKey) or key.header is None:
        raise CommandRefusedError(CERTIFICATE_INVALID, "SJ")
    cipher = _CIPHERS[call.values.text("envelope_type")]
    _check_strength(call, key, krd_key)
    nonce, header = call.values.raw("nonce"), key.header.encode()

    def build() -> bytes:
        return build_token(
            key=key.material,
            header=header,
            kdh_certificate=kdh_certificate,
            kdh_private_key=private_key,
            krd_certificate=krd_certificate,
            nonce=nonce,
            content_cipher=cipher,
        )

    try:
        token = await call.offload(build)
    except KeyStrengthError:
        raise CommandRefusedError(USAGE_VIOLATION, "CT") from None
    except (CertificateError, UnsupportedAlgorithmError):
        raise CommandRefusedError(CERTIFICATE_INVALID, "SJ") from None
    return {"token": token}


@handles("TRTD")
async def import_by_tr34(call: Call) -> Result:
    """Verify a token as the KRD, and keep its key under the PMK."""
    kdh_certificate = load(call, "certificate", "RV")
    krd_certificate = load(call, "krd_certificate", "RH")
    private_key = _rsa(call, (KeyPairUse.DERIVE,))
    tpk = call.values.text("kdh_issuer_tpk")
    verify_under(call, kdh_certificate, tpk, tag="RV", issuer_tag="SA")
    try:
        check_key_pair(krd_certificate, private_key.public_key(), whose="KRD")
    except KeyferryError:
        raise CommandRefusedError(CERTIFICATE_INVALID, "RH") from None
    token, nonce = call.values.raw("token"), call.values.raw("nonce")
    opened = await call.offload(
        lambda: _open(token, nonce, kdh_certificate, krd_certificate, private_key)
    )
    # The version of a header in a token is a formality; here the key goes under the PMK.
    header = KeyBlockHeader.parse(BlockVersion.D + opened.header[1:])
    key = check_symmetric(DeviceKey(tag="SJ", material=opened.key, header=header))
    _check_strength(call, key, private_key.public_key())
    return {
        "new_key": call.keys.wrap(header, key.material, "SJ"),
        "check_value": call.check_value(key),
    }


def _open(
    token: bytes,
    nonce: bytes,
    kdh_certificate: x509.Certificate,
    krd_certificate: x509.Certificate,
    private_key: rsa.RSAPrivateKey,
) -> OpenedToken:
    try:
        return open_token(
            token,
            kdh_certificate=kdh_certificate,
            krd_certificate=krd_certificate,
            krd_private_key=private_key,
            nonce=nonce,
        )
    except MalformedTokenError:
        raise CommandRefusedError(INVALID, "SJ") from None
    except CertificateError:
        raise CommandRefusedError(CERTIFICATE_INVALID, "RV") from None
    except TokenError:
        raise CommandRefusedError(NOT_AUTHENTIC, "SJ") from None
    except KeyferryError:
        raise CommandRefusedError(USAGE_VIOLATION, "SJ") from None


def _rsa(call: Call, uses: tuple[KeyPairUse, ...]) -> rsa.RSAPrivateKey:
    key = open_private_key(call.keys, call.values.text("private_key"), uses)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise CommandRefusedError(USAGE_VIOLATION, "RC")
    return key


def _check_strength(call: Call, key: DeviceKey, wrapping: rsa.RSAPublicKey) -> None:
    """Refuse a key under a weaker RSA key, in PCI-HSM mode."""
    if not call.settings.pci_hsm:
        return
    try:
        algorithm = KeyAlgorithm(f"RSA_{wrapping.key_size}")
        if key.algorithm is None:
            raise key.violation()
        check_strength(key.algorithm, method=WrappingMethod.TR34, wrapping=algorithm)
    except (KeyStrengthError, ValueError):
        raise key.violation() from None

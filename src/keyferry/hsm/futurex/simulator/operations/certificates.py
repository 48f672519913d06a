"""ASGC, ASYR, ASSR, AVPC: the device as its own certificate authority, and whom it trusts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from keyferry.crypto.certificates import (
    check_is_authority,
    check_key_pair,
    distinguished_name,
    load_certificate,
    load_csr,
    verify_issued,
    verify_root,
)
from keyferry.errors import KeyferryError
from keyferry.hsm.futurex.codes import HASHES, KeyPairUse
from keyferry.hsm.futurex.refusals import CERTIFICATE_INVALID, INVALID, NOT_AUTHENTIC
from keyferry.hsm.futurex.simulator.call import Call, Result, handles
from keyferry.hsm.futurex.simulator.outcome import CommandRefusedError
from keyferry.hsm.futurex.simulator.private_key import (
    PrivateKey,
    PublicKey,
    open_private_key,
    open_trusted_key,
    seal_trusted_key,
)

_HASHES: Final[dict[str, hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    HASHES["SHA256"]: hashes.SHA256(),
    HASHES["SHA384"]: hashes.SHA384(),
    HASHES["SHA512"]: hashes.SHA512(),
}
# Names of key usages as OpenSSL writes them, and the members of the extension.
_KEY_USAGES: Final = {
    "digitalSignature": "digital_signature",
    "nonRepudiation": "content_commitment",
    "keyEncipherment": "key_encipherment",
    "dataEncipherment": "data_encipherment",
    "keyAgreement": "key_agreement",
    "keyCertSign": "key_cert_sign",
    "cRLSign": "crl_sign",
}
_CRITICAL: Final = "critical"
# A client may be a day ahead of the device, whose dates begin at midnight UTC.
TOLERANCE: Final = timedelta(days=1)
_LONGEST_VALIDITY_DAYS: Final = 20_000


@handles("ASGC")
async def self_sign(call: Call) -> Result:
    """Make a self-signed authority."""
    key = _signing_key(call)
    subject = _name(call.values.text("subject"), call.values.text("second_name"))
    builder = _certificate(call, subject, subject, key.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    return {"new_certificate": await _sign(call, builder, key)}


@handles("ASYR")
async def request(call: Call) -> Result:
    """Make a certificate request; a key for agreement may sign its own, too."""
    key = open_private_key(call.keys, call.values.text("private_key"), tuple(KeyPairUse))
    usage, critical = _key_usage(call)
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(_name(call.values.text("subject"), None))
        .add_extension(usage, critical=critical)
    )
    algorithm = _HASHES[call.values.text("signature_hash")]
    made = await call.offload(lambda: builder.sign(key, algorithm))
    return {"new_request": made.public_bytes(Encoding.DER)}


@handles("ASSR")
async def issue(call: Call) -> Result:
    """Issue the certificate that a request asks for."""
    asked = _load_request(call)
    issuer = load(call, "issuer", "RH")
    key = _signing_key(call)
    try:
        check_key_pair(issuer, key.public_key(), whose="issuer")
        check_is_authority(issuer)
    except KeyferryError:
        raise CommandRefusedError(CERTIFICATE_INVALID, "RH") from None
    public_key = asked.public_key()
    if not isinstance(public_key, PublicKey):
        raise CommandRefusedError(CERTIFICATE_INVALID, "RU")
    builder = _certificate(call, asked.subject, issuer.subject, public_key)
    return {"new_certificate": await _sign(call, builder, key)}


@handles("AVPC")
def trust(call: Call) -> Result:
    """Trust a root, or a certificate that somebody trusted has issued; return its TPK."""
    certificate = load(call, "certificate", "RV")
    public_key = certificate.public_key()
    if not isinstance(public_key, PublicKey):
        raise CommandRefusedError(CERTIFICATE_INVALID, "RV")
    use = KeyPairUse(call.values.text("use"))
    trusted = call.values.maybe("issuer_tpk", str)
    if trusted is None:
        if use is not KeyPairUse.VERIFY:
            raise CommandRefusedError(INVALID, "CZ")
        try:
            verify_root(certificate, now=call.now, tolerance=TOLERANCE)
            check_is_authority(certificate)
        except KeyferryError:
            raise CommandRefusedError(CERTIFICATE_INVALID, "RV") from None
    else:
        verify_under(call, certificate, trusted, tag="RV", issuer_tag="SA")
    return {"tpk": seal_trusted_key(call.keys, public_key, use, certificate)}


def load(call: Call, name: str, tag: str) -> x509.Certificate:
    """Read a certificate of the request; refused with 906."""
    try:
        return load_certificate(call.values.raw(name))
    except KeyferryError:
        raise CommandRefusedError(CERTIFICATE_INVALID, tag) from None


def verify_under(
    call: Call, certificate: x509.Certificate, tpk: str, *, tag: str, issuer_tag: str
) -> None:
    """Verify that the authority of a TPK has issued a certificate, valid now."""
    authority = open_trusted_key(call.keys, tpk, (KeyPairUse.VERIFY,), tag=issuer_tag)
    if authority.certificate is None:
        # The TPK of a key pair made here names no authority.
        raise CommandRefusedError(NOT_AUTHENTIC, issuer_tag)
    try:
        verify_issued(certificate, authority.certificate, now=call.now, tolerance=TOLERANCE)
    except KeyferryError:
        raise CommandRefusedError(CERTIFICATE_INVALID, tag) from None


def _signing_key(call: Call) -> PrivateKey:
    return open_private_key(call.keys, call.values.text("private_key"), (KeyPairUse.SIGN,))


def _load_request(call: Call) -> x509.CertificateSigningRequest:
    try:
        return load_csr(call.values.raw("request"))
    except KeyferryError:
        raise CommandRefusedError(CERTIFICATE_INVALID, "RU") from None


def _certificate(
    call: Call, subject: x509.Name, issuer: x509.Name, public_key: PublicKey
) -> x509.CertificateBuilder:
    usage, critical = _key_usage(call)
    serial = int(call.values.text("serial_number"))
    days = int(call.values.text("validity_days"))
    if not 0 < serial < 1 << 159:
        raise CommandRefusedError(INVALID, "SG")
    if not 0 < days <= _LONGEST_VALIDITY_DAYS:
        raise CommandRefusedError(INVALID, "XE")
    begin = _not_before(call)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
        .add_extension(usage, critical=critical)
    )


def _not_before(call: Call) -> datetime:
    text = call.values.maybe("not_before", str)
    if text is None:
        return call.now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        begin = datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        raise CommandRefusedError(INVALID, "BF") from None
    if not 2000 <= begin.year < 2100:
        raise CommandRefusedError(INVALID, "BF")
    return begin


def _key_usage(call: Call) -> tuple[x509.KeyUsage, bool]:
    """Read `critical,digitalSignature,…`; refused with 34."""
    names = [name.strip() for name in call.values.text("key_usage").split(",")]
    critical = names[0] == _CRITICAL
    if critical:
        del names[0]
    if not names or set(names) - _KEY_USAGES.keys():
        raise CommandRefusedError(INVALID, "KU")
    members = {member: name in names for name, member in _KEY_USAGES.items()}
    return x509.KeyUsage(**members, encipher_only=False, decipher_only=False), critical


def _name(common_name: str, organization: str | None) -> x509.Name:
    try:
        return distinguished_name(common_name=common_name, organization=organization)
    except KeyferryError:
        raise CommandRefusedError(INVALID, "RT") from None


async def _sign(call: Call, builder: x509.CertificateBuilder, key: PrivateKey) -> bytes:
    algorithm = _HASHES[call.values.text("signature_hash")]
    made = await call.offload(lambda: builder.sign(key, algorithm))
    return made.public_bytes(Encoding.DER)

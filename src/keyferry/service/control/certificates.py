"""GetPublicKeyCertificate and GetCertificateSigningRequest."""

from __future__ import annotations

import base64
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from keyferry.crypto.certificates import (
    CertificateUsage,
    distinguished_name,
    encode_pem,
    load_certificate,
)
from keyferry.errors import StoreIntegrityError
from keyferry.keys import KeyClass
from keyferry.service.context import Context
from keyferry.service.control.authority import family_of, service_authority
from keyferry.service.control.identifiers import find_key, same_key
from keyferry.service.control.sealing import open_pair
from keyferry.service.control.states import require_state, require_usable
from keyferry.service.control.trust import encode_certificate
from keyferry.service.errors import InvalidRequestError
from keyferry.service.operation import CONTROL
from keyferry.service.store.interface import Transaction
from keyferry.service.store.records import IssuedCertificateRecord, KeyRecord, KeyState
from keyferry.service.wire import control_types as t

CERTIFICATE_LIFETIME = timedelta(days=90)
REISSUED_BELOW = timedelta(days=30)  # of life left

_USAGES = {
    "D1": CertificateUsage.KEY_ENCIPHERMENT,
    "K2": CertificateUsage.KEY_ENCIPHERMENT,
    "K3": CertificateUsage.KEY_AGREEMENT,
    "S0": CertificateUsage.DIGITAL_SIGNATURE,
}
_HASHES: dict[str, type[hashes.SHA224 | hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "SHA224": hashes.SHA224,
    "SHA256": hashes.SHA256,
    "SHA384": hashes.SHA384,
    "SHA512": hashes.SHA512,
}


@CONTROL.operation("GetPublicKeyCertificate", read_only=True)
async def get_public_key_certificate(
    context: Context, request: t.GetPublicKeyCertificateInput
) -> t.GetPublicKeyCertificateOutput:
    """Give out a certificate of a pair, issued here, or the one a public key was imported with."""
    record = find_key(context, request.key_identifier, action="GetPublicKeyCertificate")
    if record.attributes.key_class is KeyClass.SYMMETRIC_KEY:
        raise InvalidRequestError("a symmetric key has no public key certificate")
    require_state(context, record, KeyState.CREATE_COMPLETE)
    if record.attributes.key_class is KeyClass.PUBLIC_KEY:
        certificate, issuer = _imported(context, record)
    else:
        certificate, issuer = await _issued(context, record, identifier=request.key_identifier)
    return t.GetPublicKeyCertificateOutput(
        key_certificate=encode_certificate(certificate),
        key_certificate_chain=encode_certificate(issuer),
    )


def _imported(context: Context, record: KeyRecord) -> tuple[x509.Certificate, x509.Certificate]:
    """An imported certificate and its issuer's; a root is its own issuer."""
    issuer = record
    if record.issuer_key_id is not None:
        found = context.store.key(record.account, record.issuer_key_id)
        issuer = record if found is None else found
    if record.certificate is None or issuer.certificate is None:
        raise StoreIntegrityError(f"public key {record.key_id} has no certificate")
    return load_certificate(record.certificate), load_certificate(issuer.certificate)


async def _issued(
    context: Context, record: KeyRecord, *, identifier: str
) -> tuple[x509.Certificate, x509.Certificate]:
    """The certificate last issued for a pair, or a new one when it has run low."""
    authority = await service_authority(context, family_of(record.attributes.key_algorithm))
    kept = context.store.issued_certificate(record.account, record.key_id)
    if kept is not None and kept.valid_until - context.now >= REISSUED_BELOW:
        return load_certificate(kept.certificate), authority.certificate
    private_key = open_pair(context, record)
    valid_until = (context.now + CERTIFICATE_LIFETIME).replace(microsecond=0)
    certificate = await context.offload(
        lambda: authority.issue(
            context,
            private_key,
            subject=record.key_id,
            usage=_USAGES[record.attributes.key_usage.code],
            not_after=valid_until,
        )
    )
    issued = IssuedCertificateRecord(
        account=record.account,
        key_id=record.key_id,
        certificate=certificate.public_bytes(Encoding.DER),
        valid_until=valid_until,
    )

    def change(tx: Transaction) -> None:
        require_state(
            context, same_key(tx, record, identifier=identifier), KeyState.CREATE_COMPLETE
        )
        tx.put_issued_certificate(issued)

    await context.store.write(change)
    return certificate, authority.certificate


@CONTROL.operation("GetCertificateSigningRequest", read_only=True)
async def get_certificate_signing_request(
    context: Context, request: t.GetCertificateSigningRequestInput
) -> t.GetCertificateSigningRequestOutput:
    """
    Sign a certificate request for a pair.

    Any pair may: the signature proves possession of the private key, it is not a use of Sign.
    """
    record = find_key(context, request.key_identifier, action="GetCertificateSigningRequest")
    if record.attributes.key_class is not KeyClass.ASYMMETRIC_KEY_PAIR:
        raise InvalidRequestError("only a key pair can sign a certificate request")
    require_usable(context, record)
    asked = request.certificate_subject
    _check_subject(asked)
    subject = distinguished_name(
        common_name=asked.common_name,
        organization=asked.organization,
        organization_unit=asked.organization_unit,
        country=asked.country,
        state_or_province=asked.state_or_province,
        city=asked.city,
        email_address=asked.email_address,
    )
    private_key = open_pair(context, record)
    # The API also knows SHA-224, which no certificate of ours is signed with.
    algorithm = _HASHES[request.signing_algorithm]()
    csr = await context.offload(
        lambda: (
            x509.CertificateSigningRequestBuilder()
            .subject_name(subject)
            .sign(private_key, algorithm)
        )
    )
    return t.GetCertificateSigningRequestOutput(
        certificate_signing_request=base64.b64encode(encode_pem(csr)).decode("ascii")
    )


def _check_subject(asked: t.CertificateSubjectType) -> None:
    """
    Refuse names that parsers of others trip over, though the API's patterns let them pass.

    A NUL or a line end in a name has fooled many; an email address is an IA5String, which holds
    ASCII only (PKCS #9, 5.2.1), while the API's pattern admits a typographic apostrophe.
    """
    for field in asked.__struct_fields__:
        value = getattr(asked, field)
        if value is not None and not value.isprintable():
            raise InvalidRequestError(
                f"CertificateSubject: {field.replace('_', ' ')}: expected printable characters"
            )
    if asked.email_address is not None and not asked.email_address.isascii():
        raise InvalidRequestError("CertificateSubject: email address: expected ASCII")

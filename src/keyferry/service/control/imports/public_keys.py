"""RootCertificatePublicKey and TrustedCertificatePublicKey: public keys by their certificates."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from keyferry.crypto.certificates import check_is_authority, public_key_der, verify_root
from keyferry.crypto.keyblock import Exportability
from keyferry.keys import KeyAttributes, KeyClass, KeyUsage, check_attributes
from keyferry.service.context import Context
from keyferry.service.control.answers import attributes_of
from keyferry.service.control.new_keys import NewKey
from keyferry.service.control.trust import (
    CLOCK_TOLERANCE,
    certificate_algorithm,
    check_issued,
    decode_certificate,
    find_authority,
)
from keyferry.service.errors import InvalidRequestError
from keyferry.service.store.records import KeyOrigin, KeyRecord
from keyferry.service.wire import control_types as t

_MEMBER = "PublicKeyCertificate"
_SIGNATURE = KeyUsage.TR31_S0_ASYMMETRIC_KEY_FOR_DIGITAL_SIGNATURE


async def import_root_certificate(context: Context, asked: t.RootCertificatePublicKey) -> NewKey:
    """Trust a self-signed certificate: the caller's right to do so is all that vouches for it."""
    certificate = decode_certificate(asked.public_key_certificate, member=_MEMBER)
    attributes = _attributes(asked.key_attributes, certificate)
    if attributes.key_usage is not _SIGNATURE:
        raise InvalidRequestError(f"KeyUsage: a root has the usage {_SIGNATURE}")
    verify_root(certificate, now=context.now, tolerance=CLOCK_TOLERANCE)
    return _public_key(attributes, certificate, issuer=None)


async def import_trusted_certificate(
    context: Context, asked: t.TrustedCertificatePublicKey
) -> NewKey:
    """Take a certificate that an imported authority issued: an intermediate, or a leaf."""
    certificate = decode_certificate(asked.public_key_certificate, member=_MEMBER)
    attributes = _attributes(asked.key_attributes, certificate)
    authority = find_authority(
        context, asked.certificate_authority_public_key_identifier, action="ImportKey"
    )
    check_issued(context, certificate, authority)
    if attributes.key_usage is _SIGNATURE:
        # It will vouch for others, so nothing in it may forbid that.
        check_is_authority(certificate)
    return _public_key(attributes, certificate, issuer=authority.record)


def _attributes(requested: t.KeyAttributes, certificate: x509.Certificate) -> KeyAttributes:
    attributes = attributes_of(requested)
    if attributes.key_class is not KeyClass.PUBLIC_KEY:
        raise InvalidRequestError(f"KeyClass: a certificate holds a {KeyClass.PUBLIC_KEY}")
    check_attributes(attributes)
    algorithm = certificate_algorithm(certificate)
    if attributes.key_algorithm is not algorithm:
        raise InvalidRequestError(f"KeyAlgorithm: the certificate holds an {algorithm} key")
    return attributes


def _public_key(
    attributes: KeyAttributes, certificate: x509.Certificate, *, issuer: KeyRecord | None
) -> NewKey:
    return NewKey(
        attributes=attributes,
        exportability=Exportability.NONE,
        origin=KeyOrigin.EXTERNAL,
        public_key=public_key_der(certificate.public_key()),
        certificate=certificate.public_bytes(Encoding.DER),
        issuer_key_id=None if issuer is None else issuer.key_id,
        helpers=() if issuer is None else (issuer,),
    )

"""Tr34KeyBlock: a TR-34 token from us to a receiver whose certificate an imported CA issued."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from keyferry.crypto.certificates import load_certificate
from keyferry.crypto.keyblock import BlockVersion
from keyferry.crypto.tr34 import ContentCipher, build_token
from keyferry.errors import StoreIntegrityError
from keyferry.keys import KeyClass, KeyUsage, WrappingMethod, check_strength
from keyferry.service.context import Context
from keyferry.service.control import sealing
from keyferry.service.control.exchange_parameters import TR34_KEY_BLOCK, find_token
from keyferry.service.control.exports.departure import Departure
from keyferry.service.control.exports.headers import export_header
from keyferry.service.control.exports.wrapped import Wrapped
from keyferry.service.control.identifiers import find_key
from keyferry.service.control.states import require_usable
from keyferry.service.control.trust import (
    certificate_algorithm,
    check_issued,
    check_own_certificate,
    decode_certificate,
    find_authority,
)
from keyferry.service.errors import InvalidRequestError
from keyferry.service.store.records import KeyRecord, TokenPurpose
from keyferry.service.wire import control_types as t

# In a token the header's version and length say nothing; published import clients write D9999.
_FORMAL_LENGTH = 9999


@dataclass(frozen=True, slots=True)
class Sender:
    """Our side of the exchange: the KDH."""

    certificate: x509.Certificate
    private_key: rsa.RSAPrivateKey
    pair: KeyRecord | None  # None behind an export token


async def export_tr34_key_block(
    context: Context, departure: Departure, asked: t.ExportTr34KeyBlock
) -> Wrapped:
    """Build a token; two-pass with the receiver's nonce, one-pass with the time without it."""
    sender = _find_sender(context, asked)
    authority = find_authority(
        context, asked.certificate_authority_public_key_identifier, action="ExportKey"
    )
    krd = decode_certificate(asked.wrapping_key_certificate, member="WrappingKeyCertificate")
    check_issued(context, krd, authority)
    check_strength(
        departure.algorithm, method=WrappingMethod.TR34, wrapping=certificate_algorithm(krd)
    )
    header = export_header(departure, asked.key_block_headers, version=BlockVersion.D)
    nonce = None if asked.random_nonce is None else bytes.fromhex(asked.random_nonce)
    content_cipher = ContentCipher.TDES if departure.algorithm.is_tdes else ContentCipher.AES128
    token = await context.offload(
        lambda: build_token(
            key=departure.key.reveal(),
            header=header.encode(length=_FORMAL_LENGTH),
            kdh_certificate=sender.certificate,
            kdh_private_key=sender.private_key,
            krd_certificate=krd,
            nonce=nonce,
            signing_time=context.now if nonce is None else None,
            content_cipher=content_cipher,
        )
    )
    helpers = (authority.record,) if sender.pair is None else (authority.record, sender.pair)
    return Wrapped(
        text=token.hex().upper(),
        material_format=TR34_KEY_BLOCK,
        wrapping_key=authority.record,
        helpers=helpers,
    )


def _find_sender(context: Context, asked: t.ExportTr34KeyBlock) -> Sender:
    """The pair behind the export token, or a stored pair with the caller's certificate for it."""
    by_pair = asked.signing_key_identifier is not None, asked.signing_key_certificate is not None
    if bool(asked.export_token) == any(by_pair) or (any(by_pair) and not all(by_pair)):
        raise InvalidRequestError(
            "expected either ExportToken, or SigningKeyIdentifier and SigningKeyCertificate"
        )
    if asked.signing_key_identifier is None or asked.signing_key_certificate is None:
        token = find_token(
            context,
            asked.export_token,
            purpose=TokenPurpose.EXPORT,
            material_type=TR34_KEY_BLOCK,
        )
        return Sender(
            certificate=load_certificate(token.certificate),
            private_key=sealing.open_token(context, token),
            pair=None,
        )
    record = find_key(context, asked.signing_key_identifier, action="ExportKey")
    attributes = record.attributes
    if (
        attributes.key_class is not KeyClass.ASYMMETRIC_KEY_PAIR
        or attributes.key_usage is not KeyUsage.TR31_S0_ASYMMETRIC_KEY_FOR_DIGITAL_SIGNATURE
        or not attributes.modes_of_use.sign
    ):
        raise InvalidRequestError(
            "SigningKeyIdentifier: expected a key pair of usage"
            f" {KeyUsage.TR31_S0_ASYMMETRIC_KEY_FOR_DIGITAL_SIGNATURE} with the mode Sign"
        )
    require_usable(context, record)
    member = "SigningKeyCertificate"
    certificate = decode_certificate(asked.signing_key_certificate, member=member)
    check_own_certificate(context, certificate, record, member=member)
    private_key = sealing.open_pair(context, record)
    if not isinstance(private_key, rsa.RSAPrivateKey):
        raise StoreIntegrityError(f"key {record.key_id} has no RSA material")
    return Sender(certificate, private_key, record)

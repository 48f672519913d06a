"""Tr34KeyBlock: a TR-34 token addressed to a pair of ours."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from keyferry.crypto.certificates import load_certificate
from keyferry.crypto.tr34 import ContentCipher, open_token, parse_header
from keyferry.errors import MalformedTokenError, StoreIntegrityError
from keyferry.keys import KeyAlgorithm, KeyClass, KeyUsage, WrappingMethod, check_strength
from keyferry.service.context import Context
from keyferry.service.control import sealing
from keyferry.service.control.exchange_parameters import TR34_KEY_BLOCK, find_token
from keyferry.service.control.identifiers import find_key
from keyferry.service.control.imports.arrival import key_from_header, read_header
from keyferry.service.control.new_keys import NewKey
from keyferry.service.control.states import require_usable
from keyferry.service.control.trust import (
    check_issued,
    check_own_certificate,
    decode_certificate,
    find_authority,
)
from keyferry.service.errors import InvalidRequestError
from keyferry.service.store.records import KeyRecord, TokenPurpose
from keyferry.service.wire import control_types as t


@dataclass(frozen=True, slots=True)
class Receiver:
    """Our side of the exchange: the KRD."""

    certificate: x509.Certificate
    private_key: rsa.RSAPrivateKey
    algorithm: KeyAlgorithm
    pair: KeyRecord | None  # None behind an import token


async def import_tr34_key_block(context: Context, asked: t.ImportTr34KeyBlock) -> NewKey:
    """Verify a token completely, then take its key."""
    receiver = _find_receiver(context, asked)
    authority = find_authority(
        context, asked.certificate_authority_public_key_identifier, action="ImportKey"
    )
    kdh = decode_certificate(asked.signing_key_certificate, member="SigningKeyCertificate")
    check_issued(context, kdh, authority)
    try:
        token = bytes.fromhex(asked.wrapped_key_block)
    except ValueError:
        raise MalformedTokenError("text", offset=0, expected="whole bytes in hex") from None
    nonce = None if asked.random_nonce is None else bytes.fromhex(asked.random_nonce)
    opened = await context.offload(
        lambda: open_token(
            token,
            kdh_certificate=kdh,
            krd_certificate=receiver.certificate,
            krd_private_key=receiver.private_key,
            nonce=nonce,
            layouts=context.rules.tr34_layouts,
        )
    )
    header = parse_header(opened.header)
    attributes = read_header(header, opened.key)
    algorithm = attributes.key_algorithm
    check_strength(algorithm, method=WrappingMethod.TR34, wrapping=receiver.algorithm)
    if algorithm.is_aes and opened.content_cipher is not ContentCipher.AES128:
        raise InvalidRequestError("an AES key needs an AES-128 envelope")
    helpers = (authority.record,) if receiver.pair is None else (authority.record, receiver.pair)
    return key_from_header(header, opened.key, attributes, helpers=helpers)


def _find_receiver(context: Context, asked: t.ImportTr34KeyBlock) -> Receiver:
    """The pair behind the import token, or a stored pair with the caller's certificate for it."""
    by_pair = asked.wrapping_key_identifier is not None, asked.wrapping_key_certificate is not None
    if bool(asked.import_token) == any(by_pair) or (any(by_pair) and not all(by_pair)):
        raise InvalidRequestError(
            "expected either ImportToken, or WrappingKeyIdentifier and WrappingKeyCertificate"
        )
    if asked.wrapping_key_identifier is None or asked.wrapping_key_certificate is None:
        token = find_token(
            context,
            asked.import_token,
            purpose=TokenPurpose.IMPORT,
            material_type=TR34_KEY_BLOCK,
        )
        return Receiver(
            certificate=load_certificate(token.certificate),
            private_key=sealing.open_token(context, token),
            algorithm=KeyAlgorithm(token.algorithm),
            pair=None,
        )
    record = find_key(context, asked.wrapping_key_identifier, action="ImportKey")
    attributes = record.attributes
    if (
        attributes.key_class is not KeyClass.ASYMMETRIC_KEY_PAIR
        or attributes.key_usage is not KeyUsage.TR31_K2_TR34_ASYMMETRIC_KEY
        or not attributes.modes_of_use.unwrap
    ):
        raise InvalidRequestError(
            "WrappingKeyIdentifier: expected a key pair of usage"
            f" {KeyUsage.TR31_K2_TR34_ASYMMETRIC_KEY} with the mode Unwrap"
        )
    require_usable(context, record)
    member = "WrappingKeyCertificate"
    certificate = decode_certificate(asked.wrapping_key_certificate, member=member)
    check_own_certificate(context, certificate, record, member=member)
    private_key = sealing.open_pair(context, record)
    if not isinstance(private_key, rsa.RSAPrivateKey):
        raise StoreIntegrityError(f"key {record.key_id} has no RSA material")
    return Receiver(certificate, private_key, attributes.key_algorithm, record)

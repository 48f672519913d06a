"""KeyCryptogram: the bare key under the RSA key of a receiver's certificate."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import rsa

from keyferry.crypto.rsa_wrap import wrap_oaep
from keyferry.keys import WrappingMethod, check_strength
from keyferry.service.context import Context
from keyferry.service.control.exchange_parameters import KEY_CRYPTOGRAM
from keyferry.service.control.exports.departure import Departure
from keyferry.service.control.exports.wrapped import Wrapped
from keyferry.service.control.imports.cryptogram import DEFAULT_WRAPPING_SPEC, WRAPPING_HASHES
from keyferry.service.control.trust import (
    certificate_algorithm,
    check_issued,
    decode_certificate,
    find_authority,
)
from keyferry.service.errors import InvalidRequestError
from keyferry.service.wire import control_types as t


async def export_key_cryptogram(
    context: Context, departure: Departure, asked: t.ExportKeyCryptogram
) -> Wrapped:
    """Wrap by RSA-OAEP for a certificate that an imported authority issued."""
    authority = find_authority(
        context, asked.certificate_authority_public_key_identifier, action="ExportKey"
    )
    certificate = decode_certificate(
        asked.wrapping_key_certificate, member="WrappingKeyCertificate"
    )
    check_issued(context, certificate, authority)
    public_key = certificate.public_key()
    if not isinstance(public_key, rsa.RSAPublicKey):
        raise InvalidRequestError("WrappingKeyCertificate: expected an RSA key")
    check_strength(
        departure.algorithm,
        method=WrappingMethod.RSA,
        wrapping=certificate_algorithm(certificate),
    )
    hash_name = WRAPPING_HASHES[asked.wrapping_spec or DEFAULT_WRAPPING_SPEC]
    cryptogram = wrap_oaep(public_key, departure.key.reveal(), hash_name)
    return Wrapped(
        text=cryptogram.hex().upper(),
        material_format=KEY_CRYPTOGRAM,
        wrapping_key=authority.record,
        helpers=(authority.record,),
    )

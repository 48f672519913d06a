"""KeyCryptogram: a bare key under the RSA key of an import token."""

from __future__ import annotations

from keyferry.crypto.rsa_wrap import unwrap_oaep
from keyferry.errors import RSADecryptionError
from keyferry.keys import (
    KeyAlgorithm,
    KeyClass,
    WrappingMethod,
    check_attributes,
    check_material,
    check_strength,
)
from keyferry.service.context import Context
from keyferry.service.control.answers import attributes_of
from keyferry.service.control.exchange_parameters import KEY_CRYPTOGRAM, find_token
from keyferry.service.control.new_keys import NewKey, exportability_of
from keyferry.service.control.sealing import open_token
from keyferry.service.errors import InvalidRequestError
from keyferry.service.store.records import KeyOrigin, TokenPurpose
from keyferry.service.wire import control_types as t

WRAPPING_HASHES = {"RSA_OAEP_SHA_256": "SHA256", "RSA_OAEP_SHA_512": "SHA512"}
DEFAULT_WRAPPING_SPEC = "RSA_OAEP_SHA_256"


async def import_key_cryptogram(context: Context, asked: t.ImportKeyCryptogram) -> NewKey:
    """Open a cryptogram; nothing in it says what the key is, so the request does."""
    attributes = attributes_of(asked.key_attributes)
    if attributes.key_class is not KeyClass.SYMMETRIC_KEY:
        raise InvalidRequestError(f"KeyClass: {attributes.key_class} does not come by cryptogram")
    check_attributes(attributes)
    token = find_token(
        context,
        asked.import_token,
        purpose=TokenPurpose.IMPORT,
        material_type=KEY_CRYPTOGRAM,
    )
    wrapping = KeyAlgorithm(token.algorithm)
    check_strength(attributes.key_algorithm, method=WrappingMethod.RSA, wrapping=wrapping)
    try:
        cryptogram = bytes.fromhex(asked.wrapped_key_cryptogram)
    except ValueError:
        raise RSADecryptionError("RSA cryptogram does not open") from None
    private_key = open_token(context, token)
    hash_name = WRAPPING_HASHES[asked.wrapping_spec or DEFAULT_WRAPPING_SPEC]
    key = await context.offload(lambda: unwrap_oaep(private_key, cryptogram, hash_name))
    check_material(attributes.key_algorithm, key)
    return NewKey(
        attributes=attributes,
        exportability=exportability_of(asked.exportable),
        origin=KeyOrigin.EXTERNAL,
        material=key,
    )

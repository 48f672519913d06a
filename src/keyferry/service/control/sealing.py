"""Key material of records: sealed when a record is made, opened for the time of one use."""

from __future__ import annotations

from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from keyferry.crypto.secret import Secret
from keyferry.errors import StoreIntegrityError
from keyferry.service.context import Context
from keyferry.service.store.records import AuthorityRecord, KeyRecord, TokenRecord
from keyferry.service.vault.binding import authority_binding, key_binding, token_binding

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def seal_key(context: Context, record: KeyRecord, material: bytes) -> KeyRecord:
    """Return the record with its material, bound to every immutable member it has."""
    binding = key_binding(context.region, record)
    return replace(record, sealed=context.vault.seal(material, binding=binding))


def open_key(context: Context, record: KeyRecord) -> Secret:
    """
    Open the material of a symmetric key.

    Raises:
        StoreIntegrityError: there is none, or the record was changed behind our back.
    """
    if record.sealed is None:
        raise StoreIntegrityError(f"key {record.key_id} has no material")
    return Secret(context.vault.open(record.sealed, binding=key_binding(context.region, record)))


def open_pair(context: Context, record: KeyRecord) -> PrivateKey:
    """Open the private key of a pair; StoreIntegrityError as `open_key`."""
    with open_key(context, record) as material:
        return load_private_key(material)


def open_token(context: Context, token: TokenRecord) -> rsa.RSAPrivateKey:
    """Open the RSA private key behind an import or export token."""
    binding = token_binding(context.region, token)
    with Secret(context.vault.open(token.sealed, binding=binding)) as material:
        private_key = load_private_key(material)
    if not isinstance(private_key, rsa.RSAPrivateKey):
        raise StoreIntegrityError(f"token {token.token} has no RSA key")
    return private_key


def open_authority(context: Context, authority: AuthorityRecord) -> PrivateKey:
    """Open the private key of an account's root."""
    binding = authority_binding(context.region, authority)
    with Secret(context.vault.open(authority.sealed, binding=binding)) as material:
        return load_private_key(material)


def encode_private_key(private_key: PrivateKey) -> bytes:
    """PKCS#8 DER, to be sealed at once."""
    return private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def load_private_key(material: Secret) -> PrivateKey:
    """
    Load PKCS#8 DER that this service sealed itself.

    Only such material comes here: the seal vouches for it, so the library's primality tests, which
    hold the GIL for up to a third of a second, are skipped. Loading then costs some 10 µs, and
    private keys need not be kept in memory between calls.
    """
    private_key = load_der_private_key(
        material.reveal(), password=None, unsafe_skip_rsa_key_validation=True
    )
    if not isinstance(private_key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise StoreIntegrityError("sealed material is not an RSA or EC private key")
    return private_key

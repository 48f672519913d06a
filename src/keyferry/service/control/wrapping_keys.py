"""The keys of ours that others travel under: KEKs, agreement pairs, TR-34 pairs."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.ecdh import agree
from keyferry.crypto.kdf import KeyDerivationFunction, derive_key
from keyferry.crypto.keyblock import KBPK
from keyferry.crypto.secret import Secret
from keyferry.errors import KeyAgreementError, StoreIntegrityError
from keyferry.keys import KeyAlgorithm, KeyClass, KeyUsage
from keyferry.service.context import Context
from keyferry.service.control.identifiers import find_key
from keyferry.service.control.sealing import open_key, open_pair
from keyferry.service.control.states import require_usable
from keyferry.service.control.trust import check_issued, decode_certificate, find_authority
from keyferry.service.errors import InvalidRequestError
from keyferry.service.store.records import KeyRecord
from keyferry.service.wire import control_types as t

KEKS = (KeyUsage.TR31_K0_KEY_ENCRYPTION_KEY, KeyUsage.TR31_K1_KEY_BLOCK_PROTECTION_KEY)


def find_wrapping_key(
    context: Context, identifier: str, *, action: str, to_wrap: bool
) -> KeyRecord:
    """
    Return the KEK an identifier names.

    Args:
        to_wrap: whether it is to wrap (export) or to unwrap (import).

    Raises:
        InvalidRequestError: not a symmetric key of usage K0 or K1 with that mode, or not usable.
        ResourceNotFoundError, AccessDeniedError: as `find_key`.
    """
    record = find_key(context, identifier, action=action)
    attributes = record.attributes
    if attributes.key_class is not KeyClass.SYMMETRIC_KEY or attributes.key_usage not in KEKS:
        raise InvalidRequestError(
            f"WrappingKeyIdentifier: expected a symmetric key of usage {KEKS[0]} or {KEKS[1]}"
        )
    modes = attributes.modes_of_use
    if not (modes.can_wrap if to_wrap else modes.can_unwrap):
        mode = "Wrap" if to_wrap else "Unwrap"
        raise InvalidRequestError(f"WrappingKeyIdentifier: the key does not have the mode {mode}")
    require_usable(context, record)
    return record


def open_kbpk(context: Context, record: KeyRecord) -> KBPK:
    """Open a KEK as a key block protection key."""
    with open_key(context, record) as material:
        return KBPK(kbpk_cipher(record.attributes.key_algorithm), material.reveal())


def kbpk_cipher(algorithm: KeyAlgorithm) -> Cipher:
    """The cipher of a wrapping key; HMAC and asymmetric keys wrap nothing."""
    if algorithm.cipher is None:
        raise InvalidRequestError(f"{algorithm} keys do not wrap key blocks")
    return algorithm.cipher


class DerivedKey:
    """
    A wrapping key agreed by ECDH for one request: it has no ARN and is never stored.

    `pair` and `authority` are the keys of ours it rests on.
    """

    __slots__ = ("algorithm", "authority", "key", "pair")

    def __init__(
        self, *, algorithm: KeyAlgorithm, key: Secret, pair: KeyRecord, authority: KeyRecord
    ) -> None:
        self.algorithm = algorithm
        self.key = key
        self.pair = pair
        self.authority = authority

    def kbpk(self) -> KBPK:
        """Open it as a key block protection key."""
        return KBPK(kbpk_cipher(self.algorithm), self.key.reveal())


def agree_on_key(
    context: Context,
    asked: t.ImportDiffieHellmanTr31KeyBlock | t.ExportDiffieHellmanTr31KeyBlock,
    *,
    action: str,
) -> DerivedKey:
    """
    Derive the wrapping key of an ECDH import or export.

    Raises:
        InvalidRequestError: the pair is not one for deriving wrapping keys or not usable, an HMAC
            key was asked for, or there is no SharedInformation.
        KeyAgreementError: the counterpart's key is on another curve.
        CertificateError: the counterpart's certificate, as `check_issued`.
    """
    algorithm = KeyAlgorithm(asked.derive_key_algorithm)
    if algorithm.cipher is None:
        raise InvalidRequestError(f"DeriveKeyAlgorithm: {algorithm} keys do not wrap keys")
    if asked.derivation_data.shared_information is None:
        raise InvalidRequestError("DerivationData: expected SharedInformation")
    shared_info = bytes.fromhex(asked.derivation_data.shared_information)
    pair = _find_agreement_pair(context, asked.private_key_identifier, action=action)
    authority = find_authority(
        context, asked.certificate_authority_public_key_identifier, action=action
    )
    certificate = decode_certificate(asked.public_key_certificate, member="PublicKeyCertificate")
    check_issued(context, certificate, authority)
    peer = certificate.public_key()
    if not isinstance(peer, ec.EllipticCurvePublicKey):
        raise KeyAgreementError("PublicKeyCertificate: expected an elliptic curve key")
    private_key = open_pair(context, pair)
    if not isinstance(private_key, ec.EllipticCurvePrivateKey):
        raise StoreIntegrityError(f"key {pair.key_id} has no elliptic curve material")
    with Secret(agree(private_key, peer)) as z:
        key = derive_key(
            z.reveal(),
            kdf=KeyDerivationFunction(asked.key_derivation_function),
            hash_name=asked.key_derivation_hash_algorithm.replace("_", ""),
            shared_info=shared_info,
            size=algorithm.size_bytes,
        )
    return DerivedKey(algorithm=algorithm, key=Secret(key), pair=pair, authority=authority.record)


def _find_agreement_pair(context: Context, identifier: str, *, action: str) -> KeyRecord:
    record = find_key(context, identifier, action=action)
    attributes = record.attributes
    if (
        attributes.key_class is not KeyClass.ASYMMETRIC_KEY_PAIR
        or attributes.key_usage is not KeyUsage.TR31_K3_ASYMMETRIC_KEY_FOR_KEY_AGREEMENT
    ):
        raise InvalidRequestError(
            "PrivateKeyIdentifier: expected a key pair of usage"
            f" {KeyUsage.TR31_K3_ASYMMETRIC_KEY_FOR_KEY_AGREEMENT}"
        )
    if record.derive_key_usage is not None and record.derive_key_usage not in KEKS:
        # A pair serves one kind of derived key, so that a PIN pair never makes a wrapping key.
        raise InvalidRequestError(
            f"PrivateKeyIdentifier: the pair derives keys of usage {record.derive_key_usage},"
            " not wrapping keys"
        )
    require_usable(context, record)
    return record

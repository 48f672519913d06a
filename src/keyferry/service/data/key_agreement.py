"""ECDH within a data operation: our pair, a peer with a certificate, a key for one request."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from keyferry.crypto.ecdh import agree
from keyferry.crypto.kdf import KeyDerivationFunction, derive_key
from keyferry.crypto.secret import Secret
from keyferry.errors import KeyAgreementError, StoreIntegrityError
from keyferry.keys import KeyAlgorithm, KeyUsage
from keyferry.service.control.trust import Authority, check_issued, decode_certificate
from keyferry.service.data.context import DataContext
from keyferry.service.data.eligibility import Role
from keyferry.service.data.refusals import refused
from keyferry.service.opened_keys import OpenedKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What two parties agree on a key with; texts as the API sends them."""

    pair: OpenedKey
    authority: OpenedKey  # vouches for the certificate
    certificate: str  # base64 of PEM
    algorithm: KeyAlgorithm  # of the key wanted
    kdf: str
    hash_name: str
    shared_info: str  # hex
    usages: tuple[KeyUsage, ...]  # what the key is for; the pair must derive keys of one of them


async def agree_on_key(context: DataContext, agreement: Agreement) -> bytes:
    """
    Return the clear key two parties agree on.

    Raises:
        InvalidRequestError: the pair or the authority may not do this, the pair derives keys for
            something else, or an HMAC key is wanted.
        CertificateError: the authority did not issue the certificate, or it is not valid now.
        KeyAgreementError: the peer's key is on another curve.
    """
    algorithm, usages = agreement.algorithm, agreement.usages
    pair = context.require(agreement.pair, Role.AGREE_ON_KEY)
    authority = context.require(agreement.authority, Role.CERTIFY)
    if algorithm.cipher is None:
        raise refused("KeyAlgorithm", f"{algorithm} keys are not agreed on")
    derives = pair.record.derive_key_usage
    if derives is not None and derives not in usages:
        # A pair serves one kind of derived key, so that a PIN pair never makes a data key.
        raise refused("KeyIdentifier", f"the key pair derives keys of usage {derives} only")

    private_key = pair.private_key()
    if not isinstance(private_key, ec.EllipticCurvePrivateKey):
        raise StoreIntegrityError(f"key {pair.record.key_id} is not what its record says")
    issuer = Authority(authority.record, authority.certificate())

    def work() -> bytes:
        certificate = decode_certificate(agreement.certificate, member="PublicKeyCertificate")
        check_issued(context, certificate, issuer)
        peer = certificate.public_key()
        if not isinstance(peer, ec.EllipticCurvePublicKey):
            raise KeyAgreementError("PublicKeyCertificate: expected an elliptic curve key")
        with Secret(agree(private_key, peer)) as z:
            return derive_key(
                z.reveal(),
                kdf=KeyDerivationFunction(agreement.kdf),
                hash_name=agreement.hash_name.replace("_", ""),
                shared_info=bytes.fromhex(agreement.shared_info),
                size=algorithm.size_bytes,
            )

    # Two milliseconds on the largest curve, most of it without the GIL.
    return await context.offload(work)

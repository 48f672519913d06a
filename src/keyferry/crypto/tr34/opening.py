"""The KRD's side: verify a token completely, and only then give the key out."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from keyferry.crypto.certificates import (
    CertificateUsage,
    check_key_pair,
    check_usage,
    verify_issued,
)
from keyferry.crypto.tr34 import identifiers
from keyferry.crypto.tr34.attributes import check_nonce_size
from keyferry.crypto.tr34.credentials import issuer_and_serial
from keyferry.crypto.tr34.envelope import open_envelope
from keyferry.crypto.tr34.header import check_content_cipher, check_header
from keyferry.crypto.tr34.key_block import KeyBlock
from keyferry.crypto.tr34.layouts import ContentCipher, Layout
from keyferry.crypto.tr34.parties import rsa_public_key
from keyferry.crypto.tr34.token import UnverifiedToken, parse_token
from keyferry.errors import (
    MalformedTokenError,
    TokenBindingError,
    TokenNonceError,
    TokenRecipientError,
    TokenSignatureError,
)

ALL_LAYOUTS = frozenset(Layout)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedToken:
    """A key that arrived, with what its sender signed about it. Its repr hides the key."""

    header: str  # as signed and as in the envelope: they are equal
    key: bytes = field(repr=False)
    layout: Layout
    content_cipher: ContentCipher
    nonce: bytes | None
    signing_time: datetime | None


def open_token(
    token: bytes,
    *,
    kdh_certificate: x509.Certificate,
    krd_certificate: x509.Certificate,
    krd_private_key: rsa.RSAPrivateKey,
    nonce: bytes | None,
    kdh_ca: x509.Certificate | None = None,
    now: datetime | None = None,
    tolerance: timedelta = timedelta(0),
    layouts: frozenset[Layout] = ALL_LAYOUTS,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> OpenedToken:
    """
    Verify a key token and return its key.

    The order is part of the protocol: shape; KDH certificate; signer; signature; digest; nonce;
    recipient; envelope; binding of the key block to the KDH and to the signed header; header and
    key length. Nothing of the envelope is decrypted before the signature verified.

    Args:
        token: DER.
        nonce: two-pass, the nonce this KRD gave out; None accepts one-pass tokens only.
        kdh_ca: the trusted authority of the KDH certificate; None if the caller verified it.
        now: aware; required with `kdh_ca`.
        tolerance: for notBefore of the KDH certificate.
        layouts: the layouts accepted.
        random_bytes: of a stand-in key that keeps failures alike; no secret hangs on it.

    Raises:
        CertificateKeyError: our own KRD certificate and key do not belong together.
        MalformedTokenError: strict DER, shape, layout, algorithms; the header is not one.
        CertificateError: the KDH certificate (chain, validity, usage), as `verify_issued`.
        TokenSignatureError: another signer, a signature or a digest that does not verify.
        TokenNonceError: the nonce is missing, unexpected or another one.
        TokenRecipientError: addressed to another KRD.
        TokenDecryptionError: the envelope does not open; one error for every cause.
        TokenBindingError: the key block names another KDH, or another header than signed.
        KeySizeError, KeyStrengthError: the key does not fit its header, or its content cipher.

    Source: TR 34-2019, 5.3.4 and B.2.2.3; the checks of the AWS export sample.
    """
    if kdh_ca is not None and now is None:
        raise TypeError("now is required to verify the KDH certificate against kdh_ca")
    check_key_pair(krd_certificate, krd_private_key.public_key(), whose="KRD")
    if nonce is not None:
        check_nonce_size(nonce)
    parsed = parse_token(token)
    if parsed.layout not in layouts:
        raise MalformedTokenError("layout", offset=0, expected=" or ".join(sorted(layouts)))
    kdh_public_key = rsa_public_key(kdh_certificate, whose="KDH")
    if kdh_ca is not None and now is not None:
        verify_issued(kdh_certificate, kdh_ca, now=now, tolerance=tolerance)
    check_usage(kdh_certificate, CertificateUsage.DIGITAL_SIGNATURE, what="KDH")
    kdh_id = issuer_and_serial(kdh_certificate)
    _verify_signature(parsed, kdh_id, kdh_public_key)
    _check_nonce(parsed.nonce, nonce)
    if parsed.recipient_id != issuer_and_serial(krd_certificate):
        raise TokenRecipientError(
            "TR-34 token is addressed to another KRD certificate",
            hint="build it for the issuer and serial number of the certificate given out last",
        )
    block = open_envelope(parsed.envelope, krd_private_key, random_bytes=random_bytes)
    _check_binding(parsed, block, kdh_id)
    algorithm = check_header(
        block.header, key_bytes=len(block.key), offset=parsed.attributes.header_offset
    )
    check_content_cipher(algorithm, parsed.content_cipher)
    return OpenedToken(
        header=block.header,
        key=block.key,
        layout=parsed.layout,
        content_cipher=parsed.content_cipher,
        nonce=parsed.nonce,
        signing_time=parsed.signing_time,
    )


def _verify_signature(
    token: UnverifiedToken, kdh_id: bytes, kdh_public_key: rsa.RSAPublicKey
) -> None:
    """Verify signer, signature, content type and digest, in this order."""
    if token.signer_id != kdh_id:
        raise TokenSignatureError(
            "TR-34 signer is not the KDH certificate: issuer or serial number differ"
        )
    try:
        kdh_public_key.verify(
            token.signature, token.attributes.encoded, padding.PKCS1v15(), hashes.SHA256()
        )
    except InvalidSignature:
        raise TokenSignatureError("TR-34 signature does not verify") from None
    if token.attributes.content_type != identifiers.ENVELOPED_DATA:
        raise TokenSignatureError("TR-34 signed content type is not envelopedData")
    # Always over exactly what the OCTET STRING carries: bare members in layout AWS.
    digest = hashlib.sha256(token.econtent).digest()
    if not hmac.compare_digest(digest, token.attributes.message_digest):
        raise TokenSignatureError("TR-34 signed digest is not that of the envelope")


def _check_nonce(found: bytes | None, expected: bytes | None) -> None:
    if found is None and expected is not None:
        raise TokenNonceError("TR-34 token has no random nonce: expected the one agreed on")
    if found is not None and expected is None:
        raise TokenNonceError("TR-34 token has a random nonce: give the one agreed on")
    if found is not None and expected is not None and not hmac.compare_digest(found, expected):
        raise TokenNonceError("TR-34 random nonce is not the one agreed on")


def _check_binding(token: UnverifiedToken, block: KeyBlock, kdh_id: bytes) -> None:
    if block.kdh_id != kdh_id:
        raise TokenBindingError("TR-34 key block names another KDH than the signer")
    if block.header != token.header:
        raise TokenBindingError("TR-34 key block header is not the signed one")

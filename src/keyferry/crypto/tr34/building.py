"""The KDH's side: a whole token in one call."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from keyferry.crypto.certificates import CertificateUsage, check_key_pair, check_usage
from keyferry.crypto.tr34.attributes import build_signed_attributes
from keyferry.crypto.tr34.credentials import issuer_and_serial
from keyferry.crypto.tr34.envelope import build_enveloped_data
from keyferry.crypto.tr34.header import check_content_cipher, check_header
from keyferry.crypto.tr34.layouts import ContentCipher, Layout
from keyferry.crypto.tr34.parties import rsa_public_key
from keyferry.crypto.tr34.token import assemble_token


def build_token(
    *,
    key: bytes,
    header: str,
    kdh_certificate: x509.Certificate,
    kdh_private_key: rsa.RSAPrivateKey,
    krd_certificate: x509.Certificate,
    nonce: bytes | None,
    content_cipher: ContentCipher,
    signing_time: datetime | None = None,
    layout: Layout = Layout.AWS,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> bytes:
    """
    Build a key token: wrap `key` for the KRD and sign it as the KDH.

    Args:
        key: the clear key; TDES of 16 or 24 bytes, AES of 16, 24 or 32.
        header: 16 characters like a TR-31 header's (or more, with optional blocks); its version
            and length mean nothing here and may be `D9999`.
        nonce: two-pass, the KRD's random nonce of 8 to 16 bytes; None for one-pass.
        signing_time: one-pass only, and required there; aware.
        content_cipher: AES128 for AES keys, which must not go under TDES.
        layout: AWS or CMS in production; all four can be written.
        random_bytes: of the content key and its IV; the OAEP seed is the library's own.

    Returns:
        The token in DER.

    Raises:
        MalformedTokenError: the header is not one.
        KeySizeError: the key does not fit the header's algorithm.
        KeyStrengthError: an AES key under a TDES content key.
        TokenNonceError: not exactly one of nonce and signing time, or a nonce of another length.
        CertificateKeyError: the KDH certificate is not for the KDH key.
        CertificateUsageError: a certificate whose keyUsage forbids its part.
        UnsupportedAlgorithmError: a certificate without an RSA key of 2048, 3072 or 4096 bits.

    Source: TR 34-2019, B.2.2.3; X9 TR 34-2012 as AWS Payment Cryptography takes it (layout AWS).
    """
    algorithm = check_header(header, key_bytes=len(key))
    check_content_cipher(algorithm, content_cipher)
    rsa_public_key(kdh_certificate, whose="KDH")
    krd_public_key = rsa_public_key(krd_certificate, whose="KRD")
    check_key_pair(kdh_certificate, kdh_private_key.public_key(), whose="KDH")
    check_usage(kdh_certificate, CertificateUsage.DIGITAL_SIGNATURE, what="KDH")
    check_usage(krd_certificate, CertificateUsage.KEY_ENCIPHERMENT, what="KRD")
    kdh_id = issuer_and_serial(kdh_certificate)
    econtent = build_enveloped_data(
        key=key,
        header=header,
        kdh_id=kdh_id,
        krd_id=issuer_and_serial(krd_certificate),
        krd_public_key=krd_public_key,
        content_cipher=content_cipher,
        layout=layout,
        random_bytes=random_bytes,
    )
    attributes_set = build_signed_attributes(
        econtent=econtent, header=header, nonce=nonce, signing_time=signing_time, layout=layout
    )
    return assemble_token(
        econtent=econtent,
        attributes_set=attributes_set,
        kdh_id=kdh_id,
        signature=kdh_private_key.sign(attributes_set, padding.PKCS1v15(), hashes.SHA256()),
        layout=layout,
    )

"""What the receiver of a TR-34 token checks: recipient, envelope, binding, key."""

from __future__ import annotations

import itertools
from typing import Final, NoReturn

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from keyferry.crypto.certificates import CertificateUsage, check_usage
from keyferry.crypto.keyblock import Algorithm
from keyferry.crypto.tr34 import (
    ContentCipher,
    KeyBlock,
    UnverifiedToken,
    issuer_and_serial,
    open_envelope,
    parse_header,
)
from keyferry.errors import (
    CertificateUsageError,
    KeyAttributesError,
    KeyMaterialError,
    KeyStrengthError,
    TokenDecryptionError,
)
from keyferry.exchange.doctor import certificate_causes, key_block_causes
from keyferry.exchange.doctor import token_causes as causes
from keyferry.exchange.doctor.check_value import check_key_check_value
from keyferry.exchange.doctor.examination import Examination
from keyferry.keys import (
    KeyAlgorithm,
    WrappingMethod,
    attributes_from_header,
    check_strength,
)

_RSA: Final = {
    2048: KeyAlgorithm.RSA_2048,
    3072: KeyAlgorithm.RSA_3072,
    4096: KeyAlgorithm.RSA_4096,
}
_KEY_BYTES: Final = {Algorithm.TDES: (16, 24), Algorithm.AES: (16, 24, 32)}


def check_recipient(token: UnverifiedToken, examination: Examination) -> None:
    """Check that the token is addressed to the certificate and key at hand."""
    check = "recipient"
    certificate, key = examination.at_hand.krd_certificate, examination.at_hand.krd_key
    if certificate is None:
        examination.unmade(check, "the KRD's certificate (--krd-certificate)")
        return
    if key is not None and certificate.public_key() != key.public_key():
        examination.fail(
            check,
            certificate_causes.WRONG_KEY,
            "KRD certificate and KRD private key do not belong together",
        )
    try:
        check_usage(certificate, CertificateUsage.KEY_ENCIPHERMENT, what="KRD")
    except CertificateUsageError as error:
        examination.fail(check, certificate_causes.WRONG_USAGE, str(error))
    if token.recipient_id != issuer_and_serial(certificate):
        examination.fail(
            check,
            causes.RECIPIENT,
            "issuer or serial number of the recipient are not those of the KRD certificate",
        )
    examination.passed(check)


def check_envelope(token: UnverifiedToken, examination: Examination) -> KeyBlock | None:
    """Open the envelope, and check that it belongs to sender and header; None without a key."""
    check, key = "envelope", examination.at_hand.krd_key
    if key is None:
        examination.unmade(check, "the KRD's private key (--krd-key-file)")
        return None
    try:
        block = open_envelope(token.envelope, key)
    except TokenDecryptionError:
        _fail_envelope(token, key, examination)
    examination.passed(check)
    check = "binding"
    if block.kdh_id != token.signer_id:
        examination.fail(check, causes.BOUND_KDH, "the key block names another KDH")
    if block.header != token.header:
        examination.fail(
            check,
            causes.BOUND_HEADER,
            f"signed is {token.header}, inside the envelope is {block.header}",
        )
    examination.passed(check)
    return block


def _fail_envelope(
    token: UnverifiedToken, key: rsa.RSAPrivateKey, examination: Examination
) -> NoReturn:
    """Try the parameters senders use by mistake; the private key's owner may know."""
    choices = (
        hashes.SHA1(),  # noqa: S303 (to name a sender's mistake, not to protect anything)
        hashes.SHA256(),
        hashes.SHA384(),
        hashes.SHA512(),
    )
    for label, mask in itertools.product(choices, choices):
        if label.name == mask.name == "sha256":
            continue
        oaep = padding.OAEP(mgf=padding.MGF1(mask), algorithm=label, label=None)
        try:
            content_key = key.decrypt(token.envelope.encrypted_key, oaep)
        except ValueError:
            continue
        if len(content_key) == token.content_cipher.key_bytes:
            examination.fail(
                "envelope",
                causes.OAEP_USED,
                f"it opens with {label.name} for the label and {mask.name} for the mask",
            )
    examination.fail("envelope", causes.ENVELOPE, "it does not open with the KRD's private key")


def check_key(token: UnverifiedToken, block: KeyBlock | None, examination: Examination) -> None:
    """Check the key by the rules of the API, as far as the envelope opened."""
    header = parse_header(token.header)
    if block is None:
        check_key_check_value(header, None, None, examination)
        return
    check = "key"
    if len(block.key) not in _KEY_BYTES.get(header.algorithm, ()):
        examination.fail(
            check,
            causes.KEY_SIZE,
            f"{8 * len(block.key)} bits under algorithm {header.algorithm}",
        )
    if header.algorithm is Algorithm.AES and token.content_cipher is ContentCipher.TDES:
        examination.fail(check, causes.WEAK_CIPHER, "an AES key in an envelope under 3DES")
    try:
        attributes = attributes_from_header(header, block.key)
    except KeyMaterialError as error:
        examination.fail(check, key_block_causes.WEAK_TDES, str(error))
    except KeyAttributesError as error:
        cause = (
            key_block_causes.MODE_FOR_USAGE
            if "KeyModesOfUse" in str(error)
            else key_block_causes.USAGE_NOT_IN_API
        )
        examination.fail(check, cause, str(error))
    _check_rsa_strength(attributes.key_algorithm, examination)
    examination.passed(check)
    check_key_check_value(header, attributes, block.key, examination)


def _check_rsa_strength(algorithm: KeyAlgorithm, examination: Examination) -> None:
    key = examination.at_hand.krd_key
    wrapping = _RSA.get(key.key_size) if key is not None else None
    if wrapping is None:
        return
    try:
        check_strength(algorithm, method=WrappingMethod.TR34, wrapping=wrapping)
    except KeyStrengthError as error:
        carried = algorithm in (
            KeyAlgorithm.TDES_2KEY,
            KeyAlgorithm.TDES_3KEY,
            KeyAlgorithm.AES_128,
        )
        cause = causes.WEAK_RSA if carried else causes.NOT_BY_TR34
        examination.fail("strength", cause, str(error))

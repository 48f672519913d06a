"""
TR-34 key tokens: DER, shape, KDH certificate, signature, nonce, recipient, envelope, binding, key.

The order is that of the receiver. Here, where both sides' inputs may lie on one desk, a failure is
told more closely than a receiver may tell it to a sender.
"""

from __future__ import annotations

import hashlib
import itertools
from typing import Final, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from keyferry.crypto.certificates import CertificateUsage, check_usage
from keyferry.crypto.keyblock import Algorithm
from keyferry.crypto.tr34 import (
    ContentCipher,
    KeyBlock,
    UnverifiedToken,
    der,
    identifiers,
    issuer_and_serial,
    open_envelope,
    parse_header,
    parse_token,
)
from keyferry.errors import (
    CertificateUsageError,
    KeyAttributesError,
    KeyMaterialError,
    KeyStrengthError,
    MalformedTokenError,
    TokenDecryptionError,
)
from keyferry.exchange.doctor import certificate_causes, key_block_causes
from keyferry.exchange.doctor import token_causes as causes
from keyferry.exchange.doctor.chain import check_links, check_time
from keyferry.exchange.doctor.check_value import check_key_check_value
from keyferry.exchange.doctor.examination import Cause, Examination
from keyferry.keys import (
    KeyAlgorithm,
    WrappingMethod,
    attributes_from_header,
    check_strength,
)

_API_CHARACTERS: Final = 4096
_RSA: Final = {
    2048: KeyAlgorithm.RSA_2048,
    3072: KeyAlgorithm.RSA_3072,
    4096: KeyAlgorithm.RSA_4096,
}
_KEY_BYTES: Final = {Algorithm.TDES: (16, 24), Algorithm.AES: (16, 24, 32)}


def examine_token(token: bytes, examination: Examination, *, text: str | None = None) -> None:
    """
    Examine a token.

    Args:
        token: DER.
        examination: with what is at hand.
        text: the hex it came as, if it did.
    """
    parsed = _check_shape(token, examination)
    _check_api(token, text, examination)
    _check_kdh_certificate(examination)
    _check_signature(parsed, examination)
    _check_nonce(parsed, examination)
    _check_recipient(parsed, examination)
    block = _check_envelope(parsed, examination)
    _check_key(parsed, block, examination)


# --- shape --------------------------------------------------------------------------------------


def _check_shape(token: bytes, examination: Examination) -> UnverifiedToken:
    check = "shape"
    _check_length(token, examination)
    try:
        parsed = parse_token(token)
        header = parse_header(parsed.header)
    except MalformedTokenError as error:
        examination.fail(check, _shape_cause(error), str(error))
    examination.fact("layout", parsed.layout.value)
    examination.fact("content cipher", parsed.content_cipher.value)
    examination.fact("header", parsed.header)
    examination.fact("key usage", header.usage)
    examination.fact("passes", "two (nonce)" if parsed.nonce else "one (signing time)")
    examination.passed(check)
    return parsed


def _check_length(token: bytes, examination: Examination) -> None:
    check = "length"
    stated = _stated_length(token)
    if stated is None:
        return  # the parser says what is wrong with it
    if stated > len(token):
        examination.fail(
            check, causes.CUT, f"the token states {stated} bytes, there are {len(token)}"
        )
    if stated < len(token):
        examination.fail(
            check, causes.TRAILING, f"{len(token) - stated} bytes follow the end of the token"
        )
    examination.passed(check)


def _stated_length(token: bytes) -> int | None:
    """Length of the outermost element by its own statement; None if it states none in DER."""
    if len(token) < 2 or token[0] != der.SEQUENCE or token[1] == 0x80:
        return None
    if token[1] < 0x80:
        return 2 + token[1]
    count = token[1] & 0x7F
    return 2 + count + int.from_bytes(token[2 : 2 + count], "big") if count <= 4 else None


_BY_FIELD: Final[tuple[tuple[str, Cause], ...]] = (
    ("key block header", causes.HEADER),
    ("digest algorithm", causes.HASH),
    ("signer digest algorithm", causes.HASH),
    ("signature algorithm", causes.HASH),
    ("OAEP", causes.OAEP_DECLARED),
    ("key transport algorithm", causes.OAEP_DECLARED),
    ("content cipher", causes.CIPHER),
    ("content IV", causes.CIPHER),
    ("content type", causes.WRONG_TYPE),
    ("encapsulated content", causes.WRONG_TYPE),
    ("layout", causes.LAYOUT),
    ("enveloped data", causes.LAYOUT),
    ("ciphertext", causes.LAYOUT),
    ("encrypted content", causes.LAYOUT),
    ("signers", causes.SIGNERS),
    ("recipients", causes.SIGNERS),
    ("digest algorithms", causes.HASH),
    ("signed attributes", causes.ATTRIBUTES),
)


def _shape_cause(error: MalformedTokenError) -> Cause:
    text = str(error)
    if "shortest form" in text or "definite length" in text:
        return causes.NOT_DER
    if "attribute" in error.field or "nonce" in error.field:
        return causes.ATTRIBUTES
    return next(
        (cause for start, cause in _BY_FIELD if error.field.startswith(start)), causes.MALFORMED
    )


def _check_api(token: bytes, text: str | None, examination: Examination) -> None:
    check = "rules of the API for tokens"
    if 2 * len(token) > _API_CHARACTERS:
        examination.fail(
            check,
            causes.API_FORM,
            f"{2 * len(token)} characters, the API takes at most {_API_CHARACTERS}",
        )
    if text is not None and text != text.upper():
        examination.fail(check, causes.API_FORM, "the hex is in lower case")
    examination.passed(check)


# --- sender -------------------------------------------------------------------------------------


def _check_kdh_certificate(examination: Examination) -> None:
    check = "KDH certificate"
    certificate = examination.at_hand.kdh_certificate
    if certificate is None:
        examination.unmade(check, "the KDH's certificate (--kdh-certificate)")
        return
    if not isinstance(certificate.public_key(), rsa.RSAPublicKey):
        examination.fail(check, certificate_causes.NOT_RSA, "its key is not RSA")
    issuer = next(
        (a for a in examination.at_hand.authorities if a.subject == certificate.issuer), None
    )
    if issuer is not None:
        check_links(certificate, [issuer], examination)
    elif examination.at_hand.authorities:
        examination.fail(
            check,
            certificate_causes.OTHER_ROOT,
            f"it was issued by {certificate.issuer.rfc4514_string()}, which is not the one trusted",
        )
    else:
        examination.unmade("issuer of the KDH certificate", "the KDH's authority (--ca)")
    check_time(certificate, examination)
    try:
        check_usage(certificate, CertificateUsage.DIGITAL_SIGNATURE, what="KDH")
    except CertificateUsageError as error:
        examination.fail(check, certificate_causes.WRONG_USAGE, str(error))
    examination.passed(check)


def _check_signature(token: UnverifiedToken, examination: Examination) -> None:
    certificate = examination.at_hand.kdh_certificate
    if certificate is None:
        examination.unmade("signature", "the KDH's certificate (--kdh-certificate)")
    else:
        if token.signer_id != issuer_and_serial(certificate):
            examination.fail(
                "signer",
                causes.SIGNER,
                "issuer or serial number of the signer are not those of the KDH certificate",
            )
        public_key = certificate.public_key()
        if isinstance(public_key, rsa.RSAPublicKey):
            _verify(token, public_key, examination)
    check = "digest"
    if token.attributes.content_type != identifiers.ENVELOPED_DATA:
        examination.fail(check, causes.CONTENT_TYPE, "the signed content type is another one")
    if hashlib.sha256(token.econtent).digest() != token.attributes.message_digest:
        cause = causes.DIGEST
        if token.attributes.message_digest in _other_digests(token.econtent):
            cause = causes.DIGEST_WITH_SEQUENCE
        examination.fail(check, cause, "the signed digest is not that of the envelope")
    examination.passed(check)


def _verify(token: UnverifiedToken, public_key: rsa.RSAPublicKey, examination: Examination) -> None:
    check, signed = "signature", token.attributes.encoded
    if _verifies(public_key, token.signature, signed):
        examination.passed(check)
        return
    if _verifies(public_key, token.signature, b"\xa0" + signed[1:]):
        examination.fail(check, causes.SIGNED_TAG, "it verifies over the attributes with tag A0")
    reader = der.Reader(signed, field="signed attributes").set_of("signed attributes")
    attributes = []
    while not reader.at_end:
        attributes.append(reader.next_element("attribute").encoded)
    if len(attributes) <= 5:  # 120 orders at most
        for order in itertools.permutations(attributes):
            if _verifies(public_key, token.signature, der.set_of(order, ordered=False)):
                examination.fail(
                    check, causes.RESORTED, "it verifies over the attributes in another order"
                )
    examination.fail(
        check, causes.SIGNATURE, "it does not verify with the key of the KDH certificate"
    )


def _verifies(public_key: rsa.RSAPublicKey, signature: bytes, data: bytes) -> bool:
    try:
        public_key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _other_digests(econtent: bytes) -> tuple[bytes, ...]:
    """The digests a sender takes who keeps or drops the SEQUENCE around the envelope wrongly."""
    bare = b""
    if econtent[:1] == b"\x30":
        bare = der.Reader(econtent, field="enveloped data").next_element("envelope").content
    return tuple(hashlib.sha256(data).digest() for data in (der.sequence(econtent), bare))


def _check_nonce(token: UnverifiedToken, examination: Examination) -> None:
    check, expected = "nonce", examination.at_hand.nonce
    if expected is None:
        if token.nonce is not None:
            examination.unmade(check, "the nonce that was agreed (--nonce)")
        return
    if not 8 <= len(expected) <= 16:
        examination.fail(check, causes.NONCE_SIZE, f"the nonce at hand has {len(expected)} bytes")
    if token.nonce is None:
        examination.fail(check, causes.NONCE_MISSING, "the token has no nonce")
    if token.nonce != expected:
        examination.fail(
            check,
            causes.NONCE_DIFFERS,
            f"the token has nonce {token.nonce.hex().upper()}, agreed was {expected.hex().upper()}",
        )
    examination.passed(check)


# --- receiver -----------------------------------------------------------------------------------


def _check_recipient(token: UnverifiedToken, examination: Examination) -> None:
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


def _check_envelope(token: UnverifiedToken, examination: Examination) -> KeyBlock | None:
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


def _check_key(token: UnverifiedToken, block: KeyBlock | None, examination: Examination) -> None:
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

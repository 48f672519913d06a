"""
TR-34 key tokens: DER, shape, KDH certificate, signature, nonce, recipient, envelope, binding, key.

The order is that of the receiver. Here, where both sides' inputs may lie on one desk, a failure is
told more closely than a receiver may tell it to a sender.
"""

from __future__ import annotations

import hashlib
import itertools
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from keyferry.crypto.certificates import CertificateUsage, check_usage
from keyferry.crypto.tr34 import (
    UnverifiedToken,
    der,
    identifiers,
    issuer_and_serial,
    parse_header,
    parse_token,
)
from keyferry.errors import (
    CertificateUsageError,
    MalformedTokenError,
)
from keyferry.exchange.doctor import certificate_causes
from keyferry.exchange.doctor import token_causes as causes
from keyferry.exchange.doctor.chain import check_links, check_time
from keyferry.exchange.doctor.examination import Cause, Examination
from keyferry.exchange.doctor.token_envelope import check_envelope, check_key, check_recipient

_API_CHARACTERS: Final = 4096


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
    check_recipient(parsed, examination)
    block = check_envelope(parsed, examination)
    check_key(parsed, block, examination)


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

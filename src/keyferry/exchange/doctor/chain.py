"""Certificates and chains: PEM, DER, validity, order, signatures, authorities, root, strength."""

from __future__ import annotations

import base64
import binascii
import itertools
import re
from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from keyferry.crypto.certificates import (
    check_is_authority,
    check_issuer_strength,
    check_validity,
    key_algorithm_name,
    load_certificate,
)
from keyferry.errors import (
    CertificateChainError,
    CertificateStrengthError,
    CertificateValidityError,
    MalformedCertificateError,
    UnsupportedAlgorithmError,
)
from keyferry.exchange.doctor import certificate_causes as causes
from keyferry.exchange.doctor.examination import Examination

_BLOCK: Final = re.compile(
    rb"-----BEGIN (?P<label>[^-\r\n]+)-----(?P<body>.*?)-----END (?P<end>[^-\r\n]+)-----", re.DOTALL
)
_BEGIN: Final = re.compile(rb"-----BEGIN ([^-\r\n]+)-----")
_TOKEN_LABELS: Final = (b"CMS", b"PKCS7")
# What SignedData that encloses EnvelopedData opens with: both types, with little between.
_TOKEN_TYPES: Final = re.compile(
    rb"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02.{0,64}\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03",
    re.DOTALL,
)
_OWN_LINE: Final = re.compile(rb"-----BEGIN [^\r\n-]+-----[ \t]*\r?\n")
_LABELS: Final = (b"CERTIFICATE", b"X509 CERTIFICATE")
_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


def examine_chain(data: bytes, examination: Examination) -> None:
    """Examine one certificate in DER, or a chain in PEM, leaf first."""
    certificates = [_load(part, examination) for part in _cut(data, examination)]
    examination.passed("form")
    for number, certificate in enumerate(certificates, 1):
        examination.fact(f"certificate {number}", name_of(certificate))
    for certificate in certificates:
        _check_key(certificate, examination)
    _check_order(certificates, examination)
    root = _root(certificates, examination)
    authorities = [*certificates[1:]]
    if root is not None and (certificates[-1] != root):
        authorities.append(root)
    check_links(certificates[0], authorities, examination)
    for certificate in dict.fromkeys((*certificates, *authorities)):
        check_time(certificate, examination)
    examination.passed("validity")


def check_links(
    leaf: x509.Certificate, authorities: Sequence[x509.Certificate], examination: Examination
) -> None:
    """Check every signature from the leaf to the last authority, and that each may issue."""
    subject = leaf
    for depth, authority in enumerate(authorities):
        _check_signature(subject, authority, examination)
        _check_authority(authority, depth, examination)
        _check_strength(subject, authority, examination)
        subject = authority
    if subject.issuer == subject.subject:
        _check_signature(subject, subject, examination)
    examination.passed("signatures")


def check_time(certificate: x509.Certificate, examination: Examination) -> None:
    """Check that a certificate is valid now."""
    now = examination.at_hand.now
    try:
        check_validity(certificate, now=now, what=f"certificate of {name_of(certificate)}")
    except CertificateValidityError as error:
        early = now < certificate.not_valid_before_utc
        cause = causes.NOT_YET_VALID if early else causes.EXPIRED
        examination.fail("validity", cause, f"{error}; now is {now:%Y-%m-%dT%H:%M:%SZ}")


def name_of(certificate: x509.Certificate) -> str:
    """The subject as people write it."""
    return certificate.subject.rfc4514_string() or "(no name)"


def _cut(data: bytes, examination: Examination) -> list[bytes]:
    """Cut PEM into its blocks."""
    check = "form"
    if data[:1] == b"\x30":
        return [data]
    labels = [label.strip() for label in _BEGIN.findall(data)]
    if any(label.endswith(b"PRIVATE KEY") for label in labels):
        examination.fail(check, causes.PRIVATE_KEY, "there is a private key among the certificates")
    if labels and not _OWN_LINE.search(data):
        examination.fail(check, causes.PEM_LINES, "no line ends behind a BEGIN line")
    for label in labels:
        if label in _TOKEN_LABELS and _holds_token(data):
            examination.fail(check, causes.TOKEN_PEM, f"there is a token as {label.decode()}")
        if label not in _LABELS:
            shown = label.decode("ascii", "replace")[:40]
            examination.fail(check, causes.OTHER_PEM, f"there is a PEM block {shown!r}")
    blocks = list(_BLOCK.finditer(data))
    if (
        not blocks
        or len(blocks) != len(labels)
        or any(block["label"] != block["end"] for block in blocks)
    ):
        examination.fail(check, causes.BAD_PEM, "a BEGIN line has no END line of its own")
    return [block.group(0) for block in blocks]


def _holds_token(pem: bytes) -> bool:
    """Whether the first block of PEM is a TR-34 token."""
    block = _BLOCK.search(pem)
    try:
        return bool(block and _TOKEN_TYPES.search(base64.b64decode(block["body"])))
    except binascii.Error:
        return False


def _load(part: bytes, examination: Examination) -> x509.Certificate:
    check = "form"
    try:
        return load_certificate(part)
    except UnsupportedAlgorithmError as error:
        examination.fail("keys", causes.UNSUPPORTED_KEY, str(error))
    except MalformedCertificateError as error:
        pem = part[:1] != b"\x30" and "X.509 in DER" not in str(error)
        examination.fail(check, causes.BAD_PEM if pem else causes.BAD_DER, str(error))


def _check_key(certificate: x509.Certificate, examination: Examination) -> None:
    try:
        key_algorithm_name(certificate.public_key())
    except UnsupportedAlgorithmError as error:
        examination.fail("keys", causes.UNSUPPORTED_KEY, f"{name_of(certificate)}: {error}")


def _check_order(certificates: Sequence[x509.Certificate], examination: Examination) -> None:
    check = "order"
    for subject, issuer in itertools.pairwise(certificates):
        if subject == issuer:
            examination.fail(check, causes.REPEATED, f"{name_of(subject)} stands there twice")
        if subject.issuer == issuer.subject:
            continue
        backwards = all(
            later.issuer == earlier.subject for earlier, later in itertools.pairwise(certificates)
        )
        if backwards:
            examination.fail(check, causes.REVERSED, "the chain stands root first")
        examination.fail(
            check,
            causes.GAP,
            f"{name_of(subject)} names its issuer {subject.issuer.rfc4514_string()},"
            f" the next certificate is of {name_of(issuer)}",
        )
    examination.passed(check)


def _root(
    certificates: Sequence[x509.Certificate], examination: Examination
) -> x509.Certificate | None:
    """Return the root the chain leads to, from the chain or from what is trusted."""
    check, last = "root", certificates[-1]
    trusted = examination.at_hand.authorities
    self_issued = last.issuer == last.subject
    if not trusted:
        if not self_issued:
            if len(certificates) > 1:
                examination.fail(
                    check,
                    causes.NO_ROOT,
                    f"{name_of(last)} was issued by {last.issuer.rfc4514_string()}, which is not"
                    " there",
                )
            examination.unmade("issuer", "the authority (--ca)")
            return None
        examination.unmade(check, "which root is trusted (--ca)")
        return last
    if last in trusted:
        examination.passed(check)
        return last
    named = [authority for authority in trusted if authority.subject == last.issuer]
    if not named or (self_issued and last not in trusted):
        names = "; ".join(name_of(authority) for authority in trusted)
        examination.fail(
            check,
            causes.OTHER_ROOT,
            f"the chain leads to {last.issuer.rfc4514_string()}, trusted is {names}",
        )
    examination.passed(check)
    return next((a for a in named if _is_signed_by(last, a)), named[0])


def _is_signed_by(subject: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        subject.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _check_signature(
    subject: x509.Certificate, issuer: x509.Certificate, examination: Examination
) -> None:
    check = "signatures"
    if subject.issuer != issuer.subject:
        examination.fail(
            check,
            causes.GAP,
            f"{name_of(subject)} was issued by {subject.issuer.rfc4514_string()}, not by"
            f" {name_of(issuer)}",
        )
    if not isinstance(subject.signature_hash_algorithm, _HASHES):
        found = getattr(subject.signature_hash_algorithm, "name", "an unknown hash")
        examination.fail(check, causes.WEAK_HASH, f"{name_of(subject)} is signed with {found}")
    if not _is_signed_by(subject, issuer):
        examination.fail(
            check,
            causes.BAD_SIGNATURE,
            f"the signature of {name_of(subject)} does not verify with the key of"
            f" {name_of(issuer)}",
        )


def _check_authority(authority: x509.Certificate, depth: int, examination: Examination) -> None:
    check = "authorities"
    try:
        check_is_authority(authority)
    except CertificateChainError as error:
        examination.fail(check, causes.NOT_AUTHORITY, f"{name_of(authority)}: {error}")
    try:
        limits = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return
    if limits.path_length is not None and depth > limits.path_length:
        examination.fail(
            check,
            causes.PATH_LENGTH,
            f"{name_of(authority)} allows {limits.path_length} authorities below it, there are"
            f" {depth}",
        )


def _check_strength(
    subject: x509.Certificate, issuer: x509.Certificate, examination: Examination
) -> None:
    try:
        check_issuer_strength(
            key_algorithm_name(subject.public_key()), key_algorithm_name(issuer.public_key())
        )
    except CertificateStrengthError as error:
        examination.fail("strength", causes.WEAK_ISSUER, f"{name_of(subject)}: {error}")
    except UnsupportedAlgorithmError as error:
        examination.fail("keys", causes.UNSUPPORTED_KEY, f"{name_of(issuer)}: {error}")

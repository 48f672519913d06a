"""Verifying certificates."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from keyferry.crypto.certificates import (
    CertificateUsage,
    check_key_pair,
    check_usage,
    create_root,
    issue_authority,
    issue_leaf,
    verify_chain,
    verify_issued,
    verify_root,
)
from keyferry.errors import (
    CertificateChainError,
    CertificateKeyError,
    CertificateUsageError,
    CertificateValidityError,
)


@pytest.fixture(scope="session")
def leaf(root: Any, rsa_key: Any, leaf_key: Any, validity: Any) -> Any:
    """A leaf of the RSA root."""
    return issue_leaf(
        leaf_key.public_key(),
        subject="Leaf",
        issuer=root,
        issuer_key=rsa_key,
        usage=CertificateUsage.DIGITAL_SIGNATURE,
        **validity,
    )


def bare(
    key: Any, issuer_name: x509.Name, issuer_key: Any, validity: Any, **sign: Any
) -> x509.Certificate:
    """A certificate without extensions, signed in any way."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Bare")]))
        .issuer_name(issuer_name)
        .public_key(key)
        .serial_number(200)
        .not_valid_before(validity["not_before"])
        .not_valid_after(validity["not_after"])
    )
    return builder.sign(issuer_key, sign.pop("algorithm", hashes.SHA256()), **sign)


def test_a_leaf_of_its_issuer(leaf: Any, root: Any, now: datetime) -> None:
    """The plain case passes, silently."""
    verify_issued(leaf, root, now=now)
    verify_chain(leaf, [], root, now=now)
    verify_chain(leaf, [root], root, now=now)


@pytest.mark.parametrize("algorithm", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
def test_signatures_of_every_kind(
    root: Any,
    rsa_key: Any,
    ec_root: Any,
    p521_key: Any,
    leaf_key: Any,
    validity: Any,
    now: datetime,
    algorithm: Any,
) -> None:
    """PKCS #1 v1.5, PSS and ECDSA, on leaves without any extension."""
    pss = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
    public = leaf_key.public_key()
    verify_issued(bare(public, root.subject, rsa_key, validity, algorithm=algorithm), root, now=now)
    verify_issued(
        bare(public, root.subject, rsa_key, validity, algorithm=algorithm, rsa_padding=pss),
        root,
        now=now,
    )
    verify_issued(
        bare(public, ec_root.subject, p521_key, validity, algorithm=algorithm), ec_root, now=now
    )


@pytest.mark.parametrize("algorithm", [hashes.SHA224(), hashes.SHA3_256()])
def test_other_hashes_are_refused(
    root: Any, rsa_key: Any, leaf_key: Any, validity: Any, now: datetime, algorithm: Any
) -> None:
    """What is right by mathematics may be wrong by rule."""
    certificate = bare(leaf_key.public_key(), root.subject, rsa_key, validity, algorithm=algorithm)
    with pytest.raises(CertificateChainError, match="SHA-256, SHA-384 or SHA-512"):
        verify_issued(certificate, root, now=now)


def test_sha1_is_refused(root: Any, leaf: Any, now: datetime, monkeypatch: Any) -> None:
    """The library no longer signs with SHA-1, so a certificate only claims it here."""

    class Claims:
        signature_algorithm_oid = x509.SignatureAlgorithmOID.RSA_WITH_SHA1
        signature_hash_algorithm = hashes.SHA1()
        issuer = leaf.issuer

    with pytest.raises(CertificateChainError, match="SHA-256"):
        verify_issued(Claims(), root, now=now)  # type: ignore[arg-type]


def test_another_issuer_is_refused(leaf: Any, ec_root: Any, now: datetime) -> None:
    """By name."""
    with pytest.raises(CertificateChainError, match="issuer name differs"):
        verify_issued(leaf, ec_root, now=now)


def test_an_issuer_of_the_same_name_is_refused(
    leaf: Any, leaf_key: Any, validity: Any, now: datetime
) -> None:
    """By signature: names are free to take."""
    impostor = create_root(leaf_key, common_name="Root", organization="Test", **validity)
    with pytest.raises(CertificateChainError, match="signature does not verify"):
        verify_issued(leaf, impostor, now=now)


def test_a_changed_leaf_is_refused(leaf: Any, root: Any, now: datetime) -> None:
    """One bit of the signature."""
    encoded = bytearray(leaf.public_bytes(Encoding.DER))
    encoded[-1] ^= 1
    changed = x509.load_der_x509_certificate(bytes(encoded))
    with pytest.raises(CertificateChainError, match="signature"):
        verify_issued(changed, root, now=now)


def test_validity_is_that_of_now(leaf: Any, root: Any, now: datetime) -> None:
    """At both ends, to the second; tolerance counts at the beginning only."""
    start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    second = timedelta(seconds=1)
    verify_issued(leaf, root, now=start)
    verify_issued(leaf, root, now=end)
    with pytest.raises(CertificateValidityError, match="not valid before 2024-12-03T12:00:00Z"):
        verify_issued(leaf, root, now=start - second)
    verify_issued(leaf, root, now=start - second, tolerance=timedelta(minutes=15))
    with pytest.raises(CertificateValidityError, match="expired at 2025-11-28T12:00:00Z"):
        verify_issued(leaf, root, now=end + second, tolerance=timedelta(minutes=15))


def test_an_expired_issuer_is_refused(rsa_key: Any, leaf_key: Any, now: datetime) -> None:
    """An authority may have expired since it was trusted."""
    day = timedelta(days=1)
    old = create_root(rsa_key, common_name="Old", not_before=now - 9 * day, not_after=now - day)
    leaf = issue_leaf(
        leaf_key.public_key(),
        subject="Leaf",
        issuer=old,
        issuer_key=rsa_key,
        usage=CertificateUsage.KEY_AGREEMENT,
        not_before=now - 9 * day,
        not_after=now + day,
    )
    with pytest.raises(CertificateValidityError, match="issuer certificate expired"):
        verify_issued(leaf, old, now=now)


def test_a_leaf_does_not_issue(leaf: Any, leaf_key: Any, validity: Any, now: datetime) -> None:
    """A certificate holder who plays authority is refused."""
    child = issue_leaf(
        leaf_key.public_key(),
        subject="Child",
        issuer=leaf,
        issuer_key=leaf_key,
        usage=CertificateUsage.DIGITAL_SIGNATURE,
        **validity,
    )
    with pytest.raises(CertificateChainError, match="CA:FALSE"):
        verify_issued(child, leaf, now=now)


def test_an_issuer_without_extensions_is_taken(
    rsa_key: Any, leaf_key: Any, validity: Any, now: datetime
) -> None:
    """HSMs make authorities that say nothing about themselves; the caller trusts them."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Bare")])
    authority = bare(rsa_key.public_key(), name, rsa_key, validity)
    verify_root(authority, now=now)
    verify_issued(bare(leaf_key.public_key(), name, rsa_key, validity), authority, now=now)


def test_a_self_signed_certificate_may_be_its_own_root(leaf_key: Any, validity: Any) -> None:
    """An official client presents one certificate as authority and as leaf."""
    own = create_root(leaf_key, common_name="Own", **validity)
    verify_issued(own, own, now=validity["not_before"])
    verify_chain(own, [], own, now=validity["not_before"])


def test_roots_that_are_none(
    leaf: Any, leaf_key: Any, root: Any, validity: Any, now: datetime
) -> None:
    """Issued by another, or self-signed and saying CA:FALSE."""
    with pytest.raises(CertificateChainError):
        verify_root(leaf, now=now)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "No")])
    denies = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(leaf_key.public_key())
        .serial_number(1)
        .not_valid_before(validity["not_before"])
        .not_valid_after(validity["not_after"])
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(leaf_key, hashes.SHA256())
    )
    with pytest.raises(CertificateChainError, match="CA:FALSE"):
        verify_root(denies, now=now)
    verify_root(root, now=now)


def test_chains(root: Any, rsa_key: Any, leaf_key: Any, validity: Any, now: datetime) -> None:
    """Leaf's issuer first, up to the root; a gap, a wrong order and a long path are refused."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    upper = issue_authority(
        keys[0].public_key(), subject="Upper", issuer=root, issuer_key=rsa_key, path_length=1,
        **validity,
    )  # fmt: skip
    lower = issue_authority(
        keys[1].public_key(), subject="Lower", issuer=upper, issuer_key=keys[0], **validity
    )
    leaf = issue_leaf(
        leaf_key.public_key(), subject="Leaf", issuer=lower, issuer_key=keys[1],
        usage=CertificateUsage.KEY_ENCIPHERMENT, **validity,
    )  # fmt: skip
    verify_chain(leaf, [lower, upper], root, now=now)
    verify_chain(leaf, [lower, upper, root], root, now=now)
    for wrong in ([], [upper], [lower], [upper, lower], [lower, upper, lower]):
        with pytest.raises(CertificateChainError):
            verify_chain(leaf, wrong, root, now=now)
    with pytest.raises(CertificateValidityError):
        verify_chain(leaf, [lower, upper], root, now=now + timedelta(days=400))
    # `lower` allows no authority below it.
    third = ec.generate_private_key(ec.SECP256R1())
    too_low = issue_authority(
        third.public_key(), subject="Third", issuer=lower, issuer_key=keys[1], **validity
    )
    deep = issue_leaf(
        leaf_key.public_key(), subject="Deep", issuer=too_low, issuer_key=third,
        usage=CertificateUsage.KEY_ENCIPHERMENT, **validity,
    )  # fmt: skip
    with pytest.raises(CertificateChainError, match="1 authorities below one that allows 0"):
        verify_chain(deep, [too_low, lower, upper], root, now=now)


def test_usage_counts_only_when_present(
    leaf: Any, root: Any, rsa_key: Any, leaf_key: Any, validity: Any
) -> None:
    """No keyUsage, no objection."""
    check_usage(leaf, CertificateUsage.DIGITAL_SIGNATURE, what="KDH")
    with pytest.raises(CertificateUsageError, match="KRD certificate does not allow keyEnc"):
        check_usage(leaf, CertificateUsage.KEY_ENCIPHERMENT, what="KRD")
    silent = bare(leaf_key.public_key(), root.subject, rsa_key, validity)
    for usage in CertificateUsage:
        check_usage(silent, usage, what="KDH")


def test_a_certificate_belongs_to_its_key(leaf: Any, leaf_key: Any, rsa_key: Any) -> None:
    """By the public key, whatever the names."""
    check_key_pair(leaf, leaf_key.public_key(), whose="KDH")
    with pytest.raises(CertificateKeyError, match="the KDH certificate is not for the KDH"):
        check_key_pair(leaf, rsa_key.public_key(), whose="KDH")
    with pytest.raises(CertificateKeyError):
        check_key_pair(leaf, rsa.generate_private_key(65537, 1024).public_key(), whose="KDH")

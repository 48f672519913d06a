"""Making certificates, and what others see in them."""

from __future__ import annotations

import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from keyferry.crypto.certificates import (
    CertificateUsage,
    check_issuer_strength,
    create_csr,
    create_root,
    distinguished_name,
    encode_pem,
    issue_authority,
    issue_leaf,
    key_algorithm_name,
    public_key_der,
)
from keyferry.errors import CertificateError, CertificateStrengthError, UnsupportedAlgorithmError


def test_a_root_is_an_authority(root: Any, rsa_key: Any) -> None:
    """CA:TRUE, keyCertSign, its key's identifier, SHA-512."""
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, None)
    usage = root.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert (usage.value.key_cert_sign, usage.value.digital_signature) == (True, False)
    assert root.signature_hash_algorithm.name == "sha512"
    assert (
        root.subject == root.issuer == distinguished_name(common_name="Root", organization="Test")
    )


@pytest.mark.parametrize(
    ("usage", "flag"),
    [
        (CertificateUsage.DIGITAL_SIGNATURE, "digital_signature"),
        (CertificateUsage.KEY_ENCIPHERMENT, "key_encipherment"),
        (CertificateUsage.KEY_AGREEMENT, "key_agreement"),
    ],
)
def test_a_leaf_has_one_usage(
    root: Any, rsa_key: Any, leaf_key: Any, validity: Any, usage: CertificateUsage, flag: str
) -> None:
    """CA:FALSE, one bit of keyUsage, the issuer's key identifier."""
    leaf = issue_leaf(
        leaf_key.public_key(),
        subject="Leaf",
        issuer=root,
        issuer_key=rsa_key,
        usage=usage,
        **validity,
    )
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    found = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    flags = ("digital_signature", "key_encipherment", "key_agreement", "key_cert_sign")
    assert [name for name in flags if getattr(found, name)] == [flag]
    subject_id = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    authority_id = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert authority_id.key_identifier == subject_id


def test_serial_numbers_are_random_and_positive(rsa_key: Any, validity: Any) -> None:
    """They come from `random_bytes`; all ones and all zeros must still make a legal number."""
    serials = {
        create_root(rsa_key, common_name="R", random_bytes=source, **validity).serial_number
        for source in (bytes, lambda size: b"\xff" * size)
    }
    assert serials == {1, (1 << 127) - 1}
    drawn = {create_root(rsa_key, common_name="R", **validity).serial_number for _ in range(3)}
    assert len(drawn) == 3


def test_names_have_an_order(rsa_key: Any) -> None:
    """Country first, common name and e-mail last."""
    name = distinguished_name(
        common_name="C",
        organization="O",
        organization_unit="U",
        country="DE",
        state_or_province="S",
        city="L",
        email_address="a@example.org",
    )
    written = [attribute.rfc4514_attribute_name for attribute in name]
    assert written == ["C", "ST", "L", "O", "OU", "CN", "1.2.840.113549.1.9.1"]
    assert create_csr(rsa_key, subject=name, hash_name="SHA384").subject == name


@pytest.mark.parametrize("parts", [{"common_name": ""}, {"common_name": "x", "country": "DEU"}])
def test_names_that_are_refused(parts: dict[str, str]) -> None:
    """X.520 has its lengths."""
    with pytest.raises(CertificateError, match="certificate subject"):
        distinguished_name(**parts)


def test_validity_that_is_refused(rsa_key: Any, now: datetime) -> None:
    """It must end after it began, and say in which time zone."""
    with pytest.raises(CertificateError, match="certificate validity"):
        create_root(rsa_key, common_name="R", not_before=now, not_after=now - timedelta(days=1))
    with pytest.raises(CertificateError, match="time zone"):
        create_root(
            rsa_key, common_name="R", not_before=now, not_after=now.replace(year=2030, tzinfo=None)
        )


@pytest.mark.parametrize("name", ["SHA1", "MD5", "sha256", ""])
def test_hashes_that_are_refused(rsa_key: Any, validity: Any, name: str) -> None:
    """SHA-1 is not written either."""
    with pytest.raises(UnsupportedAlgorithmError, match="SHA256, SHA384, SHA512"):
        create_root(rsa_key, common_name="R", hash_name=name, **validity)


def test_public_keys_have_names(leaf_key: Any) -> None:
    """As the API names them; other keys are refused."""
    assert key_algorithm_name(leaf_key.public_key()) == "RSA_2048"
    for curve, name in (
        (ec.SECP256R1(), "ECC_NIST_P256"),
        (ec.SECP384R1(), "ECC_NIST_P384"),
        (ec.SECP521R1(), "ECC_NIST_P521"),
    ):
        assert key_algorithm_name(ec.generate_private_key(curve).public_key()) == name
    others = (
        rsa.generate_private_key(65537, 1024),
        ec.generate_private_key(ec.SECP256K1()),
        ed25519.Ed25519PrivateKey.generate(),
    )
    for key in others:
        with pytest.raises(UnsupportedAlgorithmError, match="expected RSA"):
            key_algorithm_name(key.public_key())


RSA = ("RSA_2048", "RSA_3072", "RSA_4096")
ECC = ("ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521")


@pytest.mark.parametrize("subject", RSA + ECC)
@pytest.mark.parametrize("issuer", RSA + ECC)
def test_issuers_are_at_least_as_strong(subject: str, issuer: str) -> None:
    """Every pair: same family, and the issuer not weaker."""
    family = RSA if subject in RSA else ECC
    if issuer in family and family.index(issuer) >= family.index(subject):
        check_issuer_strength(subject, issuer)
    else:
        with pytest.raises(CertificateStrengthError):
            check_issuer_strength(subject, issuer)


@pytest.mark.parametrize(("subject", "issuer"), [("RSA_1024", "RSA_2048"), ("RSA_2048", "X")])
def test_strength_of_unknown_keys_is_unknown(subject: str, issuer: str) -> None:
    """No name, no rule."""
    with pytest.raises(UnsupportedAlgorithmError):
        check_issuer_strength(subject, issuer)


def test_openssl_accepts_the_chain(
    openssl: str, root: Any, rsa_key: Any, leaf_key: Any, validity: Any, tmp_path: Path
) -> None:
    """A second implementation builds and verifies root, intermediate and leaf."""
    middle_key = rsa.generate_private_key(65537, 2048)
    middle = issue_authority(
        middle_key.public_key(), subject="Middle", issuer=root, issuer_key=rsa_key, **validity
    )
    leaf = issue_leaf(
        leaf_key.public_key(),
        subject="Leaf",
        issuer=middle,
        issuer_key=middle_key,
        usage=CertificateUsage.KEY_ENCIPHERMENT,
        **validity,
    )
    for name, certificate in (("root", root), ("middle", middle), ("leaf", leaf)):
        (tmp_path / name).write_bytes(encode_pem(certificate))
    moment = str(int(validity["not_before"].timestamp()) + 86400)
    arguments = ["-x509_strict", "-attime", moment, "-CAfile", "root", "-untrusted", "middle"]
    done = subprocess.run(
        [openssl, "verify", *arguments, "leaf"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "leaf: OK\n", done.stderr


def test_public_key_der_is_the_certificate_s_own(root: Any, rsa_key: Any) -> None:
    """SubjectPublicKeyInfo, byte for byte."""
    assert public_key_der(rsa_key.public_key()) in root.tbs_certificate_bytes

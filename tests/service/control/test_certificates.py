"""Certificates of pairs and public keys, and certificate requests."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from keyferry.crypto.certificates import CertificateUsage
from keyferry.errors import CertificateError
from keyferry.service.errors import InvalidRequestError

SUBJECT = {
    "CommonName": "krd",
    "OrganizationUnit": "keys",
    "Organization": "Example",
    "City": "Berlin",
    "Country": "DE",
    "StateOrProvince": "BE",
    "EmailAddress": "keys@example.com",
}


@pytest.mark.parametrize(
    ("code", "algorithm", "letter", "usage"),
    [
        ("K2", "RSA_2048", "D", "key_encipherment"),
        ("D1", "RSA_2048", "B", "key_encipherment"),
        ("S0", "RSA_2048", "S", "digital_signature"),
        ("K3", "ECC_NIST_P256", "X", "key_agreement"),
        ("K3", "ECC_NIST_P521", "X", "key_agreement"),
    ],
)
async def test_pairs_get_a_certificate_under_the_root_of_their_family(
    exchange: Any, tools: Any, code: str, algorithm: str, letter: str, usage: str
) -> None:
    """90 days, the pair's public key, its keyUsage; the chain is exactly the issuing root."""
    key = await exchange.create(code, algorithm, letter, key_class="ASYMMETRIC_KEY_PAIR")
    answer = await exchange.call("GetPublicKeyCertificate", KeyIdentifier=key["KeyArn"])
    leaf = tools.decode(answer["KeyCertificate"])
    root = tools.decode(answer["KeyCertificateChain"])
    leaf.verify_directly_issued_by(root)
    assert leaf.not_valid_before_utc == exchange.now - timedelta(hours=1)
    assert leaf.not_valid_after_utc == exchange.now + timedelta(days=90)
    extension = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert getattr(extension, usage)
    record = exchange.store.key(exchange.account, key["KeyArn"].rpartition("/")[2])
    der = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert der == record.public_key
    if algorithm.startswith("ECC"):
        root_key = root.public_key()
        assert isinstance(root_key, ec.EllipticCurvePublicKey)
        assert root_key.curve.name == "secp521r1"


async def test_a_certificate_is_kept_until_it_runs_low(exchange: Any) -> None:
    """The same one comes back while 30 days are left, then a new one."""
    key = await exchange.create("K3", "ECC_NIST_P256", "X", key_class="ASYMMETRIC_KEY_PAIR")

    async def current() -> Any:
        return await exchange.call("GetPublicKeyCertificate", KeyIdentifier=key["KeyArn"])

    first = await current()
    exchange.now += timedelta(days=60)
    assert await current() == first
    exchange.now += timedelta(seconds=1)
    second = await current()
    assert second["KeyCertificate"] != first["KeyCertificate"]
    assert second["KeyCertificateChain"] == first["KeyCertificateChain"]
    assert await current() == second


async def test_a_disabled_pair_still_shows_its_certificate(exchange: Any) -> None:
    """A pending one does not."""
    key = await exchange.create(
        "K3", "ECC_NIST_P256", "X", key_class="ASYMMETRIC_KEY_PAIR", Enabled=False
    )
    await exchange.call("GetPublicKeyCertificate", KeyIdentifier=key["KeyArn"])
    await exchange.call("DeleteKey", KeyIdentifier=key["KeyArn"])
    with pytest.raises(InvalidRequestError, match=r"not in CREATE_COMPLETE state\.$"):
        await exchange.call("GetPublicKeyCertificate", KeyIdentifier=key["KeyArn"])


async def test_symmetric_keys_have_no_certificate(service: Any) -> None:
    """Neither a certificate nor a request for one."""
    key = await service.create("P0", "AES_128", "B")
    with pytest.raises(InvalidRequestError, match="symmetric"):
        await service.call("GetPublicKeyCertificate", KeyIdentifier=key["KeyArn"])
    with pytest.raises(InvalidRequestError, match="key pair"):
        await service.call(
            "GetCertificateSigningRequest",
            KeyIdentifier=key["KeyArn"],
            SigningAlgorithm="SHA256",
            CertificateSubject=SUBJECT,
        )


async def test_imported_keys_show_the_certificate_they_came_with(
    service: Any, tools: Any, ec_party: Any, ec_keys: Any
) -> None:
    """A root is its own issuer; a trusted certificate shows the authority that vouched."""
    root = await service.trust(ec_party)
    answer = await service.call("GetPublicKeyCertificate", KeyIdentifier=root)
    assert answer["KeyCertificate"] == tools.encode(ec_party.root)
    assert answer["KeyCertificateChain"] == tools.encode(ec_party.root)
    leaf = ec_party.leaf(ec_keys["P256"][0].public_key(), CertificateUsage.KEY_AGREEMENT)
    imported = await service.call(
        "ImportKey",
        KeyMaterial={
            "TrustedCertificatePublicKey": {
                "KeyAttributes": tools.attributes("K3", "ECC_NIST_P256", "X", "PUBLIC_KEY"),
                "PublicKeyCertificate": tools.encode(leaf),
                "CertificateAuthorityPublicKeyIdentifier": root,
            }
        },
    )
    answer = await service.call("GetPublicKeyCertificate", KeyIdentifier=imported["Key"]["KeyArn"])
    assert answer["KeyCertificate"] == tools.encode(leaf)
    assert answer["KeyCertificateChain"] == tools.encode(ec_party.root)


@pytest.mark.parametrize("hash_name", ["SHA224", "SHA256", "SHA384", "SHA512"])
@pytest.mark.parametrize(
    ("code", "algorithm", "letter"), [("K2", "RSA_2048", "D"), ("K3", "ECC_NIST_P384", "X")]
)
async def test_requests_are_signed_by_the_pair(
    service: Any, code: str, algorithm: str, letter: str, hash_name: str
) -> None:
    """Any pair may: the signature proves possession. The subject keeps its order."""
    key = await service.create(code, algorithm, letter, key_class="ASYMMETRIC_KEY_PAIR")
    answer = await service.call(
        "GetCertificateSigningRequest",
        KeyIdentifier=key["KeyArn"],
        SigningAlgorithm=hash_name,
        CertificateSubject=SUBJECT,
    )
    pem = base64.b64decode(answer["CertificateSigningRequest"], validate=True)
    csr = x509.load_pem_x509_csr(pem)
    assert csr.is_signature_valid
    assert csr.signature_hash_algorithm is not None
    assert csr.signature_hash_algorithm.name == hash_name.lower()
    assert [(part.oid, part.value) for part in csr.subject] == [
        (NameOID.COUNTRY_NAME, "DE"),
        (NameOID.STATE_OR_PROVINCE_NAME, "BE"),
        (NameOID.LOCALITY_NAME, "Berlin"),
        (NameOID.ORGANIZATION_NAME, "Example"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "keys"),
        (NameOID.COMMON_NAME, "krd"),
        (NameOID.EMAIL_ADDRESS, "keys@example.com"),
    ]


async def test_a_request_needs_a_usable_pair(service: Any) -> None:
    """Disabled and pending pairs sign nothing."""
    key = await service.create(
        "K3", "ECC_NIST_P256", "X", key_class="ASYMMETRIC_KEY_PAIR", Enabled=False
    )
    asked = {
        "KeyIdentifier": key["KeyArn"],
        "SigningAlgorithm": "SHA256",
        "CertificateSubject": {"CommonName": "krd"},
    }
    with pytest.raises(InvalidRequestError, match="not enabled"):
        await service.call("GetCertificateSigningRequest", **asked)
    await service.call("DeleteKey", KeyIdentifier=key["KeyArn"])
    with pytest.raises(InvalidRequestError, match=r"not in CREATE_COMPLETE state\.$"):
        await service.call("GetCertificateSigningRequest", **asked)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"CommonName": "é" * 64}, "64"),
        ({"CommonName": "a\0b"}, "common name"),
        ({"Organization": "line\nend"}, "organization"),
        ({"EmailAddress": "o’neill@example.com"}, "ASCII"),
    ],
)
async def test_names_that_parsers_trip_over_are_refused(
    service: Any, changes: dict[str, str], match: str
) -> None:
    """Too long in bytes, control characters, an email address that is not ASCII."""
    key = await service.create("K3", "ECC_NIST_P256", "X", key_class="ASYMMETRIC_KEY_PAIR")
    with pytest.raises((InvalidRequestError, CertificateError), match=match):
        await service.call(
            "GetCertificateSigningRequest",
            KeyIdentifier=key["KeyArn"],
            SigningAlgorithm="SHA256",
            CertificateSubject=SUBJECT | changes,
        )

"""Roots, intermediates and leaves by their certificates."""

from __future__ import annotations

import base64
import subprocess
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from keyferry.crypto.certificates import CertificateUsage, encode_pem
from keyferry.errors import (
    CertificateChainError,
    CertificateError,
    CertificateStrengthError,
    CertificateValidityError,
    KeyAttributesError,
    KeyferryError,
    MalformedCertificateError,
)
from keyferry.service.errors import InvalidRequestError, ResourceNotFoundError


async def import_root(
    service: Any, tools: Any, certificate: str, algorithm: str = "RSA_4096", **changes: Any
) -> Any:
    attributes = tools.attributes("S0", algorithm, "V", "PUBLIC_KEY") | changes
    return await service.call(
        "ImportKey",
        KeyMaterial={
            "RootCertificatePublicKey": {
                "KeyAttributes": attributes,
                "PublicKeyCertificate": certificate,
            }
        },
    )


async def import_trusted(
    service: Any,
    tools: Any,
    certificate: x509.Certificate,
    authority: str,
    code: str = "K2",
    algorithm: str = "RSA_2048",
    letter: str = "E",
) -> Any:
    return await service.call(
        "ImportKey",
        KeyMaterial={
            "TrustedCertificatePublicKey": {
                "KeyAttributes": tools.attributes(code, algorithm, letter, "PUBLIC_KEY"),
                "PublicKeyCertificate": tools.encode(certificate),
                "CertificateAuthorityPublicKeyIdentifier": authority,
            }
        },
    )


async def test_a_root_becomes_a_public_key(service: Any, tools: Any, rsa_party: Any) -> None:
    """Not exportable, of external origin, with a SHA-1 check value whatever method was sent."""
    answer = await import_root(service, tools, tools.encode(rsa_party.root))
    key = answer["Key"]
    assert key["KeyAttributes"]["KeyClass"] == "PUBLIC_KEY"
    assert key["Exportable"] is False
    assert key["KeyOrigin"] == "EXTERNAL"
    assert key["KeyCheckValueAlgorithm"] == "SHA_1"
    assert len(key["KeyCheckValue"]) == 8


@pytest.mark.parametrize("curve", ["P256", "P384", "P521"])
async def test_curves_may_be_roots(service: Any, tools: Any, ec_keys: Any, curve: str) -> None:
    """CA certificates of all three curves are taken."""
    party = tools.party.new(ec_keys[curve][0])
    await import_root(service, tools, tools.encode(party.root), f"ECC_NIST_{curve}")


async def test_line_ends_and_missing_newlines_do_not_matter(
    service: Any, tools: Any, rsa_party: Any
) -> None:
    """CRLF inside, none at the end, and base64 in lines are all one certificate."""
    pem = encode_pem(rsa_party.root)
    for text in (pem.replace(b"\n", b"\r\n"), pem.rstrip(b"\n")):
        await import_root(service, tools, base64.b64encode(text).decode())
    await import_root(service, tools, base64.encodebytes(pem).decode())


async def test_only_base64_of_one_pem_certificate_is_taken(
    service: Any, tools: Any, rsa_party: Any
) -> None:
    """Bare PEM, base64 of DER, two certificates, keys and noise are refused by member."""
    pem = encode_pem(rsa_party.root)
    der = rsa_party.root.public_bytes(Encoding.DER)
    for text in (
        pem.decode(),
        base64.b64encode(der).decode(),
        base64.b64encode(pem + pem).decode(),
        base64.b64encode(pem[:200]).decode(),
        base64.b64encode(pem.replace(b"CERTIFICATE", b"PUBLIC KEY")).decode(),
        "AAAA",
        "%%%%",
        "é",
    ):
        with pytest.raises(MalformedCertificateError, match=r"^PublicKeyCertificate: "):
            await import_root(service, tools, text)
    assert service.count() == 0


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.soak)])
async def test_every_changed_byte_of_a_root_is_refused(
    service: Any, tools: Any, rsa_party: Any, step: int
) -> None:
    """Any byte turned over fails as documented, never otherwise, and stores nothing."""
    der = rsa_party.root.public_bytes(Encoding.DER)
    for offset in range(0, len(der), step):
        changed = bytearray(der)
        changed[offset] ^= 0x55
        pem = (
            b"-----BEGIN CERTIFICATE-----\n"
            + base64.encodebytes(bytes(changed))
            + b"-----END CERTIFICATE-----\n"
        )
        with pytest.raises(KeyferryError):
            await import_root(service, tools, base64.b64encode(pem).decode())
    assert service.count() == 0


async def test_the_attributes_must_be_those_of_the_certificate(
    service: Any, tools: Any, rsa_party: Any
) -> None:
    """Algorithm, class, usage and modes are checked against the certificate and the table."""
    certificate = tools.encode(rsa_party.root)
    with pytest.raises(InvalidRequestError, match="KeyAlgorithm"):
        await import_root(service, tools, certificate, "RSA_2048")
    with pytest.raises(InvalidRequestError, match="KeyClass"):
        await import_root(service, tools, certificate, KeyClass="ASYMMETRIC_KEY_PAIR")
    with pytest.raises(KeyAttributesError, match="KeyModesOfUse"):
        await import_root(service, tools, certificate, KeyModesOfUse=tools.modes("S"))
    with pytest.raises(InvalidRequestError, match="KeyUsage"):
        await import_root(
            service,
            tools,
            certificate,
            KeyUsage=tools.usages["K2"],
            KeyModesOfUse=tools.modes("E"),
        )
    assert service.count() == 0


async def test_a_root_signs_itself(service: Any, tools: Any, rsa_party: Any, rsa_keys: Any) -> None:
    """A leaf is no root, and neither is an expired or future certificate."""
    leaf = rsa_party.leaf(rsa_keys[4096][1].public_key(), CertificateUsage.DIGITAL_SIGNATURE)
    with pytest.raises(CertificateChainError):
        await import_root(service, tools, tools.encode(leaf))
    expired = tools.party.new(
        rsa_keys[4096][1],
        not_before=tools.now - timedelta(days=9),
        not_after=tools.now - timedelta(seconds=1),
    )
    with pytest.raises(CertificateValidityError):
        await import_root(service, tools, tools.encode(expired.root))
    future = tools.party.new(rsa_keys[4096][1], not_before=tools.now + timedelta(minutes=16))
    with pytest.raises(CertificateValidityError):
        await import_root(service, tools, tools.encode(future.root))
    fast_clock = tools.party.new(rsa_keys[4096][1], not_before=tools.now + timedelta(minutes=14))
    await import_root(service, tools, tools.encode(fast_clock.root))


@pytest.mark.parametrize(
    ("code", "letter", "usage"),
    [
        ("K2", "E", CertificateUsage.KEY_ENCIPHERMENT),
        ("D1", "E", CertificateUsage.KEY_ENCIPHERMENT),
    ],
)
async def test_leaves_come_under_an_imported_authority(
    service: Any,
    tools: Any,
    rsa_party: Any,
    rsa_keys: Any,
    code: str,
    letter: str,
    usage: CertificateUsage,
) -> None:
    """The authority may be named by alias."""
    root = await service.trust(rsa_party)
    await service.call("CreateAlias", AliasName="alias/root", KeyArn=root)
    leaf = rsa_party.leaf(rsa_keys[2048][0].public_key(), usage)
    for authority in (root, "alias/root"):
        await import_trusted(service, tools, leaf, authority, code, "RSA_2048", letter)


async def test_chains_are_imported_one_by_one(
    service: Any, tools: Any, rsa_party: Any, rsa_keys: Any
) -> None:
    """An intermediate under the root, a leaf under the intermediate; a leaf cannot vouch."""
    root = await service.trust(rsa_party)
    middle = rsa_party.intermediate(rsa_keys[3072][0])
    answer = await import_trusted(service, tools, middle.root, root, "S0", "RSA_3072", "V")
    leaf = middle.leaf(rsa_keys[2048][0].public_key(), CertificateUsage.DIGITAL_SIGNATURE)
    await import_trusted(service, tools, leaf, answer["Key"]["KeyArn"])
    with pytest.raises(CertificateChainError):
        await import_trusted(service, tools, leaf, root)
    with pytest.raises(CertificateChainError):
        # CA:FALSE cannot be imported to vouch for others.
        await import_trusted(service, tools, leaf, answer["Key"]["KeyArn"], "S0", "RSA_2048", "V")


async def test_an_issuer_is_at_least_as_strong(
    service: Any, tools: Any, rsa_keys: Any, ec_party: Any
) -> None:
    """RSA_3072 under RSA_2048, and curves under RSA, are refused."""
    weak = tools.party.new(rsa_keys[2048][0], "weak")
    root = await service.trust(weak)
    strong_leaf = weak.leaf(rsa_keys[3072][0].public_key(), CertificateUsage.KEY_ENCIPHERMENT)
    with pytest.raises(CertificateStrengthError):
        await import_trusted(service, tools, strong_leaf, root, "K2", "RSA_3072")
    other_family = weak.leaf(ec_party.root_key.public_key(), CertificateUsage.KEY_AGREEMENT)
    with pytest.raises(CertificateStrengthError):
        await import_trusted(service, tools, other_family, root, "K3", "ECC_NIST_P521", "X")


async def test_the_authority_must_be_a_usable_ca_key(
    service: Any, tools: Any, rsa_party: Any, rsa_keys: Any
) -> None:
    """Another kind of key, a disabled one, an unknown one, and one whose certificate expired."""
    leaf = rsa_party.leaf(
        rsa_keys[2048][0].public_key(),
        CertificateUsage.KEY_ENCIPHERMENT,
        not_after=tools.now + timedelta(days=3000),
    )
    symmetric = (await service.create("P0", "AES_128", "B"))["KeyArn"]
    with pytest.raises(InvalidRequestError, match="CertificateAuthorityPublicKeyIdentifier"):
        await import_trusted(service, tools, leaf, symmetric)
    with pytest.raises(ResourceNotFoundError):
        await import_trusted(service, tools, leaf, "alias/nobody")
    root = await service.trust(rsa_party)
    trusted = (await import_trusted(service, tools, leaf, root))["Key"]["KeyArn"]
    with pytest.raises(InvalidRequestError, match="CertificateAuthorityPublicKeyIdentifier"):
        await import_trusted(service, tools, leaf, trusted)
    await service.call("StopKeyUsage", KeyIdentifier=root)
    with pytest.raises(InvalidRequestError, match="not enabled"):
        await import_trusted(service, tools, leaf, root)
    await service.call("StartKeyUsage", KeyIdentifier=root)
    service.now += timedelta(days=400)
    with pytest.raises(CertificateValidityError, match="issuer"):
        await import_trusted(service, tools, leaf, root)


async def test_another_authority_of_the_same_name_is_told_apart(
    service: Any, tools: Any, rsa_party: Any, rsa_keys: Any
) -> None:
    """The signature decides, not the name."""
    impostor = tools.party.new(rsa_keys[4096][1], "rsa party")
    root = await service.trust(rsa_party)
    leaf = impostor.leaf(rsa_keys[2048][0].public_key(), CertificateUsage.KEY_ENCIPHERMENT)
    with pytest.raises(CertificateChainError):
        await import_trusted(service, tools, leaf, root)


async def test_openssls_certificates_are_taken(service: Any, tools: Any, tmp_path: Any) -> None:
    """A root and an extension-less leaf as OpenSSL makes them, the leaf as HSMs present it."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, cwd=tmp_path, capture_output=True)

    openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
        "-subj", "/CN=openssl root", "-days", "30",
    )  # fmt: skip
    openssl(
        "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "leaf.key", "-out",
        "leaf.csr", "-subj", "/CN=openssl leaf",
    )  # fmt: skip
    openssl(
        "x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "20",
        "-set_serial", "200", "-out", "leaf.pem",
    )  # fmt: skip
    certificate = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    leaf = x509.load_pem_x509_certificate((tmp_path / "leaf.pem").read_bytes())
    service.now = certificate.not_valid_before_utc + timedelta(hours=1)
    answer = await import_root(service, tools, tools.encode(certificate), "RSA_2048")
    await import_trusted(service, tools, leaf, answer["Key"]["KeyArn"])


async def test_sha1_signatures_are_refused(
    service: Any, tools: Any, rsa_keys: Any, rsa_party: Any
) -> None:
    """A certificate signed with SHA-1 vouches for nothing."""
    root = await service.trust(rsa_party)
    leaf = rsa_party.leaf(rsa_keys[2048][0].public_key(), CertificateUsage.KEY_ENCIPHERMENT)
    der = leaf.public_bytes(Encoding.DER)
    sha256_rsa = bytes.fromhex("2A864886F70D01010B")
    sha1_rsa = bytes.fromhex("2A864886F70D010105")
    assert der.count(sha256_rsa) == 2
    changed = x509.load_der_x509_certificate(der.replace(sha256_rsa, sha1_rsa))
    assert isinstance(changed.signature_hash_algorithm, hashes.SHA1)
    with pytest.raises(CertificateError):
        await import_trusted(service, tools, changed, root)

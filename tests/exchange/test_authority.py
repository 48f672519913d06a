"""Certificate authorities: made for the run, from files, and AWS Private CA."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import moto
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from keyferry.crypto.certificates import (
    CertificateUsage,
    create_csr,
    create_root,
    encode_pem,
    issue_authority,
    key_algorithm_name,
    verify_chain,
)
from keyferry.errors import CertificateError, ConfigurationError, ExchangeError
from keyferry.exchange.authority import FileAuthority, LocalAuthority, PrivateCA
from keyferry.exchange.aws import AWSClient, Endpoint
from keyferry.keys import KeyAlgorithm

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TIMES: dict[str, Any] = {
    "not_before": NOW - timedelta(days=1),
    "not_after": NOW + timedelta(days=9),
}


def leaf_key() -> rsa.RSAPrivateKey:
    """A key to be certified."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.RSA_2048, KeyAlgorithm.ECC_NIST_P521])
async def test_a_local_authority_fits_its_leaf(algorithm: KeyAlgorithm) -> None:
    """Root and leaf are of one family and strength, back-dated, and form a chain."""
    authority = LocalAuthority(now=NOW)
    key = leaf_key() if algorithm.is_rsa else ec.generate_private_key(ec.SECP521R1())
    leaf = await authority.issue(
        key.public_key(),
        algorithm=algorithm,
        name="KDH",
        usage=CertificateUsage.DIGITAL_SIGNATURE,
        request=None,
        now=NOW,
    )
    (root,) = await authority.chain(algorithm)
    verify_chain(leaf, [], root, now=NOW)
    verify_chain(leaf, [], root, now=NOW - timedelta(minutes=59))
    assert key_algorithm_name(root.public_key()) == algorithm
    assert leaf.not_valid_after_utc - NOW <= timedelta(days=30)


async def test_one_run_has_one_local_root() -> None:
    """Two leaves asked for at once come from the same root."""
    authority = LocalAuthority(now=NOW)
    chains = await asyncio.gather(*(authority.chain(KeyAlgorithm.ECC_NIST_P256) for _ in range(4)))
    assert len({chain[0].serial_number for chain in chains}) == 1


@pytest.fixture(scope="module")
def ca() -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    """A root and its key."""
    key = leaf_key()
    return key, create_root(key, common_name="File CA", **TIMES)


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., str]:
    """Write PEM files and return their paths."""

    def write(name: str, content: bytes) -> str:
        (tmp_path / name).write_bytes(content)
        return str(tmp_path / name)

    return write


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes = b"") -> bytes:
    """A private key in PEM."""
    protection = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)


async def test_a_root_from_files(ca, files) -> None:
    """Certificate and key from files issue leaves that end no later than their issuer."""
    key, root = ca
    authority = FileAuthority.load(
        files("ca.pem", encode_pem(root)), files("ca.key", pem(key)), "", place="c.json"
    )
    leaf = await authority.issue(
        leaf_key().public_key(),
        algorithm=KeyAlgorithm.RSA_2048,
        name="KDH",
        usage=CertificateUsage.DIGITAL_SIGNATURE,
        request=None,
        now=NOW,
    )
    verify_chain(leaf, [], root, now=NOW)
    assert leaf.not_valid_after_utc == root.not_valid_after_utc
    assert await authority.chain(KeyAlgorithm.RSA_2048) == (root,)


async def test_an_intermediate_from_files_needs_its_chain(ca, files) -> None:
    """The chain leads from the issuer to the root; without it the receiver has no root."""
    root_key, root = ca
    key = leaf_key()
    issuer = issue_authority(
        key.public_key(), subject="Middle CA", issuer=root, issuer_key=root_key, **TIMES
    )
    certificate, key_file = files("ca.pem", encode_pem(issuer)), files("ca.key", pem(key))
    with pytest.raises(ConfigurationError, match="chain_file is needed"):
        FileAuthority.load(certificate, key_file, "", place="c.json")
    authority = FileAuthority.load(
        certificate, key_file, files("chain.pem", encode_pem(root)), place="c.json"
    )
    assert await authority.chain(KeyAlgorithm.RSA_2048) == (issuer, root)


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("missing", "own", "no such file"),
        ("own", "missing", "no such file"),
        ("own", "other", "is not the private key of"),
        ("own", "encrypted", "is not an unencrypted PEM private key"),
        ("own", "garbage", "is not an unencrypted PEM private key"),
        ("garbage", "own", "certificate"),
    ],
)
def test_files_that_do_not_fit(ca, files, certificate: str, key: str, said: str) -> None:
    """Missing, encrypted or foreign files are named; what is in them is not."""
    own, root = ca
    certificates = {"own": encode_pem(root), "garbage": b"garbage"}
    keys = {
        "own": pem(own),
        "other": pem(ec.generate_private_key(ec.SECP256R1())),
        "encrypted": pem(own, b"password"),
        "garbage": b"garbage",
    }
    paths = ["/nonexistent/ca.pem", "/nonexistent/ca.key"]
    if certificate in certificates:
        paths[0] = files("ca.pem", certificates[certificate])
    if key in keys:
        paths[1] = files("ca.key", keys[key])
    with pytest.raises((ConfigurationError, CertificateError)) as caught:
        FileAuthority.load(*paths, "", place="c.json: kdh.local.certificate_authority")
    assert said in str(caught.value)
    assert "garbage" not in str(caught.value)


@pytest.fixture
def private_ca(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The ARN of an AWS Private CA with an active root."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with moto.mock_aws():
        client = boto3.client("acm-pca", region_name="us-east-1")
        arn = client.create_certificate_authority(
            CertificateAuthorityType="ROOT",
            CertificateAuthorityConfiguration={
                "KeyAlgorithm": "RSA_2048",
                "SigningAlgorithm": "SHA256WITHRSA",
                "Subject": {"CommonName": "Private CA"},
            },
        )["CertificateAuthorityArn"]
        csr = client.get_certificate_authority_csr(CertificateAuthorityArn=arn)["Csr"]
        issued = client.issue_certificate(
            CertificateAuthorityArn=arn,
            Csr=csr.encode(),
            SigningAlgorithm="SHA256WITHRSA",
            TemplateArn="arn:aws:acm-pca:::template/RootCACertificate/V1",
            Validity={"Type": "YEARS", "Value": 10},
        )["CertificateArn"]
        certificate = client.get_certificate(CertificateAuthorityArn=arn, CertificateArn=issued)
        client.import_certificate_authority_certificate(
            CertificateAuthorityArn=arn, Certificate=certificate["Certificate"].encode()
        )
        yield arn


def private(arn: str) -> PrivateCA:
    """The authority of an ARN."""
    return PrivateCA(AWSClient("acm-pca", Endpoint(region="us-east-1"), place="c.json"), arn)


async def test_a_private_ca_signs_a_request(private_ca: str) -> None:
    """The CA certifies the key of the request, and its chain leads to its root."""
    authority, key = private(private_ca), leaf_key()

    async def request() -> bytes:
        return encode_pem(create_csr(key, subject="KDH", hash_name="SHA256"))

    leaf = await authority.issue(
        key.public_key(),
        algorithm=KeyAlgorithm.RSA_2048,
        name="KDH",
        usage=CertificateUsage.DIGITAL_SIGNATURE,
        request=request,
        now=NOW,
    )
    (root,) = await authority.chain(KeyAlgorithm.RSA_2048)
    assert leaf.issuer == root.subject
    assert leaf.public_key() == key.public_key()


async def test_a_private_ca_that_certifies_another_key(private_ca: str) -> None:
    """A certificate for another key than ours is not used."""
    key, other = leaf_key(), leaf_key()

    async def request() -> bytes:
        return encode_pem(create_csr(other, subject="KDH", hash_name="SHA256"))

    with pytest.raises(ExchangeError, match="certified another key"):
        await private(private_ca).issue(
            key.public_key(),
            algorithm=KeyAlgorithm.RSA_2048,
            name="KDH",
            usage=CertificateUsage.DIGITAL_SIGNATURE,
            request=request,
            now=NOW,
        )


def test_an_exchange_with_a_private_ca(
    private_ca: str, aws, exchange, tmp_path: Path, region
) -> None:
    """`certificate_authority` names the CA; the key arrives under its signature."""
    (tmp_path / "key").write_text("0123456789ABCDEFFEDCBA9876543210")
    document = {
        "kdh": {
            "local": {
                "key_file": str(tmp_path / "key"),
                "key_usage": "TR31_P0_PIN_ENCRYPTION_KEY",
                "key_algorithm": "TDES_2KEY",
                "certificate_authority": private_ca,
            }
        },
        "krd": {"apc": {"region": "us-east-1"}},
    }
    result = exchange("tr34", "local", document, "--test-key").result
    assert result["key_check_value"] == "08D7B4"


def test_an_exchange_with_an_intermediate_from_files(
    aws, exchange, tmp_path: Path, files, region
) -> None:
    """Root and intermediate are imported one by one, and both are taken away again."""
    now = datetime.now(UTC)
    times = {"not_before": now - timedelta(days=1), "not_after": now + timedelta(days=9)}
    root_key, key = leaf_key(), leaf_key()
    root = create_root(root_key, common_name="File CA", **times)
    issuer = issue_authority(
        key.public_key(), subject="Middle CA", issuer=root, issuer_key=root_key, **times
    )
    document = {
        "kdh": {
            "local": {
                "key_file": files("key", b"0123456789ABCDEFFEDCBA9876543210"),
                "key_usage": "TR31_P0_PIN_ENCRYPTION_KEY",
                "key_algorithm": "TDES_2KEY",
                "certificate_authority": {
                    "certificate_file": files("ca.pem", encode_pem(issuer)),
                    "key_file": files("ca.key", pem(key)),
                    "chain_file": files("chain.pem", encode_pem(root)),
                },
            }
        },
        "krd": {"apc": {"region": "us-east-1"}},
    }
    result = exchange("tr34", "local", document, "--test-key").result
    assert result["key_check_value"] == "08D7B4"
    assert len(result["cleaned_up"]) == 2


def test_a_payshield_key_under_a_private_ca(private_ca: str, aws, exchange, simulator) -> None:
    """The HSM signs the request for its own certificate, so that a Private CA issues it."""
    document = {
        "kdh": {"payshield": {"port": simulator, "certificate_authority": private_ca}},
        "krd": {"apc": {"region": "us-east-1"}},
    }
    result = exchange("tr34", "payshield", document).result
    assert result["key_check_value"] == result["kdh_key_check_value"]

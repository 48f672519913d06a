"""Import and export parameters: certificates, chains, tokens and their reuse."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from keyferry.service.errors import InvalidRequestError
from keyferry.service.store.records import CertificateFamily

IMPORT = "GetParametersForImport"
EXPORT = "GetParametersForExport"


async def parameters(
    service: Any, operation: str, kind: str = "TR34_KEY_BLOCK", size: int = 2048, **members: Any
) -> dict[str, Any]:
    algorithm = "WrappingKeyAlgorithm" if operation == IMPORT else "SigningKeyAlgorithm"
    answer: dict[str, Any] = await service.call(
        operation, KeyMaterialType=kind, **{algorithm: f"RSA_{size}"}, **members
    )
    return answer


@pytest.mark.parametrize(
    ("operation", "kind", "size"),
    [
        (IMPORT, "TR34_KEY_BLOCK", 2048),
        (IMPORT, "TR34_KEY_BLOCK", 3072),
        (IMPORT, "TR34_KEY_BLOCK", 4096),
        (IMPORT, "KEY_CRYPTOGRAM", 2048),
        (IMPORT, "KEY_CRYPTOGRAM", 4096),
        (EXPORT, "TR34_KEY_BLOCK", 2048),
        (EXPORT, "TR34_KEY_BLOCK", 3072),
    ],
)
async def test_certificate_chain_and_token_belong_together(
    exchange: Any, tools: Any, operation: str, kind: str, size: int
) -> None:
    """The leaf holds the asked key, comes from the root of the chain and ends with the token."""
    answer = await parameters(exchange, operation, kind, size)
    prefix, member = ("import", "Wrapping") if operation == IMPORT else ("export", "Signing")
    token = answer[f"{prefix.capitalize()}Token"]
    assert token.startswith(f"{prefix}-token-")
    assert len(token) == len(f"{prefix}-token-") + 16
    assert answer[f"{member}KeyAlgorithm"] == f"RSA_{size}"
    leaf = tools.decode(answer[f"{member}KeyCertificate"])
    root = tools.decode(answer[f"{member}KeyCertificateChain"])
    leaf.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    key = leaf.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == size
    root_key = root.public_key()
    assert isinstance(root_key, rsa.RSAPublicKey)
    assert root_key.key_size == 4096
    for certificate in (leaf, root):
        assert isinstance(certificate.signature_hash_algorithm, hashes.SHA512)
    assert leaf.not_valid_before_utc == exchange.now - timedelta(hours=1)
    assert leaf.not_valid_after_utc.timestamp() == answer["ParametersValidUntilTimestamp"]
    assert leaf.not_valid_after_utc == exchange.now + timedelta(days=30)
    assert root.not_valid_after_utc - exchange.now > timedelta(days=3650)
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_encipherment is (operation == IMPORT)
    assert usage.digital_signature is (operation == EXPORT)
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


@pytest.mark.parametrize("operation", [IMPORT, EXPORT])
async def test_tokens_are_new_unless_reuse_is_asked(exchange: Any, operation: str) -> None:
    """Reuse gives the latest token back as it was, until seven days before its end."""
    first = await parameters(exchange, operation)
    second = await parameters(exchange, operation)
    assert first != second
    exchange.now += timedelta(days=23)
    assert await parameters(exchange, operation, ReuseLastGeneratedToken=True) == second
    exchange.now += timedelta(seconds=1)
    third = await parameters(exchange, operation, ReuseLastGeneratedToken=True)
    assert third not in (first, second)
    assert await parameters(exchange, operation, ReuseLastGeneratedToken=False) != third


async def test_reuse_looks_at_kind_and_algorithm(exchange: Any) -> None:
    """A token of another kind or size is not given out instead."""
    exchange.now += timedelta(days=100)
    tr34 = await parameters(exchange, IMPORT)
    bare = await parameters(exchange, IMPORT, "KEY_CRYPTOGRAM", ReuseLastGeneratedToken=True)
    large = await parameters(exchange, IMPORT, size=3072, ReuseLastGeneratedToken=True)
    assert len({answer["ImportToken"] for answer in (tr34, bare, large)}) == 3


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        (IMPORT, "TR31_KEY_BLOCK"),
        (IMPORT, "ROOT_PUBLIC_KEY_CERTIFICATE"),
        (IMPORT, "TRUSTED_PUBLIC_KEY_CERTIFICATE"),
        (EXPORT, "TR31_KEY_BLOCK"),
        (EXPORT, "KEY_CRYPTOGRAM"),
    ],
)
async def test_material_without_a_token_is_refused(
    exchange: Any, operation: str, kind: str
) -> None:
    """These kinds of material need no parameters."""
    with pytest.raises(InvalidRequestError, match="KeyMaterialType"):
        await parameters(exchange, operation, kind)


@pytest.mark.parametrize("algorithm", ["AES_128", "ECC_NIST_P256", "TDES_2KEY", "HMAC_SHA256"])
async def test_only_rsa_stands_behind_tokens(exchange: Any, algorithm: str) -> None:
    """Symmetric and curve algorithms are refused by name."""
    with pytest.raises(InvalidRequestError, match=algorithm):
        await exchange.call(
            IMPORT, KeyMaterialType="TR34_KEY_BLOCK", WrappingKeyAlgorithm=algorithm
        )
    with pytest.raises(InvalidRequestError, match=algorithm):
        await exchange.call(EXPORT, KeyMaterialType="TR34_KEY_BLOCK", SigningKeyAlgorithm=algorithm)


async def test_a_hundred_first_requests_share_one_root(service: Any, tools: Any) -> None:
    """Concurrent first requests wait for one root, and later ones keep it."""
    answers = await asyncio.gather(*(parameters(service, IMPORT) for _ in range(5)))
    roots = {answer["WrappingKeyCertificateChain"] for answer in answers}
    assert len(roots) == 1
    assert len({answer["ImportToken"] for answer in answers}) == 5
    later = await parameters(service, EXPORT)
    assert {later["SigningKeyCertificateChain"]} == roots


async def test_accounts_and_stores_have_roots_of_their_own(exchange: Any, tools: Any) -> None:
    """Another account in the same Region gets another root, with another name."""
    other = tools.service(account="444455556666", store=exchange.store)
    mine = tools.decode((await parameters(exchange, IMPORT))["WrappingKeyCertificateChain"])
    theirs = tools.decode((await parameters(other, IMPORT))["WrappingKeyCertificateChain"])
    assert mine.subject != theirs.subject
    assert mine.public_key() != theirs.public_key()


async def test_the_services_own_roots_can_be_imported(exchange: Any, tools: Any) -> None:
    """A chain comes back verbatim as a root of RSA_4096, as Region to Region exchanges do."""
    chain = (await parameters(exchange, IMPORT))["WrappingKeyCertificateChain"]
    elsewhere = tools.service(region="us-west-2")
    answer = await elsewhere.call(
        "ImportKey",
        KeyMaterial={
            "RootCertificatePublicKey": {
                "KeyAttributes": tools.attributes("S0", "RSA_4096", "V", "PUBLIC_KEY"),
                "PublicKeyCertificate": chain,
            }
        },
        Tags=[],
        KeyCheckValueAlgorithm="ANSI_X9_24",
    )
    assert answer["Key"]["KeyCheckValueAlgorithm"] == "SHA_1"
    elsewhere.store.close()


async def test_a_new_token_is_written_with_its_call(exchange: Any) -> None:
    """The token of an answer is in the store, sealed; its private key is nowhere in the clear."""
    answer = await parameters(exchange, IMPORT)
    record = exchange.store.token(exchange.account, answer["ImportToken"])
    assert record.valid_until.timestamp() == answer["ParametersValidUntilTimestamp"]
    assert exchange.store.authority(exchange.account, CertificateFamily.RSA) is not None
    assert b"\x02\x01\x00\x30\x0d\x06\x09\x2a\x86" not in record.sealed.ciphertext

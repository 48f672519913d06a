"""Bare keys under RSA-OAEP, both ways."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from keyferry.crypto.certificates import CertificateUsage
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import (
    KBPK,
    Algorithm,
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    ModeOfUse,
)
from keyferry.errors import (
    KeyAttributesError,
    KeyMaterialError,
    KeyStrengthError,
    RSADecryptionError,
)
from keyferry.service.errors import InvalidRequestError
from keyferry.service.rules import Rules

TDES_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
HASHES = {"SHA_256": hashes.SHA256, "SHA_512": hashes.SHA512}


def oaep(name: str) -> padding.OAEP:
    algorithm = HASHES[name]()
    return padding.OAEP(padding.MGF1(algorithm), algorithm, None)


async def offer_of(service: Any, size: int = 2048, kind: str = "KEY_CRYPTOGRAM") -> Any:
    return await service.call(
        "GetParametersForImport", KeyMaterialType=kind, WrappingKeyAlgorithm=f"RSA_{size}"
    )


async def send(service: Any, tools: Any, offer: Any, cryptogram: bytes, **changes: Any) -> Any:
    material = {
        "KeyAttributes": tools.attributes("K0", "TDES_2KEY", "B"),
        "Exportable": True,
        "WrappedKeyCryptogram": cryptogram.hex().upper(),
        "ImportToken": offer["ImportToken"],
    } | changes
    answer = await service.call("ImportKey", KeyMaterial={"KeyCryptogram": material})
    return answer["Key"]


def encrypted(tools: Any, offer: Any, key: bytes, name: str = "SHA_256") -> bytes:
    public_key = tools.decode(offer["WrappingKeyCertificate"]).public_key()
    cryptogram: bytes = public_key.encrypt(key, oaep(name))
    return cryptogram


@pytest.mark.parametrize("spec", [None, "SHA_256", "SHA_512"])
async def test_a_key_arrives_with_the_attributes_of_the_request(
    exchange: Any, tools: Any, spec: str | None
) -> None:
    """SHA-256 is the default; exportable means S."""
    offer = await offer_of(exchange)
    changes = {} if spec is None else {"WrappingSpec": f"RSA_OAEP_{spec}"}
    key = await send(
        exchange, tools, offer, encrypted(tools, offer, TDES_KEY, spec or "SHA_256"), **changes
    )
    assert key["KeyCheckValue"] == "08D7B4"
    assert key["KeyOrigin"] == "EXTERNAL"
    record = exchange.store.key(exchange.account, key["KeyArn"].rpartition("/")[2])
    assert record.exportability is Exportability.SENSITIVE
    closed = await send(exchange, tools, offer, encrypted(tools, offer, TDES_KEY), Exportable=False)
    assert closed["Exportable"] is False


async def test_strength_of_cryptograms(exchange: Any, tools: Any) -> None:
    """AES_128 needs RSA_3072; longer keys and HMAC keys do not come this way."""
    small, large = await offer_of(exchange), await offer_of(exchange, 3072)
    aes = {"KeyAttributes": tools.attributes("P0", "AES_128", "B")}
    await send(exchange, tools, large, encrypted(tools, large, bytes(range(16))), **aes)
    with pytest.raises(KeyStrengthError):
        await send(exchange, tools, small, encrypted(tools, small, bytes(range(16))), **aes)
    for code, algorithm, letter, size in (
        ("P0", "AES_192", "B", 24),
        ("P0", "AES_256", "B", 32),
        ("M7", "HMAC_SHA256", "C", 32),
    ):
        with pytest.raises(KeyStrengthError):
            await send(
                exchange,
                tools,
                large,
                encrypted(tools, large, bytes(range(size))),
                KeyAttributes=tools.attributes(code, algorithm, letter),
            )


async def test_the_key_must_fit_its_attributes(exchange: Any, tools: Any) -> None:
    """Length, degenerate keys, impossible attributes, classes."""
    offer = await offer_of(exchange)
    before = exchange.count()
    for key in (TDES_KEY + bytes(8), TDES_KEY[:8], TDES_KEY[:8] * 2, b"x"):
        with pytest.raises(KeyMaterialError):
            await send(exchange, tools, offer, encrypted(tools, offer, key))
    cryptogram = encrypted(tools, offer, TDES_KEY)
    with pytest.raises(KeyAttributesError):
        await send(
            exchange,
            tools,
            offer,
            cryptogram,
            KeyAttributes=tools.attributes("K0", "TDES_2KEY", "X"),
        )
    for key_class in ("PUBLIC_KEY", "ASYMMETRIC_KEY_PAIR", "PRIVATE_KEY"):
        with pytest.raises(InvalidRequestError, match="KeyClass"):
            await send(
                exchange,
                tools,
                offer,
                cryptogram,
                KeyAttributes=tools.attributes("K0", "TDES_2KEY", "B", key_class),
            )
    assert exchange.count() == before


async def test_cryptograms_that_do_not_open_fail_alike(exchange: Any, tools: Any) -> None:
    """Another pair, another hash, a changed or cut cryptogram: one error."""
    offer, other = await offer_of(exchange), await offer_of(exchange)
    good = encrypted(tools, offer, TDES_KEY)
    texts = set()
    for cryptogram in (
        encrypted(tools, other, TDES_KEY),
        encrypted(tools, offer, TDES_KEY, "SHA_512"),
        good[:-1] + bytes([good[-1] ^ 1]),
        good[1:],
        good + b"\0",
        bytes(256),
        b"\xff" * 256,
        bytes(8),
    ):
        with pytest.raises(RSADecryptionError) as refusal:
            await send(exchange, tools, offer, cryptogram)
        texts.add(str(refusal.value))
    with pytest.raises(RSADecryptionError):
        await send(exchange, tools, offer, good, WrappedKeyCryptogram=good.hex().upper()[:-1])
    assert len(texts) == 1


async def test_tokens_of_another_kind_open_nothing(exchange: Any, tools: Any) -> None:
    """A TR-34 token, an empty one."""
    offer = await offer_of(exchange, kind="TR34_KEY_BLOCK")
    cryptogram = encrypted(tools, offer, TDES_KEY)
    with pytest.raises(InvalidRequestError, match="TR34_KEY_BLOCK"):
        await send(exchange, tools, offer, cryptogram)
    with pytest.raises(InvalidRequestError, match="unknown token"):
        await send(exchange, tools, offer, cryptogram, ImportToken="")


async def export(service: Any, tools: Any, key: str, ca: str, leaf: Any, **members: Any) -> Any:
    extra = members.pop("attributes", {})
    answer = await service.call(
        "ExportKey",
        ExportKeyIdentifier=key,
        KeyMaterial={
            "KeyCryptogram": {
                "CertificateAuthorityPublicKeyIdentifier": ca,
                "WrappingKeyCertificate": tools.encode(leaf),
                **members,
            }
        },
        **extra,
    )
    return answer["WrappedKey"]


@pytest.mark.parametrize("name", [None, "SHA_256", "SHA_512"])
async def test_a_receiver_opens_our_cryptogram(
    service: Any, tools: Any, rsa_party: Any, rsa_keys: Any, name: str | None
) -> None:
    """Upper-case hex of the modulus length; the answer names the CA key."""
    ca = await service.trust(rsa_party)
    private_key = rsa_keys[2048][0]
    leaf = rsa_party.leaf(private_key.public_key(), CertificateUsage.KEY_ENCIPHERMENT)
    key = await service.create("P0", "TDES_3KEY", "B")
    members = {} if name is None else {"WrappingSpec": f"RSA_OAEP_{name}"}
    wrapped = await export(service, tools, key["KeyArn"], ca, leaf, **members)
    assert wrapped["WrappedKeyMaterialFormat"] == "KEY_CRYPTOGRAM"
    assert wrapped["WrappingKeyArn"] == ca
    assert wrapped["KeyCheckValue"] == key["KeyCheckValue"]
    assert len(wrapped["KeyMaterial"]) == 512
    assert wrapped["KeyMaterial"] == wrapped["KeyMaterial"].upper()
    clear = private_key.decrypt(bytes.fromhex(wrapped["KeyMaterial"]), oaep(name or "SHA_256"))
    assert clear == service.material(key["KeyArn"])


async def test_an_initial_key_leaves_bare(
    service: Any, tools: Any, rsa_party: Any, rsa_keys: Any
) -> None:
    """The cryptogram holds the initial key, not the BDK."""
    ca = await service.trust(rsa_party)
    leaf = rsa_party.leaf(rsa_keys[2048][0].public_key(), CertificateUsage.KEY_ENCIPHERMENT)
    bdk = (await service.create("B0", "TDES_2KEY", "X"))["KeyArn"]
    initial = {"ExportDukptInitialKey": {"KeySerialNumber": "FFFF9876543210E00000"}}
    wrapped = await export(service, tools, bdk, ca, leaf, attributes={"ExportAttributes": initial})
    clear = rsa_keys[2048][0].decrypt(bytes.fromhex(wrapped["KeyMaterial"]), oaep("SHA_256"))
    assert len(clear) == 16
    assert clear != service.material(bdk)


async def test_strength_of_exported_cryptograms(
    service: Any, tools: Any, rsa_party: Any, rsa_keys: Any, ec_party: Any
) -> None:
    """AES_128 from RSA_3072 up, nothing longer, never under a curve."""
    ca = await service.trust(rsa_party)
    small, large = (
        rsa_party.leaf(rsa_keys[size][0].public_key(), CertificateUsage.KEY_ENCIPHERMENT)
        for size in (2048, 3072)
    )
    aes = (await service.create("P0", "AES_128", "B"))["KeyArn"]
    await export(service, tools, aes, ca, large)
    with pytest.raises(KeyStrengthError):
        await export(service, tools, aes, ca, small)
    longer = (await service.create("P0", "AES_256", "B"))["KeyArn"]
    with pytest.raises(KeyStrengthError):
        await export(service, tools, longer, ca, large)
    curve_ca = await service.trust(ec_party)
    curve = ec_party.leaf(ec_party.root_key.public_key(), CertificateUsage.KEY_AGREEMENT)
    with pytest.raises(InvalidRequestError, match="RSA"):
        await export(service, tools, aes, curve_ca, curve)


async def test_a_key_that_came_for_key_blocks_only_stays_in_them(
    service: Any, tools: Any, rsa_party: Any, rsa_keys: Any
) -> None:
    """The letter E forbids a cryptogram, which would lose it; S allows it."""
    ca = await service.trust(rsa_party)
    leaf = rsa_party.leaf(rsa_keys[2048][0].public_key(), CertificateUsage.KEY_ENCIPHERMENT)
    kek = (await service.create("K1", "AES_128", "B"))["KeyArn"]
    kbpk = KBPK(Cipher.AES, service.material(kek))
    arns = {}
    for letter in "ES":
        header = KeyBlockHeader(
            version=BlockVersion.D,
            usage="P0",
            algorithm=Algorithm.TDES,
            mode=ModeOfUse.BOTH_DIRECTIONS,
            exportability=Exportability(letter),
        )
        answer = await service.call(
            "ImportKey",
            KeyMaterial={
                "Tr31KeyBlock": {
                    "WrappingKeyIdentifier": kek,
                    "WrappedKeyBlock": kbpk.wrap(header, TDES_KEY),
                }
            },
        )
        arns[letter] = answer["Key"]["KeyArn"]
    await export(service, tools, arns["S"], ca, leaf)
    with pytest.raises(InvalidRequestError, match="key blocks only"):
        await export(service, tools, arns["E"], ca, leaf)
    service.rules = Rules(cryptograms_of_key_block_keys=True)
    await export(service, tools, arns["E"], ca, leaf)

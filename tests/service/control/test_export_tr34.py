"""TR-34 tokens from us, opened by a receiver, and Region to Region."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any

import pytest

from keyferry.crypto.certificates import CertificateUsage
from keyferry.crypto.tr34 import ContentCipher, Layout, OpenedToken, open_token, parse_token
from keyferry.errors import (
    CertificateChainError,
    CertificateValidityError,
    KeyStrengthError,
)
from keyferry.service.errors import InvalidRequestError

NONCE = "ABCDABCDABCDABCD"


class Receiver:
    """A key receiving device whose CA is imported into the service."""

    def __init__(self, service: Any, tools: Any, party: Any, key: Any, authority: str) -> None:
        self.service = service
        self.tools = tools
        self.party = party
        self.key = key
        self.authority = authority
        self.certificate = party.leaf(key.public_key(), CertificateUsage.KEY_ENCIPHERMENT)

    async def parameters(self, size: int = 2048) -> Any:
        return await self.service.call(
            "GetParametersForExport",
            KeyMaterialType="TR34_KEY_BLOCK",
            SigningKeyAlgorithm=f"RSA_{size}",
        )

    async def fetch(self, key: str, attributes: Any = None, **members: Any) -> Any:
        asked = {
            "CertificateAuthorityPublicKeyIdentifier": self.authority,
            "WrappingKeyCertificate": self.tools.encode(self.certificate),
            "KeyBlockFormat": "X9_TR34_2012",
            "RandomNonce": NONCE,
        } | members
        asked = {name: value for name, value in asked.items() if value is not None}
        extra = {} if attributes is None else {"ExportAttributes": attributes}
        answer = await self.service.call(
            "ExportKey", ExportKeyIdentifier=key, KeyMaterial={"Tr34KeyBlock": asked}, **extra
        )
        return answer["WrappedKey"]

    def open(self, material: str, signer: str, nonce: str | None = NONCE) -> OpenedToken:
        assert material == material.upper()
        return open_token(
            bytes.fromhex(material),
            kdh_certificate=self.tools.decode(signer),
            krd_certificate=self.certificate,
            krd_private_key=self.key,
            nonce=None if nonce is None else bytes.fromhex(nonce),
            layouts=frozenset({Layout.AWS}),
        )


@pytest.fixture
async def receiver(exchange: Any, tools: Any, rsa_party: Any, rsa_keys: Any) -> Receiver:
    authority = await exchange.trust(rsa_party)
    return Receiver(exchange, tools, rsa_party, rsa_keys[2048][0], authority)


@pytest.mark.parametrize("algorithm", ["TDES_2KEY", "TDES_3KEY"])
@pytest.mark.parametrize("size", [2048, 3072])
async def test_a_receiver_opens_our_token(receiver: Receiver, algorithm: str, size: int) -> None:
    """Layout aws, the nonce, a formal header; the answer names the CA key and the check value."""
    key = await receiver.service.create("D0", algorithm, "B")
    offer = await receiver.parameters(size)
    wrapped = await receiver.fetch(key["KeyArn"], ExportToken=offer["ExportToken"])
    assert wrapped["WrappedKeyMaterialFormat"] == "TR34_KEY_BLOCK"
    assert wrapped["WrappingKeyArn"] == receiver.authority
    assert wrapped["KeyCheckValue"] == key["KeyCheckValue"]
    opened = receiver.open(wrapped["KeyMaterial"], offer["SigningKeyCertificate"])
    assert opened.key == receiver.service.material(key["KeyArn"])
    assert opened.header == "D9999D0TB00S0000"
    assert opened.content_cipher is ContentCipher.TDES
    assert opened.nonce == bytes.fromhex(NONCE)


async def test_attributes_stand_in_the_order_clients_walk(receiver: Receiver) -> None:
    """contentType, randomNonce, id-data, messageDigest, whatever the length of the nonce."""
    key = (await receiver.service.create("K0", "TDES_2KEY", "B"))["KeyArn"]
    offer = await receiver.parameters()
    for nonce in (NONCE, NONCE * 2):
        wrapped = await receiver.fetch(key, ExportToken=offer["ExportToken"], RandomNonce=nonce)
        encoded = parse_token(bytes.fromhex(wrapped["KeyMaterial"])).attributes.encoded
        places = [
            encoded.index(bytes.fromhex(oid))
            for oid in (
                "06092A864886F70D010903",
                "060A2A864886F70D01091903",
                "06092A864886F70D010701",
                "06092A864886F70D010904",
            )
        ]
        assert places == sorted(places)


async def test_without_a_nonce_a_token_is_one_pass(receiver: Receiver) -> None:
    """The signing time stands in its place."""
    key = (await receiver.service.create("K0", "TDES_2KEY", "B"))["KeyArn"]
    offer = await receiver.parameters()
    wrapped = await receiver.fetch(key, ExportToken=offer["ExportToken"], RandomNonce=None)
    opened = receiver.open(wrapped["KeyMaterial"], offer["SigningKeyCertificate"], nonce=None)
    assert opened.nonce is None
    assert opened.signing_time == receiver.service.now


async def test_aes_keys_leave_under_aes_and_a_strong_receiver(
    receiver: Receiver, rsa_keys: Any
) -> None:
    """AES_128 needs RSA_3072 at the receiver; AES_256 and HMAC keys do not leave by TR-34."""
    key = (await receiver.service.create("P0", "AES_128", "B"))["KeyArn"]
    offer = await receiver.parameters()
    token = {"ExportToken": offer["ExportToken"]}
    with pytest.raises(KeyStrengthError):
        await receiver.fetch(key, **token)
    strong = Receiver(
        receiver.service, receiver.tools, receiver.party, rsa_keys[3072][0], receiver.authority
    )
    wrapped = await strong.fetch(key, **token)
    opened = strong.open(wrapped["KeyMaterial"], offer["SigningKeyCertificate"])
    assert opened.content_cipher is ContentCipher.AES128
    for code, algorithm, letter in (("P0", "AES_256", "B"), ("M7", "HMAC_SHA256", "C")):
        other = (await receiver.service.create(code, algorithm, letter))["KeyArn"]
        with pytest.raises(KeyStrengthError):
            await strong.fetch(other, **token)


async def test_the_header_can_be_narrowed(receiver: Receiver, tools: Any) -> None:
    """Overrides are signed with the token."""
    key = (await receiver.service.create("K0", "TDES_2KEY", "B"))["KeyArn"]
    offer = await receiver.parameters()
    wrapped = await receiver.fetch(
        key,
        ExportToken=offer["ExportToken"],
        KeyBlockHeaders={
            "KeyModesOfUse": tools.modes("E"),
            "KeyExportability": "NON_EXPORTABLE",
            "KeyVersion": "01",
            "OptionalBlocks": {"LB": "label"},
        },
    )
    opened = receiver.open(wrapped["KeyMaterial"], offer["SigningKeyCertificate"])
    assert opened.header.startswith("D9999K0TE01N0200LB09label")


async def test_an_initial_key_leaves_by_tr34(receiver: Receiver) -> None:
    """Usage B1, mode X."""
    bdk = (await receiver.service.create("B0", "TDES_2KEY", "X"))["KeyArn"]
    offer = await receiver.parameters()
    wrapped = await receiver.fetch(
        bdk,
        {"ExportDukptInitialKey": {"KeySerialNumber": "FFFF9876543210E00000"}},
        ExportToken=offer["ExportToken"],
    )
    opened = receiver.open(wrapped["KeyMaterial"], offer["SigningKeyCertificate"])
    assert opened.header == "D9999B1TX00S0000"
    assert opened.key != receiver.service.material(bdk)


async def test_the_receiver_must_be_trusted_now(
    receiver: Receiver, tools: Any, rsa_keys: Any, ec_keys: Any
) -> None:
    """Another CA, an expired certificate, a curve."""
    key = (await receiver.service.create("K0", "TDES_2KEY", "B"))["KeyArn"]
    offer = await receiver.parameters()
    token = {"ExportToken": offer["ExportToken"]}
    stranger = tools.party.new(rsa_keys[4096][1], "stranger")
    foreign = stranger.leaf(receiver.key.public_key(), CertificateUsage.KEY_ENCIPHERMENT)
    with pytest.raises(CertificateChainError):
        await receiver.fetch(key, WrappingKeyCertificate=tools.encode(foreign), **token)
    expired = receiver.party.leaf(
        receiver.key.public_key(),
        CertificateUsage.KEY_ENCIPHERMENT,
        not_after=tools.now - timedelta(seconds=1),
    )
    with pytest.raises(CertificateValidityError):
        await receiver.fetch(key, WrappingKeyCertificate=tools.encode(expired), **token)


async def test_export_tokens_are_checked(receiver: Receiver) -> None:
    """Unknown, an import token, expired."""
    key = (await receiver.service.create("K0", "TDES_2KEY", "B"))["KeyArn"]
    offer = await receiver.parameters()
    with pytest.raises(InvalidRequestError, match="unknown token"):
        await receiver.fetch(key, ExportToken="export-token-aaaaaaaaaaaaaaaa")
    receiver.service.now += timedelta(days=30)
    with pytest.raises(InvalidRequestError, match="expired"):
        await receiver.fetch(key, ExportToken=offer["ExportToken"])


async def own_signer(receiver: Receiver, code: str = "S0", letter: str = "S") -> dict[str, str]:
    pair = await receiver.service.create(code, "RSA_2048", letter, key_class="ASYMMETRIC_KEY_PAIR")
    issued = await receiver.service.call("GetPublicKeyCertificate", KeyIdentifier=pair["KeyArn"])
    public_key = receiver.tools.decode(issued["KeyCertificate"]).public_key()
    certificate = receiver.party.leaf(public_key, CertificateUsage.DIGITAL_SIGNATURE)
    return {
        "SigningKeyIdentifier": pair["KeyArn"],
        "SigningKeyCertificate": receiver.tools.encode(certificate),
    }


async def test_a_pair_of_ours_may_sign(receiver: Receiver) -> None:
    """Instead of a token: an S0 pair and a certificate the caller brings."""
    key = (await receiver.service.create("K0", "TDES_2KEY", "B"))["KeyArn"]
    signer = await own_signer(receiver)
    wrapped = await receiver.fetch(key, **signer)
    opened = receiver.open(wrapped["KeyMaterial"], signer["SigningKeyCertificate"])
    assert opened.key == receiver.service.material(key)


@pytest.mark.parametrize(("code", "letter"), [("S0", "V"), ("K2", "B")])
async def test_the_pair_must_sign(receiver: Receiver, code: str, letter: str) -> None:
    """Usage S0 with the mode Sign."""
    key = (await receiver.service.create("K0", "TDES_2KEY", "B"))["KeyArn"]
    with pytest.raises(InvalidRequestError, match="SigningKeyIdentifier"):
        await receiver.fetch(key, **await own_signer(receiver, code, letter))


async def test_signer_and_certificate_belong_together(receiver: Receiver) -> None:
    """Another pair's certificate; both ways at once; half a way."""
    key = (await receiver.service.create("K0", "TDES_2KEY", "B"))["KeyArn"]
    one, two = await own_signer(receiver), await own_signer(receiver)
    with pytest.raises(InvalidRequestError, match="does not hold the public key"):
        await receiver.fetch(key, **one | {"SigningKeyIdentifier": two["SigningKeyIdentifier"]})
    offer = await receiver.parameters()
    token = {"ExportToken": offer["ExportToken"]}
    for members in ({}, {"ExportToken": ""}, one | token, dict([next(iter(one.items()))])):
        with pytest.raises(InvalidRequestError, match="either"):
            await receiver.fetch(key, **members)


@pytest.mark.parametrize("nonce", [None, NONCE])
async def test_region_to_region(exchange: Any, tools: Any, nonce: str | None) -> None:
    """Roots both ways, one token, the same key with the same check value in the other Region."""
    west = tools.service(region="us-west-2")
    with contextlib.closing(west.store):
        into = await west.call(
            "GetParametersForImport",
            KeyMaterialType="TR34_KEY_BLOCK",
            WrappingKeyAlgorithm="RSA_3072",
        )
        out = await exchange.call(
            "GetParametersForExport",
            KeyMaterialType="TR34_KEY_BLOCK",
            SigningKeyAlgorithm="RSA_2048",
        )

        async def trust(service: Any, chain: str) -> str:
            answer = await service.call(
                "ImportKey",
                KeyMaterial={
                    "RootCertificatePublicKey": {
                        "KeyAttributes": tools.attributes("S0", "RSA_4096", "V", "PUBLIC_KEY"),
                        "PublicKeyCertificate": chain,
                    }
                },
            )
            arn: str = answer["Key"]["KeyArn"]
            return arn

        key = await exchange.create("K1", "AES_128", "B")
        shared = {"KeyBlockFormat": "X9_TR34_2012"} | ({"RandomNonce": nonce} if nonce else {})
        exported = await exchange.call(
            "ExportKey",
            ExportKeyIdentifier=key["KeyArn"],
            KeyMaterial={
                "Tr34KeyBlock": {
                    "CertificateAuthorityPublicKeyIdentifier": await trust(
                        exchange, into["WrappingKeyCertificateChain"]
                    ),
                    "WrappingKeyCertificate": into["WrappingKeyCertificate"],
                    "ExportToken": out["ExportToken"],
                    **shared,
                }
            },
        )
        imported = await west.call(
            "ImportKey",
            KeyMaterial={
                "Tr34KeyBlock": {
                    "CertificateAuthorityPublicKeyIdentifier": await trust(
                        west, out["SigningKeyCertificateChain"]
                    ),
                    "SigningKeyCertificate": out["SigningKeyCertificate"],
                    "ImportToken": into["ImportToken"],
                    "WrappedKeyBlock": exported["WrappedKey"]["KeyMaterial"],
                    **shared,
                }
            },
        )
        assert imported["Key"]["KeyCheckValue"] == key["KeyCheckValue"]
        assert imported["Key"]["KeyAttributes"] == key["KeyAttributes"]
        assert west.material(imported["Key"]["KeyArn"]) == exchange.material(key["KeyArn"])

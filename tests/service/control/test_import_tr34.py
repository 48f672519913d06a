"""TR-34 tokens addressed to us, by import token and by a pair of our own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from keyferry.crypto.certificates import CertificateUsage
from keyferry.crypto.tr34 import ContentCipher, Layout, build_token
from keyferry.errors import (
    CertificateChainError,
    CertificateValidityError,
    KeyAttributesError,
    KeyferryError,
    KeyStrengthError,
    MalformedTokenError,
    TokenNonceError,
    TokenRecipientError,
    TokenSignatureError,
)
from keyferry.service.errors import InvalidRequestError
from keyferry.service.rules import Rules

TDES_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
NONCE = bytes.fromhex("ABCDABCDABCDABCD")


class Host:
    """A key distribution host with its CA imported into the service."""

    def __init__(self, service: Any, tools: Any, party: Any, key: Any, authority: str) -> None:
        self.service = service
        self.tools = tools
        self.party = party
        self.key = key
        self.authority = authority
        self.certificate = party.leaf(key.public_key(), CertificateUsage.DIGITAL_SIGNATURE)

    async def parameters(self, size: int = 2048, kind: str = "TR34_KEY_BLOCK") -> Any:
        return await self.service.call(
            "GetParametersForImport",
            KeyMaterialType=kind,
            WrappingKeyAlgorithm=f"RSA_{size}",
        )

    def token(
        self,
        certificate: str,
        *,
        key: bytes = TDES_KEY,
        header: str = "D9999P0TB00E0000",
        nonce: bytes | None = NONCE,
        cipher: ContentCipher = ContentCipher.TDES,
        layout: Layout = Layout.AWS,
    ) -> str:
        return (
            build_token(
                key=key,
                header=header,
                kdh_certificate=self.certificate,
                kdh_private_key=self.key,
                krd_certificate=self.tools.decode(certificate),
                nonce=nonce,
                signing_time=None if nonce is not None else self.service.now,
                content_cipher=cipher,
                layout=layout,
            )
            .hex()
            .upper()
        )

    async def send(self, block: str, **members: Any) -> Any:
        sent = {
            "CertificateAuthorityPublicKeyIdentifier": self.authority,
            "SigningKeyCertificate": self.tools.encode(self.certificate),
            "WrappedKeyBlock": block,
            "KeyBlockFormat": "X9_TR34_2012",
            "RandomNonce": NONCE.hex(),
        } | members
        sent = {name: value for name, value in sent.items() if value is not None}
        answer = await self.service.call("ImportKey", KeyMaterial={"Tr34KeyBlock": sent})
        return answer["Key"]


@pytest.fixture
async def host(exchange: Any, tools: Any, rsa_party: Any, rsa_keys: Any) -> Host:
    authority = await exchange.trust(rsa_party)
    return Host(exchange, tools, rsa_party, rsa_keys[2048][0], authority)


@pytest.mark.parametrize("size", [2048, 3072, 4096])
async def test_a_key_arrives_by_token(host: Host, size: int) -> None:
    """Attributes from the signed header, whose version and length mean nothing."""
    offer = await host.parameters(size)
    block = host.token(offer["WrappingKeyCertificate"], header="B9999K1TB05E0000")
    key = await host.send(block, ImportToken=offer["ImportToken"])
    assert key["KeyAttributes"]["KeyUsage"] == "TR31_K1_KEY_BLOCK_PROTECTION_KEY"
    assert key["KeyAttributes"]["KeyAlgorithm"] == "TDES_2KEY"
    assert key["KeyCheckValue"] == "08D7B4"
    assert key["KeyOrigin"] == "EXTERNAL"
    assert key["Exportable"] is True
    assert host.service.material(key["KeyArn"]) == TDES_KEY


async def test_a_token_serves_several_imports(host: Host) -> None:
    """Import tokens are multi-use; the nonce may be written in either case."""
    offer = await host.parameters()
    for nonce in (NONCE.hex().upper(), NONCE.hex()):
        block = host.token(offer["WrappingKeyCertificate"])
        await host.send(block, ImportToken=offer["ImportToken"], RandomNonce=nonce)


@pytest.mark.parametrize("nonce", [None, bytes(range(8)), bytes(range(16))])
async def test_one_pass_and_two_pass(host: Host, nonce: bytes | None) -> None:
    """Without a nonce on either side a token is one-pass; 8 to 16 bytes otherwise."""
    offer = await host.parameters()
    block = host.token(offer["WrappingKeyCertificate"], nonce=nonce)
    await host.send(
        block,
        ImportToken=offer["ImportToken"],
        RandomNonce=None if nonce is None else nonce.hex(),
    )


@pytest.mark.parametrize(
    ("sent", "told"), [(NONCE, None), (None, NONCE), (NONCE, bytes(8)), (NONCE, NONCE + bytes(8))]
)
async def test_nonces_must_agree(host: Host, sent: bytes | None, told: bytes | None) -> None:
    """Missing on one side, or another one."""
    offer = await host.parameters()
    before = host.service.count()
    with pytest.raises(TokenNonceError):
        await host.send(
            host.token(offer["WrappingKeyCertificate"], nonce=sent),
            ImportToken=offer["ImportToken"],
            RandomNonce=None if told is None else told.hex(),
        )
    assert host.service.count() == before


async def test_an_aes_key_needs_a_strong_pair_and_envelope(host: Host) -> None:
    """RSA_3072 and aes128-cbc for AES_128; AES_256 does not travel by TR-34."""
    aes = {"header": "D9999P0AB00E0000", "cipher": ContentCipher.AES128}
    large = await host.parameters(3072)
    block = host.token(large["WrappingKeyCertificate"], key=bytes(range(16)), **aes)
    key = await host.send(block, ImportToken=large["ImportToken"])
    assert key["KeyAttributes"]["KeyAlgorithm"] == "AES_128"
    small = await host.parameters(2048)
    block = host.token(small["WrappingKeyCertificate"], key=bytes(range(16)), **aes)
    with pytest.raises(KeyStrengthError):
        await host.send(block, ImportToken=small["ImportToken"])
    block = host.token(large["WrappingKeyCertificate"], key=bytes(range(32)), **aes)
    with pytest.raises(KeyStrengthError):
        await host.send(block, ImportToken=large["ImportToken"])


async def test_a_tdes_key_may_come_under_aes(host: Host) -> None:
    """The content cipher may be stronger than the key."""
    offer = await host.parameters()
    block = host.token(offer["WrappingKeyCertificate"], cipher=ContentCipher.AES128)
    await host.send(block, ImportToken=offer["ImportToken"])


@pytest.mark.parametrize("layout", [Layout.PRINTED, Layout.ERRATA, Layout.CMS])
async def test_only_the_clients_layout_is_taken(host: Host, layout: Layout) -> None:
    """The library reads the others, the API does not, unless its owner says so."""
    offer = await host.parameters()
    block = host.token(offer["WrappingKeyCertificate"], layout=layout)
    with pytest.raises(MalformedTokenError, match="layout"):
        await host.send(block, ImportToken=offer["ImportToken"])
    host.service.rules = Rules(tr34_layouts=frozenset({Layout.AWS, layout}))
    key = await host.send(block, ImportToken=offer["ImportToken"])
    assert host.service.material(key["KeyArn"]) == TDES_KEY


async def test_a_token_for_another_pair_is_refused(host: Host) -> None:
    """The recipient named in a token is the pair behind the import token."""
    one, two = await host.parameters(), await host.parameters()
    block = host.token(one["WrappingKeyCertificate"])
    with pytest.raises(TokenRecipientError):
        await host.send(block, ImportToken=two["ImportToken"])


async def test_the_signer_must_be_the_certificate_and_trusted(
    host: Host, tools: Any, rsa_keys: Any
) -> None:
    """Another certificate, another CA, an expired certificate."""
    offer = await host.parameters()
    block = host.token(offer["WrappingKeyCertificate"])
    token = {"ImportToken": offer["ImportToken"]}
    other = host.party.leaf(rsa_keys[2048][1].public_key(), CertificateUsage.DIGITAL_SIGNATURE)
    with pytest.raises(TokenSignatureError):
        await host.send(block, SigningKeyCertificate=tools.encode(other), **token)
    stranger = tools.party.new(rsa_keys[4096][1], "stranger")
    foreign = stranger.leaf(host.key.public_key(), CertificateUsage.DIGITAL_SIGNATURE)
    with pytest.raises(CertificateChainError):
        await host.send(block, SigningKeyCertificate=tools.encode(foreign), **token)
    expired = host.party.leaf(
        host.key.public_key(),
        CertificateUsage.DIGITAL_SIGNATURE,
        not_after=tools.now - timedelta(seconds=1),
    )
    with pytest.raises(CertificateValidityError):
        await host.send(block, SigningKeyCertificate=tools.encode(expired), **token)


async def test_tokens_expire_and_have_a_kind(host: Host, tools: Any) -> None:
    """Unknown, of another account, of another kind, or older than 30 days."""
    offer = await host.parameters()
    block = host.token(offer["WrappingKeyCertificate"])
    bare = await host.parameters(kind="KEY_CRYPTOGRAM")
    export = await host.service.call(
        "GetParametersForExport", KeyMaterialType="TR34_KEY_BLOCK", SigningKeyAlgorithm="RSA_2048"
    )
    with pytest.raises(InvalidRequestError, match="unknown token"):
        await host.send(block, ImportToken="import-token-aaaaaaaaaaaaaaaa")
    with pytest.raises(InvalidRequestError, match="KEY_CRYPTOGRAM"):
        await host.send(block, ImportToken=bare["ImportToken"])
    with pytest.raises(InvalidRequestError):
        await host.send(block, ImportToken=export["ExportToken"])
    other = tools.service(account="444455556666", store=host.service.store)
    stranger = Host(other, tools, host.party, host.key, await other.trust(host.party))
    with pytest.raises(InvalidRequestError, match="unknown token"):
        await stranger.send(block, ImportToken=offer["ImportToken"])
    host.service.now += timedelta(days=30) - timedelta(seconds=1)
    host.certificate = host.party.leaf(
        host.key.public_key(),
        CertificateUsage.DIGITAL_SIGNATURE,
        not_after=tools.now + timedelta(days=60),
    )
    late = host.token(offer["WrappingKeyCertificate"])
    await host.send(late, ImportToken=offer["ImportToken"])
    host.service.now += timedelta(seconds=1)
    with pytest.raises(InvalidRequestError, match="expired"):
        await host.send(late, ImportToken=offer["ImportToken"])


@pytest.mark.parametrize(
    ("header", "key", "error"),
    [
        ("D9999B1TX00E0000", TDES_KEY, KeyAttributesError),
        ("D9999P0TX00E0000", TDES_KEY, KeyAttributesError),
        ("D9999S0TS00E0000", TDES_KEY, KeyAttributesError),
        ("D9999P0TB00E0010", TDES_KEY, InvalidRequestError),
    ],
)
async def test_headers_must_make_a_key(
    host: Host, header: str, key: bytes, error: type[Exception]
) -> None:
    """The same rules as for key blocks, after everything verified."""
    offer = await host.parameters()
    block = host.token(offer["WrappingKeyCertificate"], header=header, key=key)
    with pytest.raises(error):
        await host.send(block, ImportToken=offer["ImportToken"])


async def test_an_odd_number_of_digits_is_no_token(host: Host) -> None:
    """Half a byte is refused as malformed."""
    offer = await host.parameters()
    block = host.token(offer["WrappingKeyCertificate"])
    with pytest.raises(MalformedTokenError):
        await host.send(block[:-1], ImportToken=offer["ImportToken"])
    with pytest.raises(InvalidRequestError):
        await host.send(block.lower(), ImportToken=offer["ImportToken"])


@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.soak)])
async def test_every_changed_byte_is_refused(host: Host, step: int) -> None:
    """Bytes of a token turned over, one after the other: documented errors, nothing stored."""
    offer = await host.parameters()
    token = bytes.fromhex(host.token(offer["WrappingKeyCertificate"]))
    before = host.service.count()
    for offset in range(0, len(token), step):
        changed = token[:offset] + bytes([token[offset] ^ 0x41]) + token[offset + 1 :]
        with pytest.raises(KeyferryError):
            await host.send(changed.hex().upper(), ImportToken=offer["ImportToken"])
    assert host.service.count() == before


class OwnPair:
    """A K2 pair of the service and a certificate the caller's own CA issued for it."""

    def __init__(self, arn: str, certificate: str) -> None:
        self.members = {"WrappingKeyIdentifier": arn, "WrappingKeyCertificate": certificate}
        self.arn = arn
        self.certificate = certificate


async def own_pair(host: Host, code: str = "K2", letter: str = "D", **validity: Any) -> OwnPair:
    pair = await host.service.create(code, "RSA_2048", letter, key_class="ASYMMETRIC_KEY_PAIR")
    issued = await host.service.call("GetPublicKeyCertificate", KeyIdentifier=pair["KeyArn"])
    public_key = host.tools.decode(issued["KeyCertificate"]).public_key()
    certificate = host.party.leaf(public_key, CertificateUsage.KEY_ENCIPHERMENT, **validity)
    return OwnPair(pair["KeyArn"], host.tools.encode(certificate))


async def test_a_key_arrives_at_a_pair_of_ours(host: Host) -> None:
    """Instead of a token: a K2 pair that unwraps, and a certificate brought at run time."""
    pair = await own_pair(host)
    key = await host.send(host.token(pair.certificate), **pair.members)
    assert key["KeyCheckValue"] == "08D7B4"


async def test_pair_and_certificate_belong_together(host: Host) -> None:
    """The most common mistake has its own words."""
    one, two = await own_pair(host), await own_pair(host)
    block = host.token(one.certificate)
    mixed = {"WrappingKeyIdentifier": two.arn, "WrappingKeyCertificate": one.certificate}
    with pytest.raises(InvalidRequestError, match="does not hold the public key"):
        await host.send(block, **mixed)
    expired = await own_pair(host, not_after=host.tools.now - timedelta(seconds=1))
    with pytest.raises(CertificateValidityError, match="WrappingKeyCertificate"):
        await host.send(host.token(expired.certificate), **expired.members)


@pytest.mark.parametrize(("code", "letter"), [("D1", "D"), ("K2", "E"), ("S0", "S")])
async def test_the_pair_must_be_for_tr34_and_unwrap(host: Host, code: str, letter: str) -> None:
    """Usage K2 with Unwrap, enabled."""
    pair = await own_pair(host, code, letter)
    with pytest.raises(InvalidRequestError, match="WrappingKeyIdentifier"):
        await host.send(host.token(pair.certificate), **pair.members)


async def test_a_stopped_pair_opens_nothing(host: Host) -> None:
    """Disabled pairs and disabled authorities."""
    pair = await own_pair(host)
    await host.service.call("StopKeyUsage", KeyIdentifier=pair.arn)
    with pytest.raises(InvalidRequestError, match="not enabled"):
        await host.send(host.token(pair.certificate), **pair.members)
    await host.service.call("StartKeyUsage", KeyIdentifier=pair.arn)
    await host.service.call("StopKeyUsage", KeyIdentifier=host.authority)
    with pytest.raises(InvalidRequestError, match="not enabled"):
        await host.send(host.token(pair.certificate), **pair.members)


async def test_exactly_one_way_is_given(host: Host) -> None:
    """A token, or a pair with its certificate; not both, not neither, not half."""
    pair = await own_pair(host)
    offer = await host.parameters()
    block = host.token(pair.certificate)
    for members in (
        {},
        {"ImportToken": ""},
        {"ImportToken": offer["ImportToken"], **pair.members},
        {"WrappingKeyIdentifier": pair.arn},
        {"WrappingKeyCertificate": pair.certificate},
        {"ImportToken": offer["ImportToken"], "WrappingKeyIdentifier": pair.arn},
    ):
        with pytest.raises(InvalidRequestError, match="either"):
            await host.send(block, **members)

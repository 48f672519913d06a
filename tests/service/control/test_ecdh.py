"""Key blocks under keys agreed by ECDH, both ways, against an independent derivation."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from keyferry.crypto.certificates import CertificateUsage
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import (
    KBPK,
    Algorithm,
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    ModeOfUse,
    OptionalBlock,
)
from keyferry.errors import (
    CertificateChainError,
    CertificateValidityError,
    KeyAgreementError,
    KeyBlockAuthenticationError,
    KeyStrengthError,
)
from keyferry.service.errors import InvalidRequestError

SIZES = {"TDES_2KEY": 16, "TDES_3KEY": 24, "AES_128": 16, "AES_192": 24, "AES_256": 32}
TDES_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
K1 = "TR31_K1_KEY_BLOCK_PROTECTION_KEY"


class Counterpart:
    """The other side of an agreement: a key, a certificate, and its own derivation."""

    def __init__(self, service: Any, tools: Any, party: Any, key: Any) -> None:
        self.service = service
        self.tools = tools
        self.party = party
        self.key = key
        self.certificate = party.leaf(key.public_key(), CertificateUsage.KEY_AGREEMENT)
        self.pair = ""
        self.ca = ""

    async def meet(self, **members: Any) -> Counterpart:
        curve = self.key.curve.key_size
        self.ca = await self.service.trust(self.party)
        pair = await self.service.create(
            "K3", f"ECC_NIST_P{curve}", "X", key_class="ASYMMETRIC_KEY_PAIR", **members
        )
        self.pair = pair["KeyArn"]
        return self

    def asked(self, **changes: Any) -> dict[str, Any]:
        return {
            "PrivateKeyIdentifier": self.pair,
            "CertificateAuthorityPublicKeyIdentifier": self.ca,
            "PublicKeyCertificate": self.tools.encode(self.certificate),
            "DeriveKeyAlgorithm": "AES_256",
            "KeyDerivationFunction": "NIST_SP800",
            "KeyDerivationHashAlgorithm": "SHA_256",
            "DerivationData": {"SharedInformation": "0123456789"},
        } | changes

    def kbpk(self, **changes: Any) -> KBPK:
        """Derived with hashlib alone."""
        asked = self.asked(**changes)
        from cryptography.hazmat.primitives.serialization import load_der_public_key

        record = self.service.store.key(self.service.account, self.pair.rpartition("/")[2])
        ours = load_der_public_key(record.public_key)
        assert isinstance(ours, ec.EllipticCurvePublicKey)
        z = self.key.exchange(ec.ECDH(), ours)
        info = bytes.fromhex(asked["DerivationData"]["SharedInformation"])
        size = SIZES[asked["DeriveKeyAlgorithm"]]
        name = asked["KeyDerivationHashAlgorithm"].replace("_", "").lower()
        derived = b""
        counter = 1
        while len(derived) < size:
            block = counter.to_bytes(4, "big")
            first = block + z if asked["KeyDerivationFunction"] == "NIST_SP800" else z + block
            derived += hashlib.new(name, first + info).digest()
            counter += 1
        cipher = Cipher.AES if asked["DeriveKeyAlgorithm"].startswith("AES") else Cipher.TDES
        return KBPK(cipher, derived[:size])

    def block(
        self, key: bytes = TDES_KEY, algorithm: str = "T", *, asked: Any = None, **header: Any
    ) -> str:
        kbpk = self.kbpk(**(asked or {}))
        members: dict[str, Any] = {
            "version": BlockVersion.D if kbpk.cipher is Cipher.AES else BlockVersion.B,
            "usage": "P0",
            "algorithm": Algorithm(algorithm),
            "mode": ModeOfUse.BOTH_DIRECTIONS,
            "exportability": Exportability.EXPORTABLE,
        } | header
        return kbpk.wrap(KeyBlockHeader(**members), key)

    async def send(self, block: str, **changes: Any) -> Any:
        answer = await self.service.call(
            "ImportKey",
            KeyMaterial={
                "DiffieHellmanTr31KeyBlock": self.asked(**changes) | {"WrappedKeyBlock": block}
            },
        )
        return answer["Key"]

    async def fetch(self, key: str, attributes: Any = None, **changes: Any) -> Any:
        extra = {} if attributes is None else {"ExportAttributes": attributes}
        answer = await self.service.call(
            "ExportKey",
            ExportKeyIdentifier=key,
            KeyMaterial={"DiffieHellmanTr31KeyBlock": self.asked(**changes)},
            **extra,
        )
        return answer["WrappedKey"]


@pytest.fixture
def counterpart(service: Any, tools: Any, ec_party: Any, ec_keys: Any) -> Any:
    def make(curve: str = "P521") -> Counterpart:
        return Counterpart(service, tools, ec_party, ec_keys[curve][1])

    return make


@pytest.mark.parametrize("curve", ["P256", "P384", "P521"])
@pytest.mark.parametrize("kdf", ["NIST_SP800", "ANSI_X963"])
@pytest.mark.parametrize("hash_name", ["SHA_256", "SHA_384", "SHA_512"])
async def test_keys_travel_both_ways(
    counterpart: Any, curve: str, kdf: str, hash_name: str
) -> None:
    """Every curve, function and hash; the derived key is the one computed by hand."""
    other = await counterpart(curve).meet(DeriveKeyUsage=K1)
    asked = {"KeyDerivationFunction": kdf, "KeyDerivationHashAlgorithm": hash_name}
    key = await other.send(other.block(asked=asked), **asked)
    assert key["KeyCheckValue"] == "08D7B4"
    wrapped = await other.fetch(key["KeyArn"], **asked)
    assert wrapped["WrappedKeyMaterialFormat"] == "TR31_KEY_BLOCK"
    assert wrapped["WrappingKeyArn"] == other.pair
    unwrapped = other.kbpk(**asked).unwrap(wrapped["KeyMaterial"])
    assert unwrapped.key == TDES_KEY
    assert wrapped["KeyMaterial"].startswith("D0112P0TB00E0000")


@pytest.mark.parametrize("algorithm", SIZES)
async def test_every_derived_algorithm(counterpart: Any, algorithm: str) -> None:
    """B blocks under derived TDES keys, D blocks under derived AES keys."""
    other = await counterpart("P256").meet()
    asked = {"DeriveKeyAlgorithm": algorithm}
    key = await other.send(other.block(asked=asked), **asked)
    wrapped = await other.fetch(key["KeyArn"], **asked)
    assert wrapped["KeyMaterial"][0] == ("D" if algorithm.startswith("AES") else "B")
    assert other.kbpk(**asked).unwrap(wrapped["KeyMaterial"]).key == TDES_KEY


async def test_the_curve_limits_the_key_that_travels(counterpart: Any) -> None:
    """AES_256 needs P-521, AES_192 P-384, whatever is derived."""
    small = await counterpart("P256").meet()
    for size in (24, 32):
        with pytest.raises(KeyStrengthError):
            await small.send(small.block(bytes(range(size)), "A"))
    middle = await counterpart("P384").meet()
    key = await middle.send(middle.block(bytes(range(24)), "A"))
    with pytest.raises(KeyStrengthError):
        await small.fetch(key["KeyArn"])
    with pytest.raises(KeyStrengthError):
        await middle.send(middle.block(bytes(range(32)), "A"))
    large = await counterpart("P521").meet()
    await large.send(large.block(bytes(range(32)), "A"))


async def test_the_derived_key_is_a_wrapping_key_like_any_other(counterpart: Any) -> None:
    """It must be as strong as the key it wraps."""
    other = await counterpart("P521").meet()
    asked = {"DeriveKeyAlgorithm": "AES_128"}
    with pytest.raises(KeyStrengthError):
        await other.send(other.block(bytes(range(32)), "A", asked=asked), **asked)
    key = (await other.service.create("P0", "AES_256", "B"))["KeyArn"]
    with pytest.raises(KeyStrengthError):
        await other.fetch(key, **asked)
    with pytest.raises(InvalidRequestError, match="DeriveKeyAlgorithm"):
        await other.fetch(key, DeriveKeyAlgorithm="HMAC_SHA256")


async def test_hmac_keys_travel_by_agreement(counterpart: Any) -> None:
    """With their hash."""
    other = await counterpart().meet()
    block = other.block(
        bytes(range(64)),
        "H",
        usage="M7",
        mode=ModeOfUse.GENERATE_AND_VERIFY,
        optional_blocks=(OptionalBlock("HM", "23"),),
    )
    key = await other.send(block)
    assert key["KeyAttributes"]["KeyAlgorithm"] == "HMAC_SHA512"
    wrapped = await other.fetch(key["KeyArn"], KeyBlockHeaders={"KeyVersion": "01"})
    assert other.kbpk().unwrap(wrapped["KeyMaterial"]).key == bytes(range(64))


async def test_both_sides_need_the_same_inputs(counterpart: Any) -> None:
    """Other shared information, another function or hash: another key, and nothing opens."""
    other = await counterpart().meet()
    block = other.block()
    for changes in (
        {"DerivationData": {"SharedInformation": "0123456788"}},
        {"KeyDerivationFunction": "ANSI_X963"},
        {"KeyDerivationHashAlgorithm": "SHA_512"},
    ):
        with pytest.raises(KeyBlockAuthenticationError):
            await other.send(block, **changes)


async def test_zero_bytes_in_the_shared_information_are_taken(counterpart: Any) -> None:
    """The API's text forbids them; clients send random bytes and expect them to work."""
    other = await counterpart().meet()
    asked = {"DerivationData": {"SharedInformation": "00FF00"}}
    await other.send(other.block(asked=asked), **asked)


async def test_the_pair_must_be_for_wrapping_keys(counterpart: Any) -> None:
    """K3, derived usage K1, K0 or open; enabled."""
    for usage in ("TR31_P0_PIN_ENCRYPTION_KEY", "TR31_B0_BASE_DERIVATION_KEY"):
        other = await counterpart().meet(DeriveKeyUsage=usage)
        with pytest.raises(InvalidRequestError, match=usage):
            await other.send(other.block())
    other = await counterpart().meet(DeriveKeyUsage="TR31_K0_KEY_ENCRYPTION_KEY")
    block = other.block()
    await other.send(block)
    await other.service.call("StopKeyUsage", KeyIdentifier=other.pair)
    with pytest.raises(InvalidRequestError, match="not enabled"):
        await other.send(block)
    wrong = (await other.service.create("K1", "AES_256", "B"))["KeyArn"]
    with pytest.raises(InvalidRequestError, match="PrivateKeyIdentifier"):
        await other.send(block, PrivateKeyIdentifier=wrong)


async def test_the_counterpart_must_be_trusted_and_on_the_curve(
    counterpart: Any, tools: Any, ec_keys: Any, rsa_party: Any, rsa_keys: Any
) -> None:
    """Another curve, another CA, an expired certificate, an RSA certificate."""
    other = await counterpart("P384").meet()
    block = other.block()
    elsewhere = other.party.leaf(ec_keys["P256"][0].public_key(), CertificateUsage.KEY_AGREEMENT)
    with pytest.raises(KeyAgreementError):
        await other.send(block, PublicKeyCertificate=tools.encode(elsewhere))
    stranger = tools.party.new(ec_keys["P521"][1], "stranger")
    foreign = stranger.leaf(other.key.public_key(), CertificateUsage.KEY_AGREEMENT)
    with pytest.raises(CertificateChainError):
        await other.send(block, PublicKeyCertificate=tools.encode(foreign))
    expired = other.party.leaf(
        other.key.public_key(),
        CertificateUsage.KEY_AGREEMENT,
        not_after=tools.now - timedelta(seconds=1),
    )
    with pytest.raises(CertificateValidityError):
        await other.send(block, PublicKeyCertificate=tools.encode(expired))
    rsa_ca = await other.service.trust(rsa_party)
    rsa_leaf = rsa_party.leaf(rsa_keys[2048][0].public_key(), CertificateUsage.KEY_AGREEMENT)
    with pytest.raises(KeyAgreementError):
        await other.send(
            block,
            PublicKeyCertificate=tools.encode(rsa_leaf),
            CertificateAuthorityPublicKeyIdentifier=rsa_ca,
        )


async def test_a_self_signed_certificate_is_root_and_leaf(
    service: Any, tools: Any, ec_keys: Any
) -> None:
    """A published client imports its own self-signed certificate and presents it as the leaf."""
    key = ec_keys["P256"][1]
    other = Counterpart(service, tools, tools.party.new(key, "self"), key)
    await other.meet()
    other.certificate = other.party.root
    await other.send(other.block())


async def test_initial_keys_leave_by_agreement(counterpart: Any) -> None:
    """Usage B1 under the derived key."""
    other = await counterpart().meet()
    bdk = (await other.service.create("B0", "AES_128", "X"))["KeyArn"]
    wrapped = await other.fetch(
        bdk, {"ExportDukptInitialKey": {"KeySerialNumber": "123456789012345600000001"}}
    )
    unwrapped = other.kbpk().unwrap(wrapped["KeyMaterial"])
    assert (unwrapped.header.usage, unwrapped.header.mode.value) == ("B1", "X")


async def test_nothing_of_an_agreement_is_stored(counterpart: Any) -> None:
    """The derived key has no ARN: only root, pair and the key that travelled are listed."""
    other = await counterpart().meet()
    await other.send(other.block())
    assert len((await other.service.call("ListKeys"))["Keys"]) == 3

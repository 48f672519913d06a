"""Keys that come with the request: TR-31 blocks and ECDH, wherever the API takes them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from keyferry.crypto.certificates import (
    CertificateUsage,
    create_root,
    encode_pem,
    issue_leaf,
)
from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.ecdh import agree
from keyferry.crypto.kdf import KeyDerivationFunction, derive_key
from keyferry.crypto.keyblock import (
    KBPK,
    Algorithm,
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    ModeOfUse,
    OptionalBlock,
)
from keyferry.keys import KeyUsage

PAN = "5432101234567890"
BLOCK = "BA2ADC4EBA48F711"
PLAIN = b"1234".hex() * 4
AES_CBC = "E1CD4CE935B04FC69F5A76C8A98CD6B8"
KEK = "8899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF0011223344556677"
TDES_KEK = "11223344556677888877665544332211"
UNOPENED = "WrappedKey: the key block is malformed or does not verify under the key encryption key"
CBC = {"Symmetric": {"Mode": "CBC"}}
# RFC 5903, 8.1.
OURS = 0xC88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433
THEIRS = 0xC6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53


def wrap(
    kek: str,
    key: str,
    *,
    usage: str = "D0",
    mode: str = "B",
    algorithm: str = "T",
    version: str | None = None,
    exportability: str = "E",
    optional: tuple[OptionalBlock, ...] = (),
) -> str:
    """A key block as a client would make it."""
    cipher = Cipher.TDES if kek == TDES_KEK else Cipher.AES
    header = KeyBlockHeader(
        version=BlockVersion(version or ("B" if cipher is Cipher.TDES else "D")),
        usage=usage,
        algorithm=Algorithm(algorithm),
        mode=ModeOfUse(mode),
        exportability=Exportability(exportability),
        optional_blocks=optional,
    )
    return KBPK(cipher, bytes.fromhex(kek)).wrap(header, bytes.fromhex(key))


def carried(block: str, **members: str) -> dict[str, Any]:
    return {"WrappedKeyMaterial": {"Tr31KeyBlock": block}, **members}


@pytest.fixture
def kek(shared: Any) -> str:
    return shared.put("K1", "AES_256", "D", KEK)


def encrypt(kek: str, block: str, **members: str) -> dict[str, Any]:
    return {
        "KeyIdentifier": kek,
        "PlainText": PLAIN,
        "EncryptionAttributes": CBC,
        "WrappedKey": carried(block, **members),
    }


# --- TR-31 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["K0", "K1"])
@pytest.mark.parametrize("letter", ["B", "D", "N"])
async def test_data_key_in_a_block(shared: Any, tools: Any, code: str, letter: str) -> None:
    """It does what a stored one does; ARN of the KEK, check value of the key that worked."""
    arn = shared.put(code, "AES_256", letter, KEK)
    block = wrap(KEK, tools.aes, algorithm="A")
    answer = await shared.call("EncryptData", **encrypt(arn, block))
    assert answer == {"KeyArn": arn, "KeyCheckValue": "7AD386", "CipherText": AES_CBC}
    answer = await shared.call(
        "DecryptData",
        KeyIdentifier=arn,
        CipherText=AES_CBC,
        DecryptionAttributes=CBC,
        WrappedKey=carried(block),
    )
    assert answer["PlainText"] == PLAIN


async def test_check_value_method_is_the_callers(shared: Any, tools: Any, kek: str) -> None:
    """ANSI for TDES and CMAC for AES unless asked; HMAC is no method of either."""
    tdes, aes = wrap(KEK, tools.tdes), wrap(KEK, tools.aes, algorithm="A")
    for block, method, value in (
        (tdes, None, "08D7B4"),
        (tdes, "CMAC", "0A8245"),
        (aes, None, "7AD386"),
        (aes, "ANSI_X9_24", "7DF76B"),
    ):
        members = {} if method is None else {"KeyCheckValueAlgorithm": method}
        answer = await shared.call("EncryptData", **encrypt(kek, block, **members))
        assert answer["KeyCheckValue"] == value
    await shared.refused("EncryptData", **encrypt(kek, aes, KeyCheckValueAlgorithm="HMAC"))


async def test_block_under_a_tdes_kek(shared: Any, tools: Any) -> None:
    """Version B; also the legacy versions, which old devices send."""
    arn = shared.put("K0", "TDES_2KEY", "B", TDES_KEK)
    block = wrap(TDES_KEK, tools.tdes)
    answer = await shared.call("EncryptData", **encrypt(arn, block))
    assert answer["CipherText"] == "3077FFB88996AABD0EDBD42ADB982395"


@pytest.mark.parametrize(
    ("mode", "encrypts", "decrypts"),
    [
        ("B", True, True),
        ("D", True, True),
        ("E", True, False),
        ("N", True, True),
        ("G", False, False),
        ("X", False, False),
    ],
)
async def test_modes_of_the_block(
    shared: Any, tools: Any, kek: str, mode: str, encrypts: bool, decrypts: bool
) -> None:
    """B and D as in the guide, E to encrypt, N to do anything."""
    block = wrap(KEK, tools.aes, algorithm="A", mode=mode)
    decrypt = {
        "KeyIdentifier": kek,
        "CipherText": AES_CBC,
        "DecryptionAttributes": CBC,
        "WrappedKey": carried(block),
    }
    for name, given, allowed in (
        ("EncryptData", encrypt(kek, block), encrypts),
        ("DecryptData", decrypt, decrypts),
    ):
        if allowed:
            await shared.call(name, **given)
        else:
            refusal = await shared.refused(name, **given)
            assert refusal.message.startswith("WrappedKey: expected a key block of mode of use")


async def test_block_for_something_else(shared: Any, tools: Any, kek: str) -> None:
    """A PIN key encrypts no data, a data key no PIN."""
    refusal = await shared.refused("EncryptData", **encrypt(kek, wrap(KEK, tools.tdes, usage="P0")))
    assert refusal.message == "WrappedKey: expected a key block of usage D0"
    refusal = await shared.refused("TranslatePinData", **translate(kek, wrap(KEK, tools.tdes)))
    assert refusal.message == "WrappedKey: expected a key block of usage P0"


async def test_blocks_that_do_not_open_are_one_refusal(shared: Any, tools: Any, kek: str) -> None:
    """Changed anywhere behind the header, cut, or under another key: one text."""
    block = wrap(KEK, tools.aes, algorithm="A")
    other = wrap("00" * 32, tools.aes, algorithm="A")
    changed = [
        block[:position] + ("0" if block[position] != "0" else "1") + block[position + 1 :]
        for position in (5, 20, 60, len(block) - 1)
    ]
    cut = block[:-2]
    for bad in (*changed, other, cut, block + "00", "Z" + block[1:], "1" + block[1:]):
        refusal = await shared.refused("EncryptData", **encrypt(kek, bad))
        assert refusal.message == UNOPENED


async def test_strength(shared: Any, tools: Any) -> None:
    """No key under a weaker one, and none of a length nobody knows."""
    arn = shared.put("K1", "AES_128", "D", KEK[:32])
    block = wrap(KEK[:32], KEK, algorithm="A")
    await shared.refused("EncryptData", **encrypt(arn, block))
    arn = shared.put("K1", "AES_256", "D", KEK)
    await shared.refused("EncryptData", **encrypt(arn, wrap(KEK, "0123456789ABCDEF")))


async def test_kek_that_only_wraps(shared: Any, tools: Any) -> None:
    """It opens nothing; neither does a key that is no KEK."""
    block = wrap(KEK, tools.aes, algorithm="A")
    for code, letter in (("K1", "E"), ("D0", "B")):
        arn = shared.put(code, "AES_256", letter, KEK)
        refusal = await shared.refused("EncryptData", **encrypt(arn, block))
        assert refusal.message == "KeyUsages not allowed for this operation"


async def test_reencrypt_between_carried_keys(shared: Any, tools: Any, kek: str) -> None:
    """Both sides, or one of them with a static key."""
    aes, tdes = wrap(KEK, tools.aes, algorithm="A"), wrap(KEK, tools.tdes)
    given = {
        "IncomingKeyIdentifier": kek,
        "OutgoingKeyIdentifier": kek,
        "CipherText": AES_CBC,
        "IncomingEncryptionAttributes": CBC,
        "OutgoingEncryptionAttributes": CBC,
        "IncomingWrappedKey": carried(aes),
    }
    answer = await shared.call("ReEncryptData", **given, OutgoingWrappedKey=carried(tdes))
    assert answer == {
        "KeyArn": kek,
        "KeyCheckValue": "08D7B4",
        "CipherText": "3077FFB88996AABD0EDBD42ADB982395",
    }
    static = shared.put("D0", "TDES_2KEY", "B", tools.tdes)
    answer = await shared.call("ReEncryptData", **given | {"OutgoingKeyIdentifier": static})
    assert answer["CipherText"] == "3077FFB88996AABD0EDBD42ADB982395"


def translate(kek: str, block: str) -> dict[str, Any]:
    pan = {"IsoFormat0": {"PrimaryAccountNumber": PAN}}
    return {
        "IncomingKeyIdentifier": kek,
        "OutgoingKeyIdentifier": kek,
        "IncomingTranslationAttributes": pan,
        "OutgoingTranslationAttributes": pan,
        "EncryptedPinBlock": BLOCK,
        "IncomingWrappedKey": carried(block),
        "OutgoingWrappedKey": carried(block),
    }


async def test_pin_operations_take_carried_keys(shared: Any, tools: Any, kek: str) -> None:
    """Translate, generate and verify."""
    block = wrap(KEK, tools.tdes, usage="P0")
    answer = await shared.call("TranslatePinData", **translate(kek, block))
    assert answer == {"PinBlock": BLOCK, "KeyArn": kek, "KeyCheckValue": "08D7B4"}
    pvk = shared.put("V2", "TDES_2KEY", "C", tools.tdes)
    generated = await shared.call(
        "GeneratePinData",
        GenerationKeyIdentifier=pvk,
        EncryptionKeyIdentifier=kek,
        EncryptionWrappedKey=carried(block),
        GenerationAttributes={"VisaPin": {"PinVerificationKeyIndex": 1}},
        PrimaryAccountNumber=PAN,
        PinBlockFormat="ISO_FORMAT_0",
    )
    assert generated["EncryptionKeyArn"] == kek
    assert generated["EncryptionKeyCheckValue"] == "08D7B4"
    given = {
        "VerificationKeyIdentifier": pvk,
        "EncryptionKeyIdentifier": kek,
        "EncryptionWrappedKey": carried(block),
        "VerificationAttributes": {
            "VisaPin": {"PinVerificationKeyIndex": 1, **generated["PinData"]}
        },
        "PrimaryAccountNumber": PAN,
        "PinBlockFormat": "ISO_FORMAT_0",
        "EncryptedPinBlock": generated["EncryptedPinBlock"],
    }
    await shared.call("VerifyPinData", **given)
    ksn = {"KeySerialNumber": "FFFF9876543210E00001", "DukptDerivationType": "TDES_2KEY"}
    refusal = await shared.refused("VerifyPinData", **given, DukptAttributes=ksn)
    assert refusal.message.startswith("DukptAttributes")


# --- ECDH --------------------------------------------------------------------------------------


class Peer:
    """The other side of an agreement: a root, and a leaf for a key of its own."""

    def __init__(self, curve: ec.EllipticCurve, now: Any, private: int | None = None) -> None:
        self.now = now
        self.root_key = ec.generate_private_key(curve)
        self.key = (
            ec.generate_private_key(curve)
            if private is None
            else ec.derive_private_key(private, curve)
        )
        self.root = create_root(
            self.root_key,
            common_name="peer",
            not_before=now - timedelta(days=1),
            not_after=now + timedelta(days=365),
            hash_name="SHA256",
        )

    def leaf(self, *, days: int = 30, key: Any = None) -> str:
        issued = issue_leaf(
            (key or self.key).public_key(),
            subject="leaf",
            issuer=self.root,
            issuer_key=self.root_key,
            not_before=self.now - timedelta(days=60),
            not_after=self.now + timedelta(days=days),
            usage=CertificateUsage.KEY_AGREEMENT,
            hash_name="SHA256",
        )
        return encode(issued)

    def trusted_by(self, shared: Any, algorithm: str) -> str:
        return shared.put(
            *("S0", algorithm, "V", self.root_key),
            public=True,
            certificate=self.root.public_bytes(Encoding.DER),
        )


def encode(certificate: x509.Certificate) -> str:
    return base64.b64encode(encode_pem(certificate)).decode()


CURVES: dict[str, Callable[[], ec.EllipticCurve]] = {
    "ECC_NIST_P256": ec.SECP256R1,
    "ECC_NIST_P384": ec.SECP384R1,
    "ECC_NIST_P521": ec.SECP521R1,
}


def agreed(authority: str, certificate: str, **members: str) -> dict[str, Any]:
    ecdh = {
        "CertificateAuthorityPublicKeyIdentifier": authority,
        "PublicKeyCertificate": certificate,
        "KeyAlgorithm": "AES_128",
        "KeyDerivationFunction": "NIST_SP800",
        "KeyDerivationHashAlgorithm": "SHA_512",
        "SharedInformation": "0123456789ABCDEF",
    }
    return {"WrappedKeyMaterial": {"DiffieHellmanSymmetricKey": ecdh | members}}


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("kdf", ["NIST_SP800", "ANSI_X963"])
@pytest.mark.parametrize("algorithm", ["TDES_2KEY", "TDES_3KEY", "AES_128", "AES_192", "AES_256"])
async def test_data_under_an_agreed_key(
    shared: Any, tools: Any, curve: str, kdf: str, algorithm: str
) -> None:
    """What the peer derives opens what the service encrypted."""
    peer = Peer(CURVES[curve](), tools.now)
    ours = ec.generate_private_key(CURVES[curve]())
    pair = shared.put("K3", curve, "X", ours)
    wrapped = agreed(
        peer.trusted_by(shared, curve),
        peer.leaf(),
        KeyAlgorithm=algorithm,
        KeyDerivationFunction=kdf,
        KeyDerivationHashAlgorithm="SHA_384",
    )
    answer = await shared.call(
        "EncryptData",
        KeyIdentifier=pair,
        PlainText=PLAIN,
        EncryptionAttributes=CBC,
        WrappedKey=wrapped,
    )
    assert answer["KeyArn"] == pair
    size = {"TDES_2KEY": 16, "TDES_3KEY": 24, "AES_128": 16, "AES_192": 24, "AES_256": 32}
    key = derive_key(
        agree(peer.key, ours.public_key()),
        kdf=KeyDerivationFunction(kdf),
        hash_name="SHA384",
        shared_info=bytes.fromhex("0123456789ABCDEF"),
        size=size[algorithm],
    )
    opened = CipherKey(Cipher.TDES if algorithm.startswith("TDES") else Cipher.AES, key)
    clear = opened.decrypt_cbc(bytes.fromhex(answer["CipherText"]), bytes(opened.block_size))
    assert clear.hex() == PLAIN
    answer = await shared.call(
        "DecryptData",
        KeyIdentifier=pair,
        CipherText=answer["CipherText"],
        DecryptionAttributes=CBC,
        WrappedKey=wrapped,
    )
    assert answer["PlainText"] == PLAIN


@pytest.fixture
def parties(shared: Any, tools: Any) -> dict[str, Any]:
    peer = Peer(ec.SECP256R1(), tools.now, THEIRS)
    return {
        "peer": peer,
        "pair": shared.put("K3", "ECC_NIST_P256", "X", ec.derive_private_key(OURS, ec.SECP256R1())),
        "authority": peer.trusted_by(shared, "ECC_NIST_P256"),
    }


def encrypt_agreed(parties: dict[str, Any], wrapped: dict[str, Any]) -> dict[str, Any]:
    return {
        "KeyIdentifier": parties["pair"],
        "PlainText": PLAIN,
        "EncryptionAttributes": CBC,
        "WrappedKey": wrapped,
    }


async def test_agreed_pin_key(shared: Any, tools: Any, parties: dict[str, Any]) -> None:
    """PIN reveal on a phone: format 4 under an agreed AES key."""
    pek = shared.put("P0", "TDES_2KEY", "B", tools.tdes)
    given = {
        "IncomingKeyIdentifier": pek,
        "OutgoingKeyIdentifier": parties["pair"],
        "IncomingTranslationAttributes": {"IsoFormat0": {"PrimaryAccountNumber": PAN}},
        "OutgoingTranslationAttributes": {"IsoFormat4": {"PrimaryAccountNumber": PAN}},
        "EncryptedPinBlock": BLOCK,
        "OutgoingWrappedKey": agreed(parties["authority"], parties["peer"].leaf()),
    }
    answer = await shared.call("TranslatePinData", **given)
    assert answer["KeyArn"] == parties["pair"]
    key = derive_key(
        agree(parties["peer"].key, ec.derive_private_key(OURS, ec.SECP256R1()).public_key()),
        kdf=KeyDerivationFunction.NIST_SP800,
        hash_name="SHA512",
        shared_info=bytes.fromhex("0123456789ABCDEF"),
        size=16,
    )
    from keyferry.crypto.pin_block import PINBlockFormat, decrypt_pin_block

    block = bytes.fromhex(answer["PinBlock"])
    opened = CipherKey(Cipher.AES, key)
    assert decrypt_pin_block(opened, PINBlockFormat.ISO_4, block, PAN) == "1234"


async def test_certificate_must_be_the_authoritys(
    shared: Any, tools: Any, parties: dict[str, Any]
) -> None:
    """Issued by it, valid now, on the curve of the pair."""
    peer, authority = parties["peer"], parties["authority"]
    stranger = Peer(ec.SECP256R1(), tools.now)
    other_curve = ec.generate_private_key(ec.SECP384R1())
    pem_only = base64.b64decode(peer.leaf()).decode()
    for certificate in (
        stranger.leaf(),
        peer.leaf(days=-1),
        peer.leaf(key=other_curve),
        "AAAA",
        pem_only,
    ):
        await shared.refused(
            "EncryptData", **encrypt_agreed(parties, agreed(authority, certificate))
        )
    later = shared.now
    shared.now = tools.now + timedelta(days=400)
    try:
        refusal = await shared.refused(
            "EncryptData", **encrypt_agreed(parties, agreed(authority, peer.leaf(days=800)))
        )
        assert "expired" in refusal.message or "valid" in refusal.message
    finally:
        shared.now = later


async def test_agreement_refusals(shared: Any, tools: Any, parties: dict[str, Any]) -> None:
    """HMAC keys, an authority that is none, and pairs for something else."""
    peer = parties["peer"]
    given = encrypt_agreed(
        parties, agreed(parties["authority"], peer.leaf(), KeyAlgorithm="HMAC_SHA256")
    )
    assert "HMAC_SHA256" in (await shared.refused("EncryptData", **given)).message
    given = encrypt_agreed(parties, agreed(parties["pair"], peer.leaf()))
    refusal = await shared.refused("EncryptData", **given)
    assert refusal.message == "KeyUsages not allowed for this operation"
    for usage in (KeyUsage.TR31_P0_PIN_ENCRYPTION_KEY, KeyUsage.TR31_K1_KEY_BLOCK_PROTECTION_KEY):
        pair = shared.put(
            *("K3", "ECC_NIST_P256", "X", ec.generate_private_key(ec.SECP256R1())),
            derive_key_usage=usage,
        )
        given = encrypt_agreed(parties, agreed(parties["authority"], peer.leaf()))
        refusal = await shared.refused("EncryptData", **given | {"KeyIdentifier": pair})
        assert usage.value in refusal.message
    pair = shared.put(
        *("K3", "ECC_NIST_P256", "X", ec.generate_private_key(ec.SECP256R1())),
        derive_key_usage=KeyUsage.TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY,
    )
    given = encrypt_agreed(parties, agreed(parties["authority"], peer.leaf()))
    await shared.call("EncryptData", **given | {"KeyIdentifier": pair})


async def test_unknown_authority_is_not_found(
    shared: Any, tools: Any, parties: dict[str, Any]
) -> None:
    """Every key of a request is found before any is judged."""
    given = encrypt_agreed(parties, agreed("alias/nobody", parties["peer"].leaf()))
    given["KeyIdentifier"] = shared.put("D0", "AES_128", "B", tools.aes)
    with pytest.raises(tools.refused) as caught:
        await shared.call("EncryptData", **given)
    assert caught.value.name == "ResourceNotFoundException"


# --- TranslateKeyMaterial ----------------------------------------------------------------------

PUBLISHED = (
    "D0112P0TE00E000068154A8171EAB1C5A8C9759F159D74A947C3F935C029156BC6A184CFDA727E63B52460597BDA13B3"
    "C814DB977B4D9AAC"
)
PUBLISHED_KBPK = "404C99E402CC1D48A834A10E1121A8B6"


def material(parties: dict[str, Any], block: str, wrapping: str, **members: str) -> dict[str, Any]:
    return {
        "IncomingKeyMaterial": {
            "DiffieHellmanTr31KeyBlock": {
                "PrivateKeyIdentifier": parties["pair"],
                "CertificateAuthorityPublicKeyIdentifier": parties["authority"],
                "PublicKeyCertificate": parties["peer"].leaf(),
                "DeriveKeyAlgorithm": "AES_128",
                "KeyDerivationFunction": "NIST_SP800",
                "KeyDerivationHashAlgorithm": "SHA_256",
                "DerivationData": {"SharedInformation": "0123456789ABCDEF"},
                "WrappedKeyBlock": block,
                **members,
            }
        },
        "OutgoingKeyMaterial": {"Tr31KeyBlock": {"WrappingKeyIdentifier": wrapping}},
    }


@pytest.mark.parametrize(("kek", "algorithm"), [(KEK, "AES_256"), (TDES_KEK, "TDES_2KEY")])
async def test_translate_key_material_worked(
    shared: Any, tools: Any, parties: dict[str, Any], kek: str, algorithm: str
) -> None:
    """The published block opens, and comes back under the stored key with the same header."""
    wrapping = shared.put("K1", algorithm, "E", kek)
    answer = await shared.call("TranslateKeyMaterial", **material(parties, PUBLISHED, wrapping))
    assert answer.keys() == {"WrappedKey"}
    wrapped = answer["WrappedKey"]
    assert wrapped["KeyCheckValue"] == "08D7B4"
    assert wrapped["WrappedKeyMaterialFormat"] == "TR31_KEY_BLOCK"
    cipher = Cipher.AES if kek == KEK else Cipher.TDES
    opened = KBPK(cipher, bytes.fromhex(kek)).unwrap(wrapped["WrappedKeyMaterial"])
    assert opened.key.hex().upper() == tools.tdes
    header = opened.header
    assert header.version == ("D" if kek == KEK else "B")
    assert (header.usage, header.mode, header.exportability) == ("P0", "E", "E")
    answer = await shared.call(
        "TranslateKeyMaterial",
        **material(parties, PUBLISHED, wrapping),
        KeyCheckValueAlgorithm="CMAC",
    )
    assert answer["WrappedKey"]["KeyCheckValue"] == "0A8245"


async def test_header_passes_through(shared: Any, tools: Any, parties: dict[str, Any]) -> None:
    """Usage, version, context and optional blocks stay; KP and PB speak of the new wrapping."""
    wrapping = shared.put("K0", "AES_256", "B", KEK)
    header = KeyBlockHeader(
        version=BlockVersion.D,
        usage="B1",  # the API has no name for an initial key, and passes it on
        algorithm=Algorithm.AES,
        mode=ModeOfUse.DERIVE,
        key_version="07",
        exportability=Exportability.SENSITIVE,
        # The API's pattern for blocks takes letters and digits only, so no blank in the label.
        optional_blocks=(OptionalBlock("KP", "01AABBCCDDEE"), OptionalBlock("LB", "label7")),
        context="2",
    )
    kbpk = KBPK(Cipher.AES, bytes.fromhex(PUBLISHED_KBPK))
    block = kbpk.wrap(header, bytes.fromhex(tools.aes))
    answer = await shared.call("TranslateKeyMaterial", **material(parties, block, wrapping))
    opened = KBPK(Cipher.AES, bytes.fromhex(KEK)).unwrap(answer["WrappedKey"]["WrappedKeyMaterial"])
    assert opened.key.hex().upper() == tools.aes
    assert opened.header.usage == "B1"
    assert opened.header.key_version == "07"
    assert opened.header.exportability is Exportability.SENSITIVE
    assert opened.header.context == "2"
    blocks = {one.id: one.data for one in opened.header.optional_blocks}
    kcv = CipherKey(Cipher.AES, bytes.fromhex(KEK)).cmac(bytes(16))[:5].hex().upper()
    assert blocks["KP"] == "01" + kcv
    assert blocks["LB"] == "label7"


async def test_translate_key_material_refusals(
    shared: Any, tools: Any, parties: dict[str, Any]
) -> None:
    """Not exportable, stronger than the KEK, changed, or agreed differently."""
    wrapping = shared.put("K1", "AES_256", "E", KEK)
    stays = wrap(PUBLISHED_KBPK, tools.tdes, usage="P0", exportability="N")
    refusal = await shared.refused("TranslateKeyMaterial", **material(parties, stays, wrapping))
    assert "not exportable" in refusal.message
    weak = shared.put("K1", "AES_128", "E", KEK[:32])
    strong = wrap(PUBLISHED_KBPK, KEK, usage="D0", algorithm="A")
    await shared.refused("TranslateKeyMaterial", **material(parties, strong, weak))
    unopened = UNOPENED.replace("WrappedKey", "WrappedKeyBlock")
    changed = PUBLISHED[:-1] + "D"
    for given in (
        material(parties, changed, wrapping),
        material(parties, PUBLISHED, wrapping, KeyDerivationHashAlgorithm="SHA_512"),
        material(parties, PUBLISHED, wrapping, DeriveKeyAlgorithm="TDES_2KEY"),
        material(parties, PUBLISHED, wrapping, KeyDerivationFunction="ANSI_X963"),
        material(parties, "B" + PUBLISHED[1:], wrapping),
    ):
        refusal = await shared.refused("TranslateKeyMaterial", **given)
        assert refusal.message == unopened
    for code, letter in (("K1", "D"), ("D0", "B")):
        other = shared.put(code, "AES_256", letter, KEK)
        refusal = await shared.refused(
            "TranslateKeyMaterial", **material(parties, PUBLISHED, other)
        )
        assert refusal.message == "KeyUsages not allowed for this operation"
    pin_pair = shared.put(
        *("K3", "ECC_NIST_P256", "X", ec.derive_private_key(OURS, ec.SECP256R1())),
        derive_key_usage=KeyUsage.TR31_P0_PIN_ENCRYPTION_KEY,
    )
    given = material(parties | {"pair": pin_pair}, PUBLISHED, wrapping)
    assert "P0" in (await shared.refused("TranslateKeyMaterial", **given)).message

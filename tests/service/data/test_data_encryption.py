"""EncryptData, DecryptData, ReEncryptData: the worked examples, limits, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from keyferry.service.rules import Rules

ENCRYPT, DECRYPT, REENCRYPT = "EncryptData", "DecryptData", "ReEncryptData"
PLAIN = b"1234".hex() * 4
KSN = "FFFF9876543210E00001"
NOT_ALLOWED = "KeyUsages not allowed for this operation"
NOT_DECRYPTED = "CipherText: does not decrypt with this key and padding"
AES_CBC = "E1CD4CE935B04FC69F5A76C8A98CD6B8"


def symmetric(mode: str, **members: str) -> dict[str, Any]:
    return {"Symmetric": {"Mode": mode, **members}}


def dukpt(**members: str) -> dict[str, Any]:
    return {"Dukpt": {"KeySerialNumber": KSN, **members}}


def emv(**members: str) -> dict[str, Any]:
    return {
        "Emv": {
            "MajorKeyDerivationMode": "EMV_OPTION_A",
            "PrimaryAccountNumber": "1000000000000432",
            "PanSequenceNumber": "27",
            "SessionDerivationData": "02BB000000000000",
            **members,
        }
    }


SYMMETRIC = {
    "ECB": (AES_CBC, "3077FFB88996AABD3077FFB88996AABD"),
    "CBC": (AES_CBC, "3077FFB88996AABD0EDBD42ADB982395"),
    "CFB": ("4CC558382B8AAA870F70C3738829675B", "39E587CF53AF3BB1591FD96C5C1C1C6C"),
    "CFB128": ("4CC558382B8AAA870F70C3738829675B", None),
    "CFB64": (None, "39E587CF53AF3BB1591FD96C5C1C1C6C"),
    "CFB8": ("4CC1F229FD7CBB8C1FBA1B1C70C6F3F1", "399885D75B7412CC17D09686C44F0338"),
    "CFB1": ("338B8EA69DE02EEF21AFF9A1366997F7", "3334B5F1778623EFEDD5BC9F79A4836C"),
    "OFB": ("4CC558382B8AAA870F70C3738829675B", "39E587CF53AF3BB13B202EF70CC96A73"),
}


@pytest.mark.parametrize("mode", SYMMETRIC)
@pytest.mark.parametrize("cipher", ["AES_128", "TDES_2KEY"])
async def test_symmetric_modes(shared: Any, tools: Any, mode: str, cipher: str) -> None:
    """Every mode comes out as worked and back; a mode of the other cipher is refused."""
    is_aes = cipher == "AES_128"
    arn = shared.put("D0", cipher, "B", tools.aes if is_aes else tools.tdes)
    expected = SYMMETRIC[mode][0 if is_aes else 1]
    members = {"KeyIdentifier": arn, "PlainText": PLAIN}
    if expected is None:
        refusal = await shared.refused(ENCRYPT, **members, EncryptionAttributes=symmetric(mode))
        assert refusal.message.startswith(f"Mode: {mode} is not a mode of")
        return
    answer = await shared.call(ENCRYPT, **members, EncryptionAttributes=symmetric(mode))
    assert answer == {
        "KeyArn": arn,
        "KeyCheckValue": "7AD386" if is_aes else "08D7B4",
        "CipherText": expected,
    }
    answer = await shared.call(
        DECRYPT,
        KeyIdentifier=arn,
        CipherText=expected.lower(),
        DecryptionAttributes=symmetric(mode, PaddingType="PKCS1"),
    )
    assert answer["PlainText"] == PLAIN


@pytest.mark.parametrize("mode", ["CFB", "CFB1", "CFB8", "OFB"])
@pytest.mark.parametrize("size", [1, 7, 15, 17, 33])
async def test_feedback_modes_take_any_length(
    shared: Any, tools: Any, mode: str, size: int
) -> None:
    """What goes in comes out as long, also under an IV of its own."""
    for cipher, key, iv in (("AES_128", tools.aes, "0F" * 16), ("TDES_2KEY", tools.tdes, "0F" * 8)):
        arn = shared.put("D0", cipher, "B", key)
        attributes = symmetric(mode, InitializationVector=iv)
        plain = bytes(range(size)).hex().upper()
        answer = await shared.call(
            ENCRYPT, KeyIdentifier=arn, PlainText=plain, EncryptionAttributes=attributes
        )
        assert len(answer["CipherText"]) == len(plain)
        answer = await shared.call(
            DECRYPT,
            KeyIdentifier=arn,
            CipherText=answer["CipherText"],
            DecryptionAttributes=attributes,
        )
        assert answer["PlainText"] == plain


@pytest.mark.parametrize("mode", ["ECB", "CBC"])
async def test_block_modes_take_whole_blocks(shared: Any, tools: Any, mode: str) -> None:
    """Nothing is padded."""
    for cipher, key, size in (("AES_128", tools.aes, 8), ("TDES_2KEY", tools.tdes, 7)):
        arn = shared.put("D0", cipher, "B", key)
        data = "00" * size
        encrypted = {"PlainText": data, "EncryptionAttributes": symmetric(mode)}
        decrypted = {"CipherText": data, "DecryptionAttributes": symmetric(mode)}
        refusals = [
            await shared.refused(ENCRYPT, KeyIdentifier=arn, **encrypted),
            await shared.refused(DECRYPT, KeyIdentifier=arn, **decrypted),
        ]
        assert all("whole blocks" in refusal.message for refusal in refusals)


async def test_iv_is_one_block_of_the_cipher(shared: Any, tools: Any) -> None:
    """For every mode that has one; ECB looks at none."""
    for cipher, key, iv in (("AES_128", tools.aes, "00" * 8), ("TDES_2KEY", tools.tdes, "00" * 16)):
        arn = shared.put("D0", cipher, "B", key)
        members = {"KeyIdentifier": arn, "PlainText": PLAIN}
        for mode in ("CBC", "CFB", "CFB1", "OFB"):
            refusal = await shared.refused(
                ENCRYPT, **members, EncryptionAttributes=symmetric(mode, InitializationVector=iv)
            )
            assert refusal.message.startswith("InitializationVector")
        await shared.call(
            ENCRYPT, **members, EncryptionAttributes=symmetric("ECB", InitializationVector=iv)
        )


async def test_initialization_vector_default_is_zeros(shared: Any, tools: Any) -> None:
    """Left out, it is zeros."""
    arn = shared.put("D0", "AES_128", "B", tools.aes)
    answers = [
        await shared.call(
            ENCRYPT, KeyIdentifier=arn, PlainText=PLAIN, EncryptionAttributes=attributes
        )
        for attributes in (symmetric("CBC"), symmetric("CBC", InitializationVector="00" * 16))
    ]
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (dukpt(), "4AA4A867E464AAAD2163291CEEC9CB93"),
        (dukpt(DukptKeyVariant="REQUEST", Mode="CBC"), "4AA4A867E464AAAD2163291CEEC9CB93"),
        (dukpt(Mode="ECB"), "4AA4A867E464AAAD4AA4A867E464AAAD"),
        (dukpt(DukptKeyVariant="RESPONSE"), "F16AE66815983DE3EA7C28D058935B8E"),
    ],
)
async def test_dukpt(shared: Any, tools: Any, attributes: dict[str, Any], expected: str) -> None:
    """Request key and CBC unless said otherwise; the check value is the BDK's."""
    arn = shared.put("B0", "TDES_2KEY", "X", tools.tdes)
    answer = await shared.call(
        ENCRYPT, KeyIdentifier=arn, PlainText=PLAIN, EncryptionAttributes=attributes
    )
    assert answer == {"KeyArn": arn, "KeyCheckValue": "08D7B4", "CipherText": expected}
    answer = await shared.call(
        DECRYPT, KeyIdentifier=arn, CipherText=expected, DecryptionAttributes=attributes
    )
    assert answer["PlainText"] == PLAIN


async def test_aes_dukpt(shared: Any) -> None:
    """The published example, and every variant and type there and back."""
    ksn = "123456789012345600000001"
    arn = shared.put("B0", "AES_128", "N", "FEDCBA9876543210F1F1F1F1F1F1F1F1")
    answer = await shared.call(
        ENCRYPT,
        KeyIdentifier=arn,
        PlainText=b"4012345678909D987".hex() + "00" * 15,
        EncryptionAttributes=dukpt(KeySerialNumber=ksn),
    )
    assert answer["CipherText"] == (
        "E5AFA5B408A3310E3D779C8A9A2AE29448BD5B4232582090DB703AF647205A79"
    )
    seen = set()
    for variant in ("REQUEST", "RESPONSE", "BIDIRECTIONAL"):
        for kind in ("TDES_2KEY", "TDES_3KEY", "AES_128"):
            attributes = dukpt(
                KeySerialNumber=ksn, DukptKeyVariant=variant, DukptKeyDerivationType=kind
            )
            answer = await shared.call(
                ENCRYPT, KeyIdentifier=arn, PlainText=PLAIN, EncryptionAttributes=attributes
            )
            seen.add(answer["CipherText"])
            answer = await shared.call(
                DECRYPT,
                KeyIdentifier=arn,
                CipherText=answer["CipherText"],
                DecryptionAttributes=attributes,
            )
            assert answer["PlainText"] == PLAIN
    assert len(seen) == 9


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        (dukpt(DukptKeyVariant="BIDIRECTIONAL"), "DukptKeyVariant"),
        (dukpt(KeySerialNumber="123456789012345600000001"), "KeySerialNumber"),
        (dukpt(DukptKeyDerivationType="AES_128"), "DukptKeyDerivationType"),
        (dukpt(InitializationVector="00" * 16), "InitializationVector"),
    ],
)
async def test_dukpt_refusals(
    shared: Any, tools: Any, attributes: dict[str, Any], words: str
) -> None:
    """Under a TDES BDK."""
    refusal = await shared.refused(
        ENCRYPT,
        KeyIdentifier=shared.put("B0", "TDES_2KEY", "X", tools.tdes),
        PlainText=PLAIN,
        EncryptionAttributes=attributes,
    )
    assert refusal.message.startswith(words)


@pytest.mark.parametrize("code", ["E1", "E6"])
@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (emv(InitializationVector="1500000000000999"), "B41DCFAFC2E625A6FD1AEAB35EB9FE53"),
        (emv(Mode="CBC"), "F2792F6F5883160E86023D6B7403BA9D"),
        (emv(), "F2792F6F5883160E86023D6B7403BA9D"),
        (emv(Mode="ECB"), "F2792F6F5883160EF2792F6F5883160E"),
    ],
)
async def test_emv(
    shared: Any, tools: Any, code: str, attributes: dict[str, Any], expected: str
) -> None:
    """Under a session key of the card; CBC unless said otherwise."""
    arn = shared.put(code, "TDES_2KEY", "X", tools.tdes)
    answer = await shared.call(
        ENCRYPT, KeyIdentifier=arn, PlainText=PLAIN, EncryptionAttributes=attributes
    )
    assert answer["CipherText"] == expected
    answer = await shared.call(
        DECRYPT, KeyIdentifier=arn, CipherText=expected, DecryptionAttributes=attributes
    )
    assert answer["PlainText"] == PLAIN
    refusal = await shared.refused(
        ENCRYPT, KeyIdentifier=arn, PlainText="00" * 9, EncryptionAttributes=attributes
    )
    assert "whole blocks" in refusal.message


async def test_option_b_wants_a_long_pan(shared: Any, tools: Any) -> None:
    """As everywhere."""
    refusal = await shared.refused(
        ENCRYPT,
        KeyIdentifier=shared.put("E1", "TDES_2KEY", "X", tools.tdes),
        PlainText=PLAIN,
        EncryptionAttributes=emv(MajorKeyDerivationMode="EMV_OPTION_B"),
    )
    assert "EMV_OPTION_B" in refusal.message


# --- RSA ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def rsa_keys() -> dict[int, rsa.RSAPrivateKey]:
    return {size: rsa.generate_private_key(65537, size) for size in (2048, 3072)}


@pytest.fixture(scope="session")
def rsa_arns(shared: Any, rsa_keys: dict[int, rsa.RSAPrivateKey]) -> dict[int, str]:
    return {size: shared.put("D1", f"RSA_{size}", "B", key) for size, key in rsa_keys.items()}


ROOM = {
    "OAEP_SHA1": {2048: 428, 3072: 684},
    "OAEP_SHA256": {2048: 380, 3072: 636},
    "OAEP_SHA512": {2048: 252, 3072: 508},
    "PKCS1": {2048: 490, 3072: 746},
}


@pytest.mark.parametrize("padding_type", ROOM)
@pytest.mark.parametrize("size", [2048, 3072])
async def test_rsa_paddings_and_their_limits(
    shared: Any, rsa_arns: dict[int, str], padding_type: str, size: int
) -> None:
    """As much as the padding leaves room for goes there and back; a byte more does not."""
    arn = rsa_arns[size]
    attributes = {"Asymmetric": {"PaddingType": padding_type}}
    room = ROOM[padding_type][size]
    for digits in (2, room):
        plain = ("A5" * room)[:digits]
        answer = await shared.call(
            ENCRYPT, KeyIdentifier=arn, PlainText=plain, EncryptionAttributes=attributes
        )
        assert len(answer["CipherText"]) == size // 4
        answer = await shared.call(
            DECRYPT,
            KeyIdentifier=arn,
            CipherText=answer["CipherText"],
            DecryptionAttributes=attributes,
        )
        assert answer["PlainText"] == plain
    refusal = await shared.refused(
        ENCRYPT,
        KeyIdentifier=arn,
        PlainText="A5" * (room // 2 + 1),
        EncryptionAttributes=attributes,
    )
    assert "expected at most" in refusal.message


async def test_rsa_with_an_imported_public_key(
    shared: Any, rsa_keys: dict[int, rsa.RSAPrivateKey]
) -> None:
    """It encrypts what the owner reads, and decrypts nothing."""
    key = rsa_keys[2048]
    arn = shared.put("D1", "RSA_2048", "E", key, public=True)
    attributes = {"Asymmetric": {"PaddingType": "OAEP_SHA256"}}
    answer = await shared.call(
        ENCRYPT, KeyIdentifier=arn, PlainText=PLAIN, EncryptionAttributes=attributes
    )
    digest = hashes.SHA256()
    clear = key.decrypt(
        bytes.fromhex(answer["CipherText"]), padding.OAEP(padding.MGF1(digest), digest, None)
    )
    assert clear.hex() == PLAIN
    refusal = await shared.refused(
        DECRYPT,
        KeyIdentifier=arn,
        CipherText=answer["CipherText"],
        DecryptionAttributes=attributes,
    )
    assert refusal.message == NOT_ALLOWED


async def test_raw_rsa(shared: Any, rsa_keys: dict[int, Any], rsa_arns: dict[int, str]) -> None:
    """Without padding the number itself goes through, with zeros in front of short ones."""
    arn, raw = rsa_arns[2048], {"Asymmetric": {}}
    public = rsa_keys[2048].public_key().public_numbers()
    answer = await shared.call(
        ENCRYPT, KeyIdentifier=arn, PlainText=PLAIN, EncryptionAttributes=raw
    )
    expected = pow(int(PLAIN, 16), public.e, public.n)
    assert answer["CipherText"] == expected.to_bytes(256).hex().upper()
    answer = await shared.call(
        DECRYPT, KeyIdentifier=arn, CipherText=answer["CipherText"], DecryptionAttributes=raw
    )
    assert answer["PlainText"] == PLAIN.rjust(512, "0")
    modulus = public.n.to_bytes(256).hex()
    refusal = await shared.refused(
        ENCRYPT, KeyIdentifier=arn, PlainText=modulus, EncryptionAttributes=raw
    )
    assert "below the modulus" in refusal.message
    refusal = await shared.refused(
        DECRYPT, KeyIdentifier=arn, CipherText=modulus, DecryptionAttributes=raw
    )
    assert refusal.message == NOT_DECRYPTED


async def test_rsa_failures_are_one(
    shared: Any, rsa_keys: dict[int, Any], rsa_arns: dict[int, str]
) -> None:
    """Another key, another padding or changed bytes: one text; only the length is told."""
    arn = rsa_arns[2048]
    attributes = {"Asymmetric": {"PaddingType": "OAEP_SHA256"}}
    answer = await shared.call(
        ENCRYPT, KeyIdentifier=arn, PlainText=PLAIN, EncryptionAttributes=attributes
    )
    good = answer["CipherText"]
    modulus = rsa_keys[2048].public_key().public_numbers().n
    for text, padding_type in (
        (good[:-2] + f"{int(good[-2:], 16) ^ 1:02X}", "OAEP_SHA256"),
        (good, "OAEP_SHA1"),
        (good, "OAEP_SHA512"),
        ("00" * 256, "OAEP_SHA256"),
        (modulus.to_bytes(256).hex(), "OAEP_SHA256"),
        ("FF" * 256, "OAEP_SHA256"),
    ):
        refusal = await shared.refused(
            DECRYPT,
            KeyIdentifier=arn,
            CipherText=text,
            DecryptionAttributes={"Asymmetric": {"PaddingType": padding_type}},
        )
        assert refusal.message == NOT_DECRYPTED
    refusal = await shared.refused(
        DECRYPT, KeyIdentifier=arn, CipherText=good[2:], DecryptionAttributes=attributes
    )
    assert "expected 256" in refusal.message


# --- ReEncryptData -----------------------------------------------------------------------------


async def test_reencrypt_worked_example(shared: Any, tools: Any) -> None:
    """From DUKPT to a static AES key; the answer names the outgoing one."""
    bdk = shared.put("B0", "TDES_2KEY", "X", tools.tdes)
    aes = shared.put("D0", "AES_128", "B", tools.aes)
    answer = await shared.call(
        REENCRYPT,
        IncomingKeyIdentifier=bdk,
        OutgoingKeyIdentifier=aes,
        CipherText="4AA4A867E464AAAD2163291CEEC9CB93",
        IncomingEncryptionAttributes=dukpt(),
        OutgoingEncryptionAttributes=symmetric("CBC"),
    )
    assert answer == {"KeyArn": aes, "KeyCheckValue": "7AD386", "CipherText": AES_CBC}
    back = await shared.call(
        REENCRYPT,
        IncomingKeyIdentifier=aes,
        OutgoingKeyIdentifier=bdk,
        CipherText=AES_CBC,
        IncomingEncryptionAttributes=symmetric("CBC"),
        OutgoingEncryptionAttributes=dukpt(),
    )
    assert back["CipherText"] == "4AA4A867E464AAAD2163291CEEC9CB93"
    assert back["KeyArn"] == bdk


async def test_static_to_static_is_refused(shared: Any, tools: Any) -> None:
    """As the real service does, in its words."""
    aes = shared.put("D0", "AES_128", "B", tools.aes)
    refusal = await shared.refused(
        REENCRYPT,
        IncomingKeyIdentifier=aes,
        OutgoingKeyIdentifier=aes,
        CipherText=AES_CBC,
        IncomingEncryptionAttributes=symmetric("CBC"),
        OutgoingEncryptionAttributes=symmetric("ECB"),
    )
    assert refusal.message == NOT_ALLOWED


async def test_static_to_static_where_the_owner_allows_it(
    shared: Any, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two stored keys then do what they do on their own, and must be allowed to."""
    monkeypatch.setattr(shared, "rules", Rules(re_encrypt_between_stored_keys=True))
    aes = shared.put("D0", "AES_128", "B", tools.aes)
    attributes = {
        "IncomingEncryptionAttributes": symmetric("CBC"),
        "OutgoingEncryptionAttributes": symmetric("ECB"),
    }
    answer = await shared.call(
        REENCRYPT,
        IncomingKeyIdentifier=aes,
        OutgoingKeyIdentifier=aes,
        CipherText=AES_CBC,
        **attributes,
    )
    clear = await shared.call(
        DECRYPT, KeyIdentifier=aes, CipherText=AES_CBC, DecryptionAttributes=symmetric("CBC")
    )
    direct = await shared.call(
        ENCRYPT,
        KeyIdentifier=aes,
        PlainText=clear["PlainText"],
        EncryptionAttributes=symmetric("ECB"),
    )
    assert answer["CipherText"] == direct["CipherText"]
    pin_key = shared.put("P0", "AES_128", "B", tools.aes)
    refusal = await shared.refused(
        REENCRYPT,
        IncomingKeyIdentifier=aes,
        OutgoingKeyIdentifier=pin_key,
        CipherText=AES_CBC,
        **attributes,
    )
    assert refusal.message == NOT_ALLOWED


async def test_one_key_on_both_sides(shared: Any, tools: Any) -> None:
    """A change of transaction under one BDK."""
    bdk = shared.put("B0", "TDES_2KEY", "X", tools.tdes)
    answer = await shared.call(
        REENCRYPT,
        IncomingKeyIdentifier=bdk,
        OutgoingKeyIdentifier=bdk,
        CipherText="4AA4A867E464AAAD2163291CEEC9CB93",
        IncomingEncryptionAttributes=dukpt(),
        OutgoingEncryptionAttributes=dukpt(KeySerialNumber="FFFF9876543210E00002"),
    )
    answer = await shared.call(
        DECRYPT,
        KeyIdentifier=bdk,
        CipherText=answer["CipherText"],
        DecryptionAttributes=dukpt(KeySerialNumber="FFFF9876543210E00002"),
    )
    assert answer["PlainText"] == PLAIN


async def test_clear_text_must_fit_the_outgoing_mode(shared: Any, tools: Any) -> None:
    """Eight bytes of TDES are no block of AES."""
    bdk = shared.put("B0", "TDES_2KEY", "X", tools.tdes)
    aes = shared.put("D0", "AES_128", "B", tools.aes)
    members = {
        "IncomingKeyIdentifier": bdk,
        "OutgoingKeyIdentifier": aes,
        "CipherText": "4AA4A867E464AAAD",
        "IncomingEncryptionAttributes": dukpt(),
    }
    refusal = await shared.refused(
        REENCRYPT, **members, OutgoingEncryptionAttributes=symmetric("CBC")
    )
    assert "whole blocks" in refusal.message
    answer = await shared.call(REENCRYPT, **members, OutgoingEncryptionAttributes=symmetric("CFB"))
    assert len(answer["CipherText"]) == 16


@pytest.mark.parametrize("padding_type", ["PKCS1", "OAEP_SHA256"])
async def test_reencrypt_between_rsa_and_symmetric(
    shared: Any, tools: Any, rsa_arns: dict[int, str], padding_type: str
) -> None:
    """There and back; what RSA gave and the cipher could not take is no other failure."""
    rsa_arn = rsa_arns[2048]
    aes = shared.put("D0", "AES_128", "B", tools.aes)
    attributes = {"Asymmetric": {"PaddingType": padding_type}}
    answer = await shared.call(
        REENCRYPT,
        IncomingKeyIdentifier=aes,
        OutgoingKeyIdentifier=rsa_arn,
        CipherText=AES_CBC,
        IncomingEncryptionAttributes=symmetric("CBC"),
        OutgoingEncryptionAttributes=attributes,
    )
    back = {
        "IncomingKeyIdentifier": rsa_arn,
        "OutgoingKeyIdentifier": aes,
        "IncomingEncryptionAttributes": attributes,
        "OutgoingEncryptionAttributes": symmetric("CBC"),
    }
    answer = await shared.call(REENCRYPT, **back, CipherText=answer["CipherText"])
    assert answer["CipherText"] == AES_CBC
    odd = await shared.call(
        ENCRYPT, KeyIdentifier=rsa_arn, PlainText="00" * 9, EncryptionAttributes=attributes
    )
    refusal = await shared.refused(REENCRYPT, **back, CipherText=odd["CipherText"])
    assert refusal.message == NOT_DECRYPTED


@pytest.mark.parametrize(
    "attributes",
    [dukpt, emv, lambda: {"Asymmetric": {"PaddingType": "PKCS1"}}],
)
async def test_wrapped_keys_are_for_symmetric_data(
    shared: Any, tools: Any, attributes: Callable[[], dict[str, Any]]
) -> None:
    """Nothing else takes one."""
    refusal = await shared.refused(
        ENCRYPT,
        KeyIdentifier=shared.put("K0", "TDES_2KEY", "B", tools.tdes),
        PlainText=PLAIN,
        EncryptionAttributes=attributes(),
        WrappedKey={"WrappedKeyMaterial": {"Tr31KeyBlock": "B0" * 40}},
    )
    assert refusal.message.startswith("WrappedKey")

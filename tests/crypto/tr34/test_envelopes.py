"""What an envelope may look like, and that it opens or not without telling why."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from keyferry.crypto.ciphers import CipherKey
from keyferry.crypto.tr34 import (
    ContentCipher,
    Layout,
    build_enveloped_data,
    der,
    encode_key_block,
    issuer_and_serial,
    open_envelope,
    parse_envelope,
    parse_key_block,
)
from keyferry.errors import MalformedTokenError, TokenDecryptionError

KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
HEADER = "D9999K0TB00E0000"

SHA256 = "300D06096086480165030402010500"
SHA256_BARE = "300B0609608648016503040201"
SHA1 = "300906052B0E03021A0500"
MASK = "301A06092A864886F70D010108" + SHA256
MASK_BARE = "301806092A864886F70D010108" + SHA256_BARE
MASK_SHA1 = "301606092A864886F70D010108" + SHA1
LABEL = "300D06092A864886F70D0101090400"
LABEL_FULL = "300E06092A864886F70D010109040141"


def sequence(*members: str) -> str:
    """Encode a SEQUENCE of members in hex."""
    return der.sequence(*map(bytes.fromhex, members)).hex()


def explicit(number: int, member: str) -> str:
    """Put a member under an explicit tag."""
    return der.explicit(number, bytes.fromhex(member)).hex()


@pytest.fixture(scope="session")
def kdh_id(kdh: Any) -> bytes:
    """The sender's id."""
    return issuer_and_serial(kdh.certificate)


@pytest.fixture(scope="session")
def krd_id(krd: Any) -> bytes:
    """The receiver's id."""
    return issuer_and_serial(krd.certificate)


@pytest.fixture(scope="session")
def envelope_of(krd: Any, krd_id: bytes) -> Any:
    """A maker of envelopes by hand, with every part to be replaced; hex where not said."""

    def made(
        *,
        oaep: str = sequence(SHA256, MASK_BARE, LABEL),
        transport: str = "06092A864886F70D010107",
        cipher: str = "06082A864886F70D0307",
        iv: str = "0408" + "00" * 8,
        ciphertext: str = "8010" + "00" * 16,
        inside: bool = True,
        enclosed: bool = False,
        version: str = "020100",
        recipient_version: str = "020100",
        recipient_id: str = krd_id.hex(),
        recipients: int = 1,
        content_type: str = "06092A864886F70D010701",
        more: str = "",
        encrypted_key: bytes = bytes(256),
    ) -> bytes:
        recipient = sequence(
            recipient_version,
            recipient_id,
            sequence(transport, oaep),
            der.octet_string(encrypted_key).hex(),
        )
        content = (
            (sequence(cipher, iv, ciphertext),) if inside else (sequence(cipher, iv), ciphertext)
        )
        members = (
            version
            + der.encode(der.SET, bytes.fromhex(recipient) * recipients).hex()
            + sequence(content_type, *content)
            + more
        )
        data = bytes.fromhex(members)
        return der.encode(der.SEQUENCE, data) if enclosed else data

    return made


TAGGED = sequence(explicit(0, SHA256), explicit(1, MASK), explicit(2, LABEL))


@pytest.mark.parametrize(
    ("layout", "parts"),
    [
        (Layout.AWS, {}),
        (Layout.AWS, {"oaep": sequence(SHA256_BARE, MASK, LABEL)}),
        (Layout.PRINTED, {"enclosed": True}),
        (Layout.ERRATA, {"enclosed": True, "inside": False}),
        (Layout.CMS, {"enclosed": True, "inside": False, "oaep": TAGGED}),
        (
            Layout.CMS,
            {
                "enclosed": True,
                "inside": False,
                "oaep": sequence(explicit(0, SHA256_BARE), explicit(1, MASK_BARE)),
            },
        ),
    ],
)
def test_layouts_that_are_read(envelope_of: Any, layout: Layout, parts: Any) -> None:
    """NULL parameters may be there or not; CMS libraries leave an empty label out."""
    envelope = parse_envelope(envelope_of(**parts))
    assert envelope.layout is layout
    assert envelope.ciphertext == bytes(16)


@pytest.mark.parametrize(
    ("ciphertext", "found"),
    [
        ("A010" + "11" * 16, "11" * 16),
        ("A012" + "0410" + "11" * 16, "11" * 16),
        ("A0820103" + "0481FF" + "11" * 255, None),
        ("A00A" + "0408" + "04060000000000FF", "04060000000000FF"),
        ("A008" + "0406000000000000", "0406000000000000"),
        ("A006" + "0404" + "11" * 4, None),
        ("A0140408" + "11" * 8 + "0408" + "22" * 8, None),
        ("8100", None),
        ("8000", None),
        ("8007" + "11" * 7, None),
        ("A000", None),
        ("0410" + "11" * 16, None),
    ],
)
def test_ciphertext_tags(envelope_of: Any, ciphertext: str, found: str | None) -> None:
    """[0] primitive, [0] constructed with the bytes or one string of them, and nothing else."""
    envelope = envelope_of(ciphertext=ciphertext)
    if found is None:
        with pytest.raises(MalformedTokenError, match="ciphertext"):
            parse_envelope(envelope)
    else:
        assert parse_envelope(envelope).ciphertext == bytes.fromhex(found)


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"oaep": TAGGED}, "layout"),
        ({"inside": False}, "layout"),
        ({"enclosed": True, "oaep": TAGGED}, "layout"),
        ({"oaep": "3000"}, "OAEP hash"),
        ({"oaep": sequence(SHA1, MASK_BARE, LABEL)}, "OAEP hash"),
        ({"oaep": sequence(SHA256, MASK_SHA1, LABEL)}, "OAEP mask hash"),
        ({"oaep": sequence(SHA256, SHA256, LABEL)}, "OAEP mask"),
        ({"oaep": sequence(SHA256, MASK_BARE, LABEL_FULL)}, "OAEP label"),
        ({"oaep": sequence(SHA256, MASK_BARE)}, "OAEP label"),
        ({"oaep": sequence(SHA256, MASK_BARE, LABEL, "0500")}, "OAEP parameters"),
        ({"oaep": sequence(explicit(0, SHA256), MASK_BARE, LABEL)}, "OAEP mask"),
        ({"oaep": sequence(explicit(1, MASK), explicit(2, LABEL))}, "OAEP hash"),
        ({"oaep": sequence(explicit(0, SHA256 + "0500"), explicit(1, MASK))}, "OAEP hash"),
        ({"oaep": sequence(SHA256[:-4] + "0501" + "00", MASK_BARE, LABEL)}, "OAEP hash"),
        ({"transport": "06092A864886F70D010101"}, "key transport algorithm"),
        ({"cipher": "06052B0E030207", "iv": "0408" + "00" * 8}, "content cipher"),
        ({"cipher": "060960864801650304012A"}, "content cipher"),
        ({"iv": "0407" + "00" * 7}, "content IV"),
        ({"cipher": "0609608648016503040102"}, "content IV"),
        ({"version": "020102"}, "enveloped data version"),
        ({"recipient_version": "020102"}, "recipient version"),
        ({"recipient_id": "80022222"}, "recipient id"),
        ({"recipient_id": "3000"}, "recipient id issuer"),
        ({"recipients": 0}, "recipient"),
        ({"recipients": 2}, "recipients"),
        ({"content_type": "06092A864886F70D010702"}, "encrypted content type"),
        ({"more": "A1020500"}, "enveloped data"),
        ({"enclosed": True, "more": "A1020500"}, "enveloped data"),
    ],
)
def test_envelopes_that_are_refused(envelope_of: Any, parts: Any, field: str) -> None:
    """Each departure from the four layouts is refused and named."""
    with pytest.raises(MalformedTokenError) as caught:
        parse_envelope(envelope_of(**parts))
    assert caught.value.field == field


def test_offsets_are_those_of_the_token(envelope_of: Any) -> None:
    """An envelope inside a token is told where it stands."""
    with pytest.raises(MalformedTokenError) as caught:
        parse_envelope(envelope_of(version="020102"), offset=1000)
    assert caught.value.offset == 1000


# --- opening ------------------------------------------------------------------------------------

CONTENT_KEY = bytes(range(24))
OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


@pytest.fixture(scope="session")
def envelope_with(krd: Any, envelope_of: Any) -> Any:
    """A maker of parsed envelopes with a given clear content and content key."""

    def made(clear: bytes, *, content_key: bytes = CONTENT_KEY, wrapped: Any = None) -> Any:
        cipher = CipherKey(ContentCipher.TDES.cipher, CONTENT_KEY)
        ciphertext = der.encode(0x80, cipher.encrypt_cbc(clear, bytes(8)))
        public_key = krd.key.public_key()
        encrypted = public_key.encrypt(content_key, OAEP) if wrapped is None else wrapped
        return parse_envelope(envelope_of(ciphertext=ciphertext.hex(), encrypted_key=encrypted))

    return made


def padded(block: bytes) -> bytes:
    """Pad as PKCS #7 says."""
    count = 8 - len(block) % 8
    return block + bytes((count,)) * count


def block_of(kdh_id: bytes, *, aligned: bool | None = None, version: int = 1) -> bytes:
    """Encode a key block; with `aligned`, of a length that ends on a cipher block or not."""
    for size in range(16, 24):
        block = encode_key_block(key=bytes(size), header=HEADER, kdh_id=kdh_id)
        if aligned is None or (len(block) % 8 == 0) == aligned:
            return block.replace(b"\x02\x01\x01", bytes((2, 1, version)), 1)
    raise AssertionError


@pytest.mark.parametrize("version", [0, 1])
def test_both_versions_of_the_key_block_open(
    krd: Any, kdh_id: bytes, envelope_with: Any, version: int
) -> None:
    """The ASN.1 says 0, every sample writes 1."""
    envelope = envelope_with(padded(block_of(kdh_id, version=version)))
    assert open_envelope(envelope, krd.key).version == version


def test_a_block_on_the_border_may_lack_padding(
    krd: Any, kdh_id: bytes, envelope_with: Any
) -> None:
    """One published sample pads only when needed."""
    block = block_of(kdh_id, aligned=True)
    assert open_envelope(envelope_with(block), krd.key) == parse_key_block(block)
    assert open_envelope(envelope_with(padded(block)), krd.key) == parse_key_block(block)


def test_every_failure_inside_is_one_error(
    krd: Any, kdh_id: bytes, envelope_with: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same class, same words, no cause to look up, and the content is decrypted every time."""
    good = block_of(kdh_id)
    uneven = block_of(kdh_id, aligned=False)
    pkcs1 = krd.key.public_key().encrypt(CONTENT_KEY, padding.PKCS1v15())
    failing = [
        envelope_with(padded(good), wrapped=bytes(256)),
        envelope_with(padded(good), wrapped=b"\xff" * 256),
        envelope_with(padded(good), wrapped=b"short"),
        envelope_with(padded(good), wrapped=pkcs1),
        envelope_with(padded(good), content_key=CONTENT_KEY[:16]),
        envelope_with(padded(good), content_key=CONTENT_KEY + b"more"),
        envelope_with(padded(good), content_key=bytes(24)),
        envelope_with(padded(good)[:-1] + b"\x00"),
        envelope_with(uneven + b"\x00" * (-len(uneven) % 8)),
        envelope_with(padded(good) + b"\x08" * 8),
        envelope_with(bytes(64)),
        envelope_with(padded(b"\x30\x00")),
        envelope_with(padded(block_of(kdh_id, version=2))),
        envelope_with(padded(good[:-1])),
    ]
    decrypted: list[int] = []
    original = CipherKey.decrypt_cbc

    def counting(self: CipherKey, data: bytes, iv: bytes) -> bytes:
        decrypted.append(len(data))
        return original(self, data, iv)

    monkeypatch.setattr(CipherKey, "decrypt_cbc", counting)
    for envelope in failing:
        with pytest.raises(TokenDecryptionError) as caught:
            open_envelope(envelope, krd.key)
        assert str(caught.value) == "TR-34 envelope does not open"
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
    assert decrypted == [len(envelope.ciphertext) for envelope in failing]


def test_a_guessed_stand_in_key_does_not_open_anything(
    krd: Any, kdh_id: bytes, envelope_with: Any
) -> None:
    """Even if the stand-in happened to be the content key, a failed OAEP stays a failure."""
    envelope = envelope_with(padded(block_of(kdh_id)), wrapped=bytes(256))
    with pytest.raises(TokenDecryptionError):
        open_envelope(envelope, krd.key, random_bytes=lambda _: CONTENT_KEY)


@pytest.mark.parametrize(
    ("block", "field"),
    [
        ("", "key block"),
        ("3100", "key block"),
        ("30030201013000", "key block"),
        ("3003020103", "key block version"),
        ("3003020101", "key block KDH id"),
    ],
)
def test_key_blocks_that_are_refused(block: str, field: str) -> None:
    """Unencrypted, a block says what is wrong with it."""
    with pytest.raises(MalformedTokenError) as caught:
        parse_key_block(bytes.fromhex(block))
    assert caught.value.field == field


def test_headers_must_be_printable(kdh_id: bytes, krd: Any, krd_id: bytes) -> None:
    """A header that is no text is refused when written and when read."""
    with pytest.raises(MalformedTokenError, match="printable ASCII"):
        build_enveloped_data(
            key=KEY,
            header="D9999K0TB00E000\n",
            kdh_id=kdh_id,
            krd_id=krd_id,
            krd_public_key=krd.key.public_key(),
            content_cipher=ContentCipher.TDES,
        )
    block = encode_key_block(key=KEY, header=HEADER, kdh_id=kdh_id)
    with pytest.raises(MalformedTokenError, match="printable ASCII"):
        parse_key_block(block.replace(b"D9999", b"D\x009\xff9"))

"""Building and opening whole tokens, and the order of what is checked."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from hypothesis import given, settings
from hypothesis import strategies as st
from pyasn1.codec.der import decoder
from pyasn1.type import namedtype, tag, univ

from keyferry.crypto.tr34 import (
    ContentCipher,
    Layout,
    assemble_token,
    build_enveloped_data,
    build_signed_attributes,
    build_token,
    der,
    encode_key_block,
    envelope_members,
    issuer_and_serial,
    issuer_and_serial_of,
    open_token,
    parse_header,
    parse_key_block,
    parse_signed_attributes,
    parse_token,
)
from keyferry.errors import (
    CertificateChainError,
    CertificateKeyError,
    CertificateUsageError,
    CertificateValidityError,
    KeySizeError,
    KeyStrengthError,
    MalformedCertificateError,
    MalformedTokenError,
    TokenBindingError,
    TokenDecryptionError,
    TokenNonceError,
    TokenRecipientError,
    TokenSignatureError,
    UnsupportedAlgorithmError,
)

TDES_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
AES_KEY = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
HEADER = "D9999K0TB00E0000"
AES_HEADER = "D9999K1AB00E0000"
NONCE = bytes.fromhex("167EB0E72781E494")
LONG_NONCE = bytes.fromhex("167EB0E72781E4940112233445566778")


def make(kdh: Any, krd: Any, **changes: Any) -> bytes:
    """Build a two-pass token of a TDES key, with changes."""
    arguments: dict[str, Any] = {
        "key": TDES_KEY,
        "header": HEADER,
        "kdh_certificate": kdh.certificate,
        "kdh_private_key": kdh.key,
        "krd_certificate": krd.certificate,
        "nonce": NONCE,
        "content_cipher": ContentCipher.TDES,
    }
    return build_token(**(arguments | changes))


def take(token: bytes, kdh: Any, krd: Any, **changes: Any) -> Any:
    """Open a token as the KRD it was made for."""
    arguments: dict[str, Any] = {
        "kdh_certificate": kdh.certificate,
        "krd_certificate": krd.certificate,
        "krd_private_key": krd.key,
        "nonce": NONCE,
    }
    return open_token(token, **(arguments | changes))


def signed(kdh: Any, krd: Any, *, envelope: Any = None, attributes: Any = None) -> bytes:
    """Assemble a token whose signature is right over an envelope or attributes of our making."""
    kdh_id = issuer_and_serial(kdh.certificate)
    econtent = envelope or build_enveloped_data(
        key=TDES_KEY,
        header=HEADER,
        kdh_id=kdh_id,
        krd_id=issuer_and_serial(krd.certificate),
        krd_public_key=krd.key.public_key(),
        content_cipher=ContentCipher.TDES,
    )
    attributes_set = (
        attributes(econtent)
        if attributes
        else build_signed_attributes(econtent=econtent, header=HEADER, nonce=NONCE)
    )
    return assemble_token(
        econtent=econtent,
        attributes_set=attributes_set,
        kdh_id=kdh_id,
        signature=kdh.key.sign(attributes_set, padding.PKCS1v15(), hashes.SHA256()),
    )


@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize("nonce", [NONCE, LONG_NONCE])
def test_two_pass_tokens_come_back(kdh: Any, krd: Any, layout: Layout, nonce: bytes) -> None:
    """What was sent arrives, in every layout and with either length of nonce."""
    token = make(kdh, krd, layout=layout, nonce=nonce)
    opened = take(token, kdh, krd, nonce=nonce)
    assert (opened.key, opened.header) == (TDES_KEY, HEADER)
    assert (opened.layout, opened.nonce, opened.signing_time) == (layout, nonce, None)
    assert opened.content_cipher is ContentCipher.TDES


@pytest.mark.parametrize("layout", [Layout.AWS, Layout.CMS])
def test_one_pass_tokens_come_back(kdh: Any, krd: Any, now: datetime, layout: Layout) -> None:
    """A signing time takes the place of the nonce."""
    token = make(kdh, krd, layout=layout, nonce=None, signing_time=now)
    opened = take(token, kdh, krd, nonce=None)
    assert (opened.key, opened.signing_time, opened.nonce) == (TDES_KEY, now, None)


@pytest.mark.parametrize("year", [1949, 1950, 1999, 2049, 2050, 2105])
def test_signing_times_of_every_century_come_back(
    kdh: Any, krd: Any, now: datetime, year: int
) -> None:
    """UTCTime ends in 2049; before 1950 and after it GeneralizedTime stands in."""
    moment = now.replace(year=year)
    token = make(kdh, krd, nonce=None, signing_time=moment)
    assert parse_token(token).signing_time == moment


@pytest.mark.parametrize(
    ("key", "header", "content_cipher"),
    [
        (TDES_KEY, HEADER, ContentCipher.AES128),
        (TDES_KEY + b"12345678", "A0256P0TE00N0000", ContentCipher.TDES),
        (AES_KEY, AES_HEADER, ContentCipher.AES128),
        (AES_KEY * 2, "D0256K0AB01S0000", ContentCipher.AES128),
        (TDES_KEY, "B9999B0TX00E0100KS1800604B120F9292800000", ContentCipher.TDES),
    ],
)
def test_keys_and_headers_of_every_kind(
    kdh: Any, krd: Any, key: bytes, header: str, content_cipher: ContentCipher
) -> None:
    """TDES under AES-128 is allowed, and a header may have optional blocks behind it."""
    token = make(kdh, krd, key=key, header=header, content_cipher=content_cipher)
    opened = take(token, kdh, krd)
    assert (opened.key, opened.header) == (key, header)
    assert opened.content_cipher is content_cipher


def test_randomness_is_an_argument(kdh: Any, krd: Any) -> None:
    """Content key and IV come from `random_bytes`, so only OAEP's own seed differs."""
    drawn: list[int] = []

    def random_bytes(size: int) -> bytes:
        drawn.append(size)
        return bytes(range(size))

    first = parse_token(make(kdh, krd, random_bytes=random_bytes)).envelope
    second = parse_token(make(kdh, krd, random_bytes=random_bytes)).envelope
    assert drawn == [24, 8, 24, 8]
    assert first.ciphertext == second.ciphertext
    assert first.encrypted_key != second.encrypted_key


class Algorithm(univ.SequenceOf):
    """An AlgorithmIdentifier or anything else whose members are looked at one by one."""

    componentType = univ.Any()  # noqa: N815 - pyasn1's name


def explicit(inner: Any) -> Any:
    """Return a pyasn1 type under [0] EXPLICIT."""
    return inner.subtype(explicitTag=tag.Tag(tag.tagClassContext, tag.tagFormatConstructed, 0))


def record(*types: Any) -> Any:
    """Return a pyasn1 SEQUENCE type of these members."""
    names = [namedtype.NamedType(f"member-{index}", kind) for index, kind in enumerate(types)]
    return univ.Sequence(componentType=namedtype.NamedTypes(*names))


def set_of(inner: Any) -> Any:
    """Return a pyasn1 SET OF type."""
    return univ.SetOf(componentType=inner)


OID, INTEGER, OCTETS, ANY = (
    univ.ObjectIdentifier(),
    univ.Integer(),
    univ.OctetString(),
    univ.Any(),
)
ATTRIBUTES = set_of(record(OID, set_of(ANY))).subtype(
    implicitTag=tag.Tag(tag.tagClassContext, tag.tagFormatConstructed, 0)
)
IDENTIFIER = record(ANY, INTEGER)
SIGNER = record(INTEGER, IDENTIFIER, Algorithm(), ATTRIBUTES, Algorithm(), OCTETS)
SIGNED_DATA = record(
    INTEGER, set_of(Algorithm()), record(OID, explicit(univ.OctetString())), set_of(SIGNER)
)
TOKEN = record(OID, explicit(SIGNED_DATA))
CIPHERTEXT = univ.OctetString().subtype(
    implicitTag=tag.Tag(tag.tagClassContext, tag.tagFormatSimple, 0)
)

SHA256_OID = bytes.fromhex("0609608648016503040201")
NULL = bytes.fromhex("0500")


def test_layout_aws_element_by_element(kdh: Any, krd: Any) -> None:
    """A second DER reader walks the token as the published export client does."""
    content_info, rest = decoder.decode(make(kdh, krd), asn1Spec=TOKEN)
    assert (str(content_info[0]), rest) == ("1.2.840.113549.1.7.2", b"")
    signed_data = content_info[1]
    assert int(signed_data[0]) == 1
    assert [list(map(bytes, one)) for one in signed_data[1]] == [[SHA256_OID]]  # no NULL
    assert str(signed_data[2][0]) == "1.2.840.113549.1.7.3"
    econtent = bytes(signed_data[2][1])
    (signer,) = signed_data[3]
    assert int(signer[0]) == 1
    assert bytes(signer[1][0]) == kdh.certificate.issuer.public_bytes()
    assert int(signer[1][1]) == kdh.certificate.serial_number
    assert list(map(bytes, signer[2])) == [SHA256_OID]  # no NULL
    rsa_encryption = bytes.fromhex("06092A864886F70D010101")
    assert list(map(bytes, signer[4])) == [rsa_encryption, NULL]
    assert [str(attribute[0]) for attribute in signer[3]] == [
        "1.2.840.113549.1.9.3",
        "1.2.840.113549.1.9.25.3",
        "1.2.840.113549.1.7.1",
        "1.2.840.113549.1.9.4",
    ]
    values = [[bytes(value) for value in attribute[1]] for attribute in signer[3]]
    assert values == [
        [bytes.fromhex("06092A864886F70D010703")],
        [b"\x04\x08" + NONCE],
        [b"\x04\x10" + HEADER.encode()],
        [b"\x04\x20" + hashlib.sha256(econtent).digest()],
    ]

    version, rest = decoder.decode(econtent, asn1Spec=INTEGER)
    assert int(version) == 0
    recipient_type = record(INTEGER, IDENTIFIER, record(OID, Algorithm()), OCTETS)
    (recipient,), rest = decoder.decode(rest, asn1Spec=set_of(recipient_type))
    assert int(recipient[0]) == 0
    assert bytes(recipient[1][0]) == krd.certificate.issuer.public_bytes()
    assert int(recipient[1][1]) == krd.certificate.serial_number
    assert str(recipient[2][0]) == "1.2.840.113549.1.1.7"
    assert list(map(bytes, recipient[2][1])) == [
        bytes.fromhex("300D0609608648016503040201" + "0500"),  # no [0], with NULL
        bytes.fromhex("301806092A864886F70D010108" + "300B0609608648016503040201"),  # no NULL
        bytes.fromhex("300D06092A864886F70D010109" + "0400"),
    ]
    assert len(bytes(recipient[3])) == 256
    info, rest = decoder.decode(rest, asn1Spec=record(OID, record(OID, OCTETS, CIPHERTEXT)))
    assert (str(info[0]), rest) == ("1.2.840.113549.1.7.1", b"")
    assert str(info[1][0]) == "1.2.840.113549.3.7"
    assert len(bytes(info[1][1])) == 8
    assert len(bytes(info[1][2])) % 8 == 0


def test_layout_cms_sorts_its_attributes(kdh: Any, krd: Any) -> None:
    """With 16 bytes of nonce the customary order is not DER's; CMS writes DER's."""
    arguments = {"econtent": b"any", "header": HEADER, "nonce": LONG_NONCE}
    aws = build_signed_attributes(**arguments, layout=Layout.AWS)
    cms = build_signed_attributes(**arguments, layout=Layout.CMS)
    assert aws != cms
    decoded, _ = decoder.decode(cms, asn1Spec=univ.SetOf(componentType=univ.Any()))
    members = [bytes(member) for member in decoded]
    assert members == sorted(members)
    assert parse_signed_attributes(aws).nonce == parse_signed_attributes(cms).nonce == LONG_NONCE


def test_a_device_that_hands_out_the_parts(kdh: Any, krd: Any) -> None:
    """An HSM returns EnvelopedData with its SEQUENCE and digests its members: strip, assemble."""
    kdh_id = issuer_and_serial(kdh.certificate)
    members = build_enveloped_data(
        key=TDES_KEY,
        header=HEADER,
        kdh_id=kdh_id,
        krd_id=issuer_and_serial_of(
            krd.certificate.issuer.public_bytes(), krd.certificate.serial_number
        ),
        krd_public_key=krd.key.public_key(),
        content_cipher=ContentCipher.TDES,
    )
    handed_out = der.encode(der.SEQUENCE, members)
    attributes_set = build_signed_attributes(econtent=members, header=HEADER, nonce=NONCE)
    token = assemble_token(
        econtent=envelope_members(handed_out),
        attributes_set=attributes_set,
        kdh_id=kdh_id,
        signature=kdh.key.sign(attributes_set, padding.PKCS1v15(), hashes.SHA256()),
    )
    assert take(token, kdh, krd).key == TDES_KEY
    with pytest.raises(MalformedTokenError, match="layout"):
        assemble_token(
            econtent=handed_out,
            attributes_set=attributes_set,
            kdh_id=kdh_id,
            signature=b"",
        )


def test_a_token_tells_about_itself_without_a_key(kdh: Any, krd: Any) -> None:
    """Shape only: whom it names, what it carries, in which layout."""
    parsed = parse_token(make(kdh, krd))
    assert parsed.signer_id == issuer_and_serial(kdh.certificate)
    assert parsed.recipient_id == issuer_and_serial(krd.certificate)
    assert (parsed.header, parsed.nonce) == (HEADER, NONCE)
    assert (parsed.layout, parsed.content_cipher) == (Layout.AWS, ContentCipher.TDES)


def test_nothing_prints_a_key(kdh: Any, krd: Any) -> None:
    """Reprs of what is opened and parsed hold neither key nor ciphertext."""
    token = make(kdh, krd, random_bytes=bytes)
    opened = take(token, kdh, krd)
    block = parse_key_block(
        encode_key_block(key=TDES_KEY, header=HEADER, kdh_id=issuer_and_serial(kdh.certificate))
    )
    for thing in (opened, block, parse_token(token)):
        assert repr(TDES_KEY) not in repr(thing)
        assert TDES_KEY.hex() not in repr(thing).lower()
    assert block.key == TDES_KEY


# --- what is refused, with which cause ----------------------------------------------------------

CAUSES = {
    "signature": TokenSignatureError,
    "digest": TokenSignatureError,
    "signer identifier": TokenSignatureError,
    "nonce": TokenNonceError,
    "recipient identifier": TokenRecipientError,
    "headers differ": TokenBindingError,
    "key block KDH": TokenBindingError,
    "key block": TokenDecryptionError,
    "encoding": MalformedTokenError,
    "content type": MalformedTokenError,
    "digest algorithm": MalformedTokenError,
    "key transport algorithm": MalformedTokenError,
    "header length": MalformedTokenError,
    "key length": KeySizeError,
    "certificate chain": CertificateChainError,
    "certificate validity": CertificateValidityError,
}


def test_each_published_refusal_has_its_cause(
    document: dict[str, Any], parties: dict[str, Any], now: datetime
) -> None:
    """Every must-fail case of the vectors is refused for the reason it names."""
    seen = set()
    for case in document["cases"]:
        if case.get("expect") != "error":
            continue
        seen.add(case["reason"])
        with pytest.raises(CAUSES[case["reason"]]):
            open_token(
                bytes.fromhex(case["token"]),
                kdh_certificate=parties[case["kdh"]].certificate,
                krd_certificate=parties[case["krd"]].certificate,
                krd_private_key=parties[case["krd"]].key,
                nonce=bytes.fromhex(case["nonce"]) if case["nonce"] else None,
                kdh_ca=parties[case["kdh_ca"]].certificate,
                now=now,
            )
    assert seen == set(CAUSES)


@pytest.mark.parametrize(
    ("token_nonce", "agreed"),
    [(NONCE, None), (NONCE, LONG_NONCE), (NONCE, b"87654321"), (LONG_NONCE, NONCE)],
)
def test_the_nonce_must_be_the_one_agreed_on(
    kdh: Any, krd: Any, token_nonce: bytes, agreed: bytes | None
) -> None:
    """A nonce nobody gave out is refused just as a wrong one."""
    with pytest.raises(TokenNonceError):
        take(make(kdh, krd, nonce=token_nonce), kdh, krd, nonce=agreed)


def test_a_one_pass_token_does_not_pass_for_two_pass(kdh: Any, krd: Any, now: datetime) -> None:
    """Without a nonce there is no freshness, and one was agreed on."""
    with pytest.raises(TokenNonceError, match="no random nonce"):
        take(make(kdh, krd, nonce=None, signing_time=now), kdh, krd)


@pytest.mark.parametrize("size", [0, 7, 17])
def test_nonces_have_8_to_16_bytes(kdh: Any, krd: Any, size: int) -> None:
    """Building and opening refuse other lengths, before anything else is done."""
    with pytest.raises(TokenNonceError, match=f"{size} bytes"):
        make(kdh, krd, nonce=bytes(size))
    with pytest.raises(TokenNonceError, match=f"{size} bytes"):
        take(b"", kdh, krd, nonce=bytes(size))


def test_nonce_or_signing_time_but_not_both(kdh: Any, krd: Any, now: datetime) -> None:
    """A token is one-pass or two-pass."""
    with pytest.raises(TokenNonceError):
        make(kdh, krd, nonce=None)
    with pytest.raises(TokenNonceError):
        make(kdh, krd, signing_time=now)


def test_a_layout_can_be_left_out(kdh: Any, krd: Any) -> None:
    """A strict receiver names what it accepts."""
    token = make(kdh, krd, layout=Layout.CMS)
    with pytest.raises(MalformedTokenError, match="layout at offset 0: expected aws"):
        take(token, kdh, krd, layouts=frozenset({Layout.AWS}))


def test_the_private_key_must_belong_to_the_krd_certificate(
    kdh: Any, krd: Any, parties: dict[str, Any]
) -> None:
    """The most common mistake of a receiver gets its own words."""
    with pytest.raises(CertificateKeyError, match="KRD certificate"):
        take(make(kdh, krd), kdh, krd, krd_private_key=parties["krd_3072"].key)
    with pytest.raises(CertificateKeyError, match="KDH certificate"):
        make(kdh, krd, kdh_private_key=krd.key)


def test_certificates_keep_to_their_part(kdh: Any, krd: Any) -> None:
    """With one authority for both, only keyUsage tells a KRD certificate from a KDH's."""
    with pytest.raises(CertificateUsageError, match="KDH certificate"):
        make(krd, krd)
    with pytest.raises(CertificateUsageError, match="KRD certificate"):
        make(kdh, kdh)
    with pytest.raises(CertificateUsageError, match="KDH certificate"):
        take(make(kdh, krd), krd, krd)


def test_now_is_required_with_an_authority(kdh: Any, krd: Any, parties: dict[str, Any]) -> None:
    """Nothing here reads a clock."""
    with pytest.raises(TypeError, match="now"):
        take(b"", kdh, krd, kdh_ca=parties["ca_kdh"].certificate)


@pytest.mark.parametrize(
    ("key", "header", "error"),
    [
        (bytes(8), HEADER, KeySizeError),
        (bytes(20), HEADER, KeySizeError),
        (b"", HEADER, KeySizeError),
        (bytes(20), AES_HEADER, KeySizeError),
        (AES_KEY, AES_HEADER, KeyStrengthError),
        (bytes(64), "D9999M7HC00E0000", UnsupportedAlgorithmError),
        (TDES_KEY, HEADER[:15], MalformedTokenError),
        (TDES_KEY, HEADER + "0", MalformedTokenError),
        (TDES_KEY, "D9999K0TB00E0100KS18", MalformedTokenError),
        (TDES_KEY, "D9999K0TB00Z0000", MalformedTokenError),
        (TDES_KEY, "", MalformedTokenError),
        (TDES_KEY, "D9999K0TB00E000é", MalformedTokenError),
    ],
)
def test_what_is_not_built(
    kdh: Any, krd: Any, key: bytes, header: str, error: type[Exception]
) -> None:
    """Key, header and content cipher must fit each other before anything is wrapped."""
    with pytest.raises(error):
        make(kdh, krd, key=key, header=header)


def test_an_aes_key_does_not_arrive_under_tdes(kdh: Any, krd: Any) -> None:
    """A sender with other rules is refused, after everything else was right."""
    econtent = build_enveloped_data(
        key=AES_KEY,
        header=AES_HEADER,
        kdh_id=issuer_and_serial(kdh.certificate),
        krd_id=issuer_and_serial(krd.certificate),
        krd_public_key=krd.key.public_key(),
        content_cipher=ContentCipher.TDES,
    )
    token = signed(
        kdh,
        krd,
        envelope=econtent,
        attributes=lambda content: build_signed_attributes(
            econtent=content, header=AES_HEADER, nonce=NONCE
        ),
    )
    with pytest.raises(KeyStrengthError):
        take(token, kdh, krd)


@pytest.mark.parametrize("header", ["09999K0TB00E0000", "ZxxxxK0TB00E0000", "A0256K0TB00E0000"])
def test_version_and_length_of_a_header_mean_nothing(header: str) -> None:
    """Senders write what they like there."""
    parsed = parse_header(header)
    assert (parsed.usage, parsed.algorithm.value, parsed.mode.value) == ("K0", "T", "B")


# --- a right signature over a wrong content -----------------------------------------------------


def attributes_of(*members: tuple[str, str]) -> Any:
    """Return a maker of attributes from pairs of OID content and values, in hex."""

    def made(econtent: bytes) -> bytes:
        digest = der.octet_string(hashlib.sha256(econtent).digest()).hex()
        return der.set_of(
            der.sequence(
                der.oid(bytes.fromhex(oid)),
                der.encode(der.SET, bytes.fromhex(values.replace("DIGEST", digest))),
            )
            for oid, values in members
        )

    return made


TYPE = ("2A864886F70D010903", "06092A864886F70D010703")
FRESH = ("2A864886F70D01091903", "0408" + NONCE.hex())
HEAD = ("2A864886F70D010701", "0410" + HEADER.encode().hex())
DIGEST = ("2A864886F70D010904", "DIGEST")


def test_attributes_are_verified_as_received(kdh: Any, krd: Any) -> None:
    """No order is demanded, and none is made: the signature covers the bytes as sent."""
    token = signed(kdh, krd, attributes=attributes_of(DIGEST, HEAD, FRESH, TYPE))
    assert take(token, kdh, krd).key == TDES_KEY


def test_an_attribute_we_do_not_know_is_signed_and_ignored(kdh: Any, krd: Any) -> None:
    """CMS libraries add capabilities; they change nothing."""
    capabilities = ("2A864886F70D01090F", "3000")
    token = signed(kdh, krd, attributes=attributes_of(TYPE, FRESH, HEAD, DIGEST, capabilities))
    assert take(token, kdh, krd).key == TDES_KEY


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ((FRESH, HEAD, DIGEST), MalformedTokenError),  # no contentType
        ((TYPE, FRESH, DIGEST), MalformedTokenError),  # no header
        ((TYPE, FRESH, HEAD), MalformedTokenError),  # no digest
        ((TYPE, FRESH, HEAD, DIGEST, HEAD), MalformedTokenError),  # one twice
        ((TYPE, FRESH, (HEAD[0], HEAD[1] * 2), DIGEST), MalformedTokenError),  # two values
        ((TYPE, FRESH, (HEAD[0], ""), DIGEST), MalformedTokenError),  # no value
        ((TYPE, (FRESH[0], "0407" + "00" * 7), HEAD, DIGEST), MalformedTokenError),
        ((TYPE, FRESH, (HEAD[0], "0400"), DIGEST), MalformedTokenError),
        (
            (TYPE, FRESH, (HEAD[0], "041000" + HEADER[1:].encode().hex()), DIGEST),
            MalformedTokenError,
        ),
        (((TYPE[0], "06092A864886F70D010701"), FRESH, HEAD, DIGEST), TokenSignatureError),
        ((TYPE, FRESH, HEAD, (DIGEST[0], "0420" + "00" * 32)), TokenSignatureError),
        ((TYPE, FRESH, HEAD, (DIGEST[0], "0400")), TokenSignatureError),
    ],
)
def test_attributes_that_are_refused(
    kdh: Any, krd: Any, members: Any, error: type[Exception]
) -> None:
    """A right signature does not make wrong attributes right."""
    with pytest.raises(error):
        take(signed_raw(kdh, krd, attributes_of(*members)), kdh, krd)


def signed_raw(kdh: Any, krd: Any, attributes: Any) -> bytes:
    """Assemble by hand, since `assemble_token` refuses bad attributes itself."""
    template = make(kdh, krd)
    parsed = parse_token(template)
    attributes_set = attributes(parsed.econtent)
    signer = der.sequence(
        der.integer(1),
        parsed.signer_id,
        der.sequence(der.oid(bytes.fromhex("608648016503040201"))),
        b"\xa0" + attributes_set[1:],
        der.sequence(der.oid(bytes.fromhex("2A864886F70D010101")), der.null()),
        der.octet_string(kdh.key.sign(attributes_set, padding.PKCS1v15(), hashes.SHA256())),
    )
    signed_data = der.sequence(
        der.integer(1),
        der.set_of([der.sequence(der.oid(bytes.fromhex("608648016503040201")))]),
        der.sequence(
            der.oid(bytes.fromhex("2A864886F70D010703")),
            der.explicit(0, der.octet_string(parsed.econtent)),
        ),
        der.set_of([signer]),
    )
    return der.sequence(der.oid(bytes.fromhex("2A864886F70D010702")), der.explicit(0, signed_data))


@pytest.mark.parametrize(
    "text",
    ["170D3235303630313132303030305A", "180F32303235303630313132303030305A"],
)
def test_both_forms_of_a_signing_time_are_read(
    kdh: Any, krd: Any, now: datetime, text: str
) -> None:
    """UTCTime and GeneralizedTime of the same moment."""
    token = signed(
        kdh, krd, attributes=attributes_of(TYPE, ("2A864886F70D010905", text), HEAD, DIGEST)
    )
    assert take(token, kdh, krd, nonce=None).signing_time == now


@pytest.mark.parametrize(
    "text",
    [
        "170B323530363031313230305A",  # no seconds
        "170D3235313330313132303030305A",  # month 13
        "170D3235303633313132303030305A",  # 31 June
        "17113235303630313132303030302B30303030",  # an offset
        "180D3235303630313132303030305A",  # GeneralizedTime of the length of a UTCTime
        "0400",
    ],
)
def test_signing_times_that_are_refused(kdh: Any, krd: Any, text: str) -> None:
    """DER has one form of each time, and the calendar has the last word."""
    members = (TYPE, ("2A864886F70D010905", text), HEAD, DIGEST)
    with pytest.raises(MalformedTokenError, match="signingTime"):
        take(signed_raw(kdh, krd, attributes_of(*members)), kdh, krd, nonce=None)


# --- property and fuzz --------------------------------------------------------------------------


@settings(max_examples=25)
@given(
    key=st.sampled_from([16, 24]).flatmap(lambda n: st.binary(min_size=n, max_size=n)),
    nonce=st.binary(min_size=8, max_size=16),
    layout=st.sampled_from(Layout),
    content_cipher=st.sampled_from(ContentCipher),
)
def test_any_key_comes_back(
    parties: dict[str, Any],
    key: bytes,
    nonce: bytes,
    layout: Layout,
    content_cipher: ContentCipher,
) -> None:
    """open(build(key)) is the key."""
    kdh, krd = parties["kdh"], parties["krd"]
    token = make(kdh, krd, key=key, nonce=nonce, layout=layout, content_cipher=content_cipher)
    assert take(token, kdh, krd, nonce=nonce).key == key


def test_issuer_and_serial_are_copied_byte_for_byte(kdh: Any) -> None:
    """The certificate holds the very bytes, one after the other's neighbour."""
    copied = issuer_and_serial(kdh.certificate)
    issuer = kdh.certificate.issuer.public_bytes()
    assert issuer in kdh.certificate.tbs_certificate_bytes
    assert copied == issuer_and_serial_of(issuer, kdh.certificate.serial_number)
    with pytest.raises(MalformedTokenError):
        issuer_and_serial_of(b"\x31\x00", 1)


def test_a_certificate_that_is_not_strict_der_has_no_id(kdh: Any) -> None:
    """The error blames the certificate, not a token."""

    class Odd:
        tbs_certificate_bytes = b"\x30\x80\x00\x00"

    with pytest.raises(MalformedCertificateError, match="certificate body at offset 0"):
        issuer_and_serial(Odd())  # type: ignore[arg-type]

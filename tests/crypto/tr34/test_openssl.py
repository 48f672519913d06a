"""OpenSSL as the other side: it reads what we write, and we read what it writes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pyasn1.codec.der import encoder
from pyasn1.type import namedtype, tag, univ

from keyferry.crypto.tr34 import (
    ContentCipher,
    Layout,
    assemble_token,
    build_signed_attributes,
    build_token,
    encode_key_block,
    envelope_members,
    issuer_and_serial,
    open_token,
    parse_key_block,
    parse_token,
)
from keyferry.errors import MalformedTokenError

KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
NONCE = bytes.fromhex("167EB0E72781E4940112233445566778")
CIPHERS = {ContentCipher.TDES: "-des3", ContentCipher.AES128: "-aes-128-cbc"}
HEADERS = {ContentCipher.TDES: "D9999K0TB00E0000", ContentCipher.AES128: "D9999K1AB00E0000"}


def run(*arguments: str | Path) -> None:
    """Run openssl; its own words are in the failure."""
    done = subprocess.run([*map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def files(tmp_path: Path, kdh: Any, krd: Any, parties: dict[str, Any]) -> dict[str, str]:
    """Certificates and keys as PEM files."""
    found = {}
    for name, party in (("kdh", kdh), ("krd", krd)):
        found[name], found[f"{name}_key"] = party.write(tmp_path, name)
    authority = tmp_path / "ca.pem"
    authority.write_bytes(parties["ca_kdh"].pem)
    found["ca"] = str(authority)
    return found


@pytest.mark.parametrize("content_cipher", list(ContentCipher))
def test_openssl_verifies_and_decrypts_our_token(
    openssl: str,
    tmp_path: Path,
    files: dict[str, str],
    kdh: Any,
    krd: Any,
    content_cipher: ContentCipher,
) -> None:
    """`cms -verify` gives the envelope out, `cms -decrypt` the key block."""
    header = HEADERS[content_cipher]
    token, envelope, block = (tmp_path / name for name in ("token", "envelope", "block"))
    token.write_bytes(
        build_token(
            key=KEY,
            header=header,
            kdh_certificate=kdh.certificate,
            kdh_private_key=kdh.key,
            krd_certificate=krd.certificate,
            nonce=NONCE,
            content_cipher=content_cipher,
            layout=Layout.CMS,
        )
    )
    # The token carries no certificates, so the signer's is given. -purpose any: the certificate
    # is for signatures, and the default purpose is signed mail.
    verify = (openssl, "cms", "-verify", "-inform", "DER", "-binary", "-purpose", "any")
    run(*verify, "-in", token, "-certfile", files["kdh"], "-CAfile", files["ca"], "-out", envelope)
    # What was signed is EnvelopedData; a ContentInfo around it makes it a file of its own.
    content_info = tmp_path / "content-info"
    content_info.write_bytes(in_content_info(envelope.read_bytes()))
    decrypt = (openssl, "cms", "-decrypt", "-inform", "DER", "-binary")
    run(*decrypt, "-in", content_info, "-inkey", files["krd_key"], "-recip", files["krd"],
        "-out", block)  # fmt: skip
    opened = parse_key_block(block.read_bytes())
    assert (opened.key, opened.header) == (KEY, header)
    assert opened.kdh_id == issuer_and_serial(kdh.certificate)


def test_openssl_refuses_our_token_once_changed(
    openssl: str, tmp_path: Path, files: dict[str, str], kdh: Any, krd: Any
) -> None:
    """The test above would prove nothing if openssl verified just anything."""
    token = bytearray(
        build_token(
            key=KEY,
            header=HEADERS[ContentCipher.TDES],
            kdh_certificate=kdh.certificate,
            kdh_private_key=kdh.key,
            krd_certificate=krd.certificate,
            nonce=NONCE,
            content_cipher=ContentCipher.TDES,
            layout=Layout.CMS,
        )
    )
    token[-1] ^= 1
    changed = tmp_path / "token"
    changed.write_bytes(token)
    done = subprocess.run(
        [openssl, "cms", "-verify", "-inform", "DER", "-binary", "-purpose", "any",
         "-in", str(changed), "-certfile", files["kdh"], "-CAfile", files["ca"],
         "-out", str(tmp_path / "out")],
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0


@pytest.mark.parametrize("layout", [Layout.CMS, Layout.ERRATA])
@pytest.mark.parametrize("content_cipher", list(ContentCipher))
@pytest.mark.parametrize("mask", [(), ("-keyopt", "rsa_mgf1_md:sha256")])
def test_we_open_what_openssl_encrypted_and_signed(
    openssl: str,
    tmp_path: Path,
    files: dict[str, str],
    kdh: Any,
    krd: Any,
    content_cipher: ContentCipher,
    mask: tuple[str, ...],
    layout: Layout,
) -> None:
    """An envelope of `cms -encrypt`, its attributes signed by `dgst -sign`, is a token we open."""
    header = HEADERS[content_cipher]
    kdh_id = issuer_and_serial(kdh.certificate)
    block, made = tmp_path / "block", tmp_path / "made"
    block.write_bytes(encode_key_block(key=KEY, header=header, kdh_id=kdh_id))
    oaep = ("-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256", *mask)
    encrypt = (openssl, "cms", "-encrypt", "-binary", "-outform", "DER", CIPHERS[content_cipher])
    run(*encrypt, "-in", block, "-recip", files["krd"], *oaep, "-out", made)
    econtent = out_of_content_info(made.read_bytes())
    attributes_set = build_signed_attributes(
        econtent=econtent, header=header, nonce=NONCE, layout=layout
    )
    attributes, signature = tmp_path / "attributes", tmp_path / "signature"
    attributes.write_bytes(attributes_set)
    run(openssl, "dgst", "-sha256", "-sign", files["kdh_key"], "-out", signature, attributes)
    token = assemble_token(
        econtent=econtent,
        attributes_set=attributes_set,
        kdh_id=kdh_id,
        signature=signature.read_bytes(),
        layout=Layout.CMS,
    )
    opened = open_token(
        token,
        kdh_certificate=kdh.certificate,
        krd_certificate=krd.certificate,
        krd_private_key=krd.key,
        nonce=NONCE,
    )
    assert (opened.key, opened.header, opened.layout) == (KEY, header, Layout.CMS)
    assert opened.content_cipher is content_cipher


def test_we_read_a_token_signed_whole_by_openssl(
    openssl: str, tmp_path: Path, files: dict[str, str], kdh: Any, krd: Any
) -> None:
    """`cms -sign` adds certificates, a signing time and version 3; all that is missing is ours."""
    parsed = parse_token(
        build_token(
            key=KEY,
            header=HEADERS[ContentCipher.TDES],
            kdh_certificate=kdh.certificate,
            kdh_private_key=kdh.key,
            krd_certificate=krd.certificate,
            nonce=NONCE,
            content_cipher=ContentCipher.TDES,
            layout=Layout.CMS,
        )
    )
    content, token = tmp_path / "content", tmp_path / "token"
    content.write_bytes(parsed.econtent)
    run(openssl, "cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-md", "sha256",
        "-econtent_type", "1.2.840.113549.1.7.3", "-in", content, "-signer", files["kdh"],
        "-inkey", files["kdh_key"], "-out", token)  # fmt: skip
    with pytest.raises(MalformedTokenError, match="key block header attribute"):
        parse_token(token.read_bytes())


def in_content_info(enveloped_data: bytes) -> bytes:
    """Put EnvelopedData into a ContentInfo, with pyasn1 and not with our codec."""
    explicit = univ.Any().subtype(
        explicitTag=tag.Tag(tag.tagClassContext, tag.tagFormatConstructed, 0)
    )
    content_info = univ.Sequence(
        componentType=namedtype.NamedTypes(
            namedtype.NamedType("type", univ.ObjectIdentifier()),
            namedtype.NamedType("content", explicit),
        )
    )
    content_info["type"] = "1.2.840.113549.1.7.3"
    content_info["content"] = enveloped_data
    encoded: bytes = encoder.encode(content_info)
    return encoded


def out_of_content_info(content_info: bytes) -> bytes:
    """Take the EnvelopedData out of a ContentInfo, by the lengths openssl wrote."""
    inner = envelope_members(content_info)
    oid = bytes.fromhex("06092A864886F70D010703")
    assert inner.startswith(oid + b"\xa0\x82")
    return inner[len(oid) + 4 :]

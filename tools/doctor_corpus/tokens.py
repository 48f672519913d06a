"""Broken TR-34 tokens, made with the parties of the packaged vectors."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from doctor_corpus.case import Case, case
from doctor_corpus.key_blocks import AES_KEY, KEY_2, KEY_3
from keyferry.crypto.certificates import encode_pem, load_certificate
from keyferry.crypto.ciphers import CipherKey
from keyferry.crypto.tr34 import (
    ContentCipher,
    Layout,
    assemble_envelope,
    assemble_token,
    build_enveloped_data,
    build_signed_attributes,
    der,
    encode_key_block,
    issuer_and_serial,
)

ABOUT = "TR-34 tokens, each broken in one way; parties of the packaged vectors"
NONCE = bytes.fromhex("0123456789ABCDEF")
HEADER = "D9999K1TB00E0000"
EVERYTHING: dict[str, Any] = {
    "kdh_certificate": "kdh",
    "krd_certificate": "krd",
    "krd_key": "krd",
    "authorities": ["ca_kdh"],
    "nonce": NONCE.hex().upper(),
}


class Parties:
    """Certificates and keys by name."""

    def __init__(self) -> None:
        text = (files("keyferry.selftest") / "vectors" / "tr34.json").read_text()
        table = json.loads(text)["parties"]
        self.certificates = {
            name: load_certificate(bytes.fromhex(party["certificate"]))
            for name, party in table.items()
        }
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        for name, party in table.items():
            if "private_key" in party:
                key = load_der_private_key(bytes.fromhex(party["private_key"]), password=None)
                assert isinstance(key, rsa.RSAPrivateKey)
                self.keys[name] = key

    def tables(self) -> dict[str, Any]:
        """What the file of the cases says of them."""
        return {
            "certificates": {
                name: encode_pem(certificate).decode()
                for name, certificate in self.certificates.items()
            },
            "private_keys": {
                name: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
                for name, key in self.keys.items()
                if name.startswith("krd")
            },
        }


PARTIES = Parties()


def token(
    *,
    key: bytes = KEY_2,
    header: str = HEADER,
    signed_header: str | None = None,
    nonce: bytes | None = NONCE,
    signer: str = "kdh",
    signing_key: str = "",
    bound: str = "",
    krd: str = "krd",
    krd_key: str = "",
    cipher: ContentCipher = ContentCipher.TDES,
    layout: Layout = Layout.AWS,
    **slips: Any,
) -> bytes:
    """Build a token step by step, so that each step can go wrong."""
    certificates, keys = PARTIES.certificates, PARTIES.keys
    kdh_id = issuer_and_serial(certificates[signer])
    krd_public = keys[krd_key or krd].public_key()
    bound_id = issuer_and_serial(certificates[bound or signer])
    if "oaep" in slips:
        content_key, iv = bytes(range(24)), bytes(8)
        clear = encode_key_block(key=key, header=header, kdh_id=bound_id)
        fill = 8 - len(clear) % 8
        econtent = assemble_envelope(
            krd_id=issuer_and_serial(certificates[krd]),
            encrypted_key=krd_public.encrypt(content_key, slips["oaep"]),
            content_cipher=cipher,
            iv=iv,
            ciphertext=CipherKey(cipher.cipher, content_key).encrypt_cbc(
                clear + bytes((fill,)) * fill, iv
            ),
            layout=layout,
        )
    else:
        econtent = build_enveloped_data(
            key=key,
            header=header,
            kdh_id=bound_id,
            krd_id=issuer_and_serial(certificates[krd]),
            krd_public_key=krd_public,
            content_cipher=cipher,
            layout=layout,
        )
    attributes = build_signed_attributes(
        econtent=econtent, header=signed_header or header, nonce=nonce, layout=layout
    )
    if "digest" in slips:
        digest = hashlib.sha256(econtent).digest()
        attributes = attributes.replace(digest, slips["digest"](econtent))
    to_sign = slips["to_sign"](attributes) if "to_sign" in slips else attributes
    signature = keys[signing_key or signer].sign(to_sign, padding.PKCS1v15(), hashes.SHA256())
    return assemble_token(
        econtent=econtent,
        attributes_set=attributes,
        kdh_id=kdh_id,
        signature=signature,
        layout=layout,
    )


def _sorted(attributes: bytes) -> bytes:
    reader = der.Reader(attributes, field="attributes").set_of("attributes")
    members = []
    while not reader.at_end:
        members.append(reader.next_element("attribute").encoded)
    return der.set_of(members, ordered=True)


def _oaep(label: hashes.HashAlgorithm, mask: hashes.HashAlgorithm) -> padding.OAEP:
    return padding.OAEP(mgf=padding.MGF1(mask), algorithm=label, label=None)


def cases() -> list[Case]:
    """Return the cases."""
    good = token()
    hexed = good.hex().upper()
    long_nonce = bytes(range(16))
    everything = EVERYTHING
    sha256 = bytes.fromhex("0609608648016503040201")
    sha512 = bytes.fromhex("0609608648016503040203")
    tdes_oid = bytes.fromhex("06082A864886F70D0307")
    oaep_oid = bytes.fromhex("06092A864886F70D010107")

    def with_(**changes: Any) -> dict[str, Any]:
        return {**everything, **changes}

    return [
        case("untouched, with all at hand", None, hexed, **with_(check_value="08D7B4")),
        case("untouched, in DER, nothing at hand", None, good),
        case("a letter among the digits", "token-not-hex", hexed[:100] + "G" + hexed[101:]),
        case("one digit lost", "token-not-hex", hexed[:-1]),
        case("the end lost", "token-cut", hexed[:-40]),
        case("bytes behind", "token-trailing", hexed + "0000"),
        case(
            "an indefinite length", "token-not-der", b"\x30\x80" + good[4:] + b"\0\0", **everything
        ),
        case(
            "enveloped data alone",
            "token-type",
            good.replace(
                bytes.fromhex("06092A864886F70D010702"), bytes.fromhex("06092A864886F70D010703"), 1
            ),
        ),
        case("digest algorithm SHA-512", "token-hash", good.replace(sha256, sha512, 1)),
        case(
            "key transport by PKCS #1 v1.5",
            "token-oaep-declared",
            good.replace(oaep_oid, bytes.fromhex("06092A864886F70D010101"), 1),
        ),
        case(
            "an unknown content cipher",
            "token-cipher",
            good.replace(tdes_oid, bytes.fromhex("06082A864886F70D0302"), 1),
        ),
        case(
            "the nonce twice, no digest",
            "token-attributes",
            good.replace(
                bytes.fromhex("06092A864886F70D010904"), bytes.fromhex("06092A864886F70D010903"), 1
            ),
        ),
        case(
            "a header with mode Z",
            "token-header",
            good.replace(HEADER.encode(), b"D9999K1TZ00E0000"),
        ),
        case("lower-case hex", "token-not-for-api", hexed.lower(), **everything),
        case(
            "another root than the KDH's",
            "root-not-trusted",
            hexed,
            **with_(authorities=["ca_other"]),
        ),
        case(
            "an expired KDH certificate",
            "certificate-expired",
            token(signer="kdh_expired"),
            **with_(kdh_certificate="kdh_expired", now="2031-01-01T00:00:00+00:00"),
        ),
        case(
            "the certificate of another KDH",
            "token-signer",
            hexed,
            **with_(kdh_certificate="kdh_3072", authorities=[]),
        ),
        case(
            "signed by another key",
            "token-signature",
            token(signing_key="kdh_3072"),
            **everything,
        ),
        case(
            "attributes sorted after signing",
            "token-attribute-order",
            token(nonce=long_nonce, to_sign=_sorted),
            **with_(nonce=long_nonce.hex()),
        ),
        case(
            "signed with tag A0",
            "token-signed-tag",
            token(to_sign=lambda a: b"\xa0" + a[1:]),
            **everything,
        ),
        case(
            "another envelope's digest",
            "token-digest",
            token(digest=lambda _: bytes(32)),
            **everything,
        ),
        case(
            "the digest over the SEQUENCE",
            "token-digest-enclosed",
            token(digest=lambda e: hashlib.sha256(der.sequence(e)).digest()),
            **everything,
        ),
        case("an older nonce", "token-nonce", hexed, **with_(nonce="FEDCBA9876543210")),
        case("a nonce of 4 bytes", "nonce-size", hexed, **with_(nonce="01234567")),
        case("older import parameters", "token-recipient", token(krd="krd_3072"), **everything),
        case(
            "the private key of another KRD",
            "certificate-not-for-key",
            hexed,
            **with_(krd_key="krd_3072"),
        ),
        case("under another RSA key", "token-envelope", token(krd_key="kdh"), **everything),
        case(
            "OAEP with SHA-1",
            "token-oaep",
            token(oaep=_oaep(hashes.SHA1(), hashes.SHA1())),
            **everything,
        ),
        case(
            "MGF1 with SHA-1",
            "token-oaep",
            token(oaep=_oaep(hashes.SHA256(), hashes.SHA1())),
            **everything,
        ),
        case("bound to another KDH", "token-bound-kdh", token(bound="kdh_3072"), **everything),
        case(
            "another header inside",
            "token-bound-header",
            token(signed_header="D9999K1TB00S0000"),
            **everything,
        ),
        case(
            "a TDES key of 20 bytes",
            "token-key-size",
            token(key=KEY_3[:20], header=HEADER),
            **everything,
        ),
        case(
            "an AES key under 3DES",
            "token-weak-cipher",
            token(key=AES_KEY, header="D9999K1AB00E0000"),
            **everything,
        ),
        case(
            "AES_128 under RSA_2048",
            "token-weak-rsa",
            token(key=AES_KEY, header="D9999K1AB00E0000", cipher=ContentCipher.AES128),
            **everything,
        ),
        case(
            "AES_256 by TR-34",
            "token-key-algorithm",
            token(key=2 * AES_KEY, header="D9999K1AB00E0000", cipher=ContentCipher.AES128),
            **everything,
        ),
        case("a degenerate key", "degenerate-tdes-key", token(key=2 * KEY_2[:8]), **everything),
        case("a BDK that wraps", "mode-for-usage", token(header="D9999B0TB00E0000"), **everything),
        case("the check value of another key", "check-value", hexed, **with_(check_value="D2B91C")),
    ]

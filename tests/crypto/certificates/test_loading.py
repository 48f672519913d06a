"""Reading certificates and requests."""

from __future__ import annotations

import base64
import random
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from keyferry.crypto.certificates import create_csr, encode_pem, load_certificate, load_csr
from keyferry.errors import (
    CertificateError,
    KeyferryError,
    MalformedCertificateError,
    UnsupportedAlgorithmError,
)


def test_pem_and_der_come_back(root: Any) -> None:
    """The same certificate, whichever way it came."""
    pem = encode_pem(root)
    assert pem.startswith(b"-----BEGIN CERTIFICATE-----\n")
    assert pem.endswith(b"-----END CERTIFICATE-----\n")
    assert load_certificate(pem) == root
    assert load_certificate(root.public_bytes(Encoding.DER)) == root


def test_pem_of_other_hands_is_read(root: Any) -> None:
    """CRLF, no final newline, blank lines around it, one long line."""
    pem = encode_pem(root)
    body = base64.b64encode(root.public_bytes(Encoding.DER))
    for text in (
        pem.replace(b"\n", b"\r\n"),
        pem.rstrip(),
        b"\n\n" + pem + b"\n \n",
        b"-----BEGIN CERTIFICATE-----\n" + body + b"\n-----END CERTIFICATE-----",
    ):
        assert load_certificate(text) == root


@pytest.mark.parametrize(
    "change",
    [
        lambda pem: pem + pem,
        lambda pem: b"Subject: CN=Root\n" + pem,
        lambda pem: pem + b"trailing",
        lambda pem: pem.replace(b"CERTIFICATE", b"PRIVATE KEY"),
        lambda pem: pem.replace(b"END CERTIFICATE", b"END X509 CERTIFICATE"),
        lambda pem: pem[:-30],
        lambda pem: pem.replace(b"A", b"!"),
        lambda pem: pem.replace(b"-----END", b"A-----END"),
        lambda pem: b"",
        lambda pem: b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        lambda pem: b"-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----\n",
        lambda pem: pem + b" " * 32_768,
        lambda pem: base64.b64encode(pem),
    ],
)
def test_text_that_is_not_one_certificate(ec_root: Any, change: Any) -> None:
    """One certificate exactly, and nothing around it."""
    with pytest.raises(MalformedCertificateError):
        load_certificate(change(encode_pem(ec_root)))


def test_two_certificates_are_counted(root: Any) -> None:
    """A chain in the place of a certificate is the usual mistake."""
    with pytest.raises(MalformedCertificateError, match="found 2 of them"):
        load_certificate(encode_pem(root) * 2)


def test_der_with_a_byte_behind_it_is_refused(root: Any) -> None:
    """Nothing may follow."""
    with pytest.raises(MalformedCertificateError):
        load_certificate(root.public_bytes(Encoding.DER) + b"\x00")


def test_a_serial_number_is_positive(root: Any) -> None:
    """RFC 5280, 4.1.2.2, and some HSMs read it as unsigned."""
    encoded = root.public_bytes(Encoding.DER)
    serial = root.serial_number.to_bytes(16, "big")
    at = encoded.index(b"\x02\x10" + serial)
    negative = encoded[: at + 2] + b"\xff" + encoded[at + 3 :]
    with pytest.raises(MalformedCertificateError):
        load_certificate(negative)


@pytest.mark.parametrize("which", ["root", "ec_root"])
def test_fuzz_certificates(which: str, request: pytest.FixtureRequest) -> None:
    """Whatever byte is changed, it loads completely or is refused with an error of ours."""
    encoded = request.getfixturevalue(which).public_bytes(Encoding.DER)
    source = random.Random(509)
    for index in range(len(encoded)):
        changed = bytearray(encoded)
        changed[index] ^= source.randint(1, 255)
        try:
            certificate = load_certificate(bytes(changed))
        except (CertificateError, UnsupportedAlgorithmError):
            continue
        for part in ("subject", "issuer", "extensions", "serial_number", "not_valid_after_utc"):
            getattr(certificate, part)
        certificate.public_key()


@given(st.binary(max_size=300))
def test_fuzz_noise(noise: bytes) -> None:
    """Noise is refused with an error of ours."""
    for prefix in (b"", b"\x30\x82\x01\x00", b"-----BEGIN CERTIFICATE-----\n"):
        for load in (load_certificate, load_csr):
            with pytest.raises(KeyferryError):
                load(prefix + noise)


def test_requests_come_back_and_prove_possession(leaf_key: Any, p521_key: Any) -> None:
    """A request is signed with the key it is for; a changed one is refused."""
    for key in (leaf_key, p521_key):
        csr = create_csr(key, subject="Leaf", hash_name="SHA256")
        assert load_csr(encode_pem(csr)).public_key() == key.public_key()
        encoded = bytearray(csr.public_bytes(Encoding.DER))
        assert load_csr(bytes(encoded)).subject == csr.subject
        encoded[-1] ^= 1
        with pytest.raises(CertificateError):
            load_csr(bytes(encoded))
    with pytest.raises(MalformedCertificateError, match="certificate request"):
        load_csr(b"")

"""What the calls of `calls.json` stand on: known keys, agreed keys, wrapped keys, PIN blocks."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from Crypto.Cipher import AES, DES3
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import (
    KBPK,
    Algorithm,
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    ModeOfUse,
)
from keyferry.testing import KeyLoader

CALLS = json.loads((Path(__file__).parent / "calls.json").read_text())
TDES_KEY = bytes.fromhex(CALLS["keys"]["pek"]["key"])
SHARED_INFO = bytes.fromhex("0123456789ABCDEF")
PLAIN_TEXT = bytes.fromhex("31323334" * 4)


class Peer:
    """Somebody to agree on keys with: a root, a certificate, and an own way to the derived key."""

    def __init__(self, control: Any) -> None:
        self.control = control
        self.key = ec.generate_private_key(ec.SECP256R1())
        root_key = ec.generate_private_key(ec.SECP256R1())
        root = certificate("root", root_key.public_key(), "root", root_key, is_authority=True)
        leaf = certificate("peer", self.key.public_key(), "root", root_key, is_authority=False)
        self.certificate = as_text(leaf)
        self.authority = control.import_key(
            KeyMaterial={
                "RootCertificatePublicKey": {
                    "KeyAttributes": {
                        "KeyUsage": "TR31_S0_ASYMMETRIC_KEY_FOR_DIGITAL_SIGNATURE",
                        "KeyClass": "PUBLIC_KEY",
                        "KeyAlgorithm": "ECC_NIST_P256",
                        "KeyModesOfUse": {"Verify": True},
                    },
                    "PublicKeyCertificate": as_text(root),
                }
            }
        )["Key"]["KeyArn"]

    def agree(self, usage: str) -> tuple[str, bytes]:
        """A key pair of the service for keys of a usage, and the AES-128 key agreed with it."""
        pair = self.control.create_key(
            KeyAttributes={
                "KeyUsage": "TR31_K3_ASYMMETRIC_KEY_FOR_KEY_AGREEMENT",
                "KeyClass": "ASYMMETRIC_KEY_PAIR",
                "KeyAlgorithm": "ECC_NIST_P256",
                "KeyModesOfUse": {"DeriveKey": True},
            },
            Exportable=False,
            DeriveKeyUsage=usage,
        )["Key"]["KeyArn"]
        text = self.control.get_public_key_certificate(KeyIdentifier=pair)["KeyCertificate"]
        theirs = x509.load_pem_x509_certificate(base64.b64decode(text)).public_key()
        assert isinstance(theirs, ec.EllipticCurvePublicKey)
        z = self.key.exchange(ec.ECDH(), theirs)
        return pair, hashlib.sha256(b"\0\0\0\1" + z + SHARED_INFO).digest()[:16]


def certificate(
    name: str,
    public_key: ec.EllipticCurvePublicKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool,
) -> x509.Certificate:
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, issuer)]
    return (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def as_text(cert: x509.Certificate) -> str:
    """As the API takes certificates."""
    return base64.b64encode(cert.public_bytes(Encoding.PEM)).decode("ascii")


def pin_block(digits: str) -> str:
    """A clear block of 16 digits under the PIN encryption key."""
    return DES3.new(TDES_KEY, DES3.MODE_ECB).encrypt(bytes.fromhex(digits)).hex().upper()


def key_block(kbpk: bytes, usage: str) -> str:
    """The TDES key of the table as a block under an AES key."""
    header = KeyBlockHeader(
        version=BlockVersion.D,
        usage=usage,
        algorithm=Algorithm.TDES,
        mode=ModeOfUse.BOTH_DIRECTIONS,
        exportability=Exportability.EXPORTABLE,
    )
    return KBPK(Cipher.AES, kbpk).wrap(header, TDES_KEY)


class Values:
    """What stands behind the names that begin with `$`."""

    def __init__(self, control: Any) -> None:
        load = KeyLoader(control)
        self._known: dict[str, str] = {}
        for name, key in CALLS["keys"].items():
            # A slash and an underscore, which end up in paths.
            alias = f"alias/sdk/{name}"
            arn = load(**key, alias=alias)
            self._known[name] = arn
            self._known[f"{name}.alias"] = alias
            self._known[f"{name}.alias_arn"] = f"{arn.rpartition(':')[0]}:{alias}"
        peer = Peer(control)
        data_pair, data_key = peer.agree("TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY")
        kek_pair, kbpk = peer.agree("TR31_K1_KEY_BLOCK_PROTECTION_KEY")
        agreed = AES.new(data_key, AES.MODE_CBC, iv=bytes(16))
        kek = bytes.fromhex(CALLS["keys"]["kek"]["key"])
        self._known |= {
            "ecdh.authority": peer.authority,
            "ecdh.certificate": peer.certificate,
            "ecdh.data_pair": data_pair,
            "ecdh.kek_pair": kek_pair,
            "ecdh.ciphertext": agreed.encrypt(PLAIN_TEXT).hex().upper(),
            "ecdh.block": key_block(kbpk, "P0"),
            "wrapped.data": key_block(kek, "D0"),
            "wrapped.pin": key_block(kek, "P0"),
            # ISO format 0: PIN 9999 of PAN 1234567890123456, PIN 5143 of PAN 5432101234567890,
            # PIN 1234 of PAN 4242424242424242.
            "pin_block_9999": pin_block("0499DC9876FEDCBA"),
            "pin_block_5143": pin_block("045162FEDCBA9876"),
            "pin_block_as2805": pin_block("041210DBDBDBDBDB"),
        }

    def resolve(self, value: Any) -> Any:
        """A document with every name replaced."""
        if isinstance(value, dict):
            return {name: self.resolve(member) for name, member in value.items()}
        if isinstance(value, str) and value.startswith("$"):
            return self._known[value[1:]]
        return value


@pytest.fixture(scope="session")
def values(control_client: Any) -> Values:
    """Everything a call needs, set up once."""
    return Values(control_client)

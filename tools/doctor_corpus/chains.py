"""Broken certificates and chains, made anew."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from doctor_corpus.case import Case, case
from doctor_corpus.tokens import PARTIES
from keyferry.crypto.certificates import (
    CertificateUsage,
    create_csr,
    create_root,
    encode_pem,
    issue_authority,
    issue_leaf,
)

ABOUT = "certificates and chains, each broken in one way; every key is a throw-away"
FROM, TO = datetime(2025, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)
CURVE = ec.SECP256R1()

ROOT_KEY, OTHER_KEY = ec.generate_private_key(CURVE), ec.generate_private_key(CURVE)
MIDDLE_KEY, LEAF_KEY = ec.generate_private_key(CURVE), ec.generate_private_key(CURVE)


def _root(name: str, key: Any, **changes: Any) -> x509.Certificate:
    members: dict[str, Any] = {"not_before": FROM, "not_after": TO, **changes}
    return create_root(key, common_name=name, **members)


def _leaf(issuer: x509.Certificate, key: Any, public_key: Any = None, **changes: Any) -> Any:
    members: dict[str, Any] = {"not_before": FROM, "not_after": TO, **changes}
    return issue_leaf(
        public_key or LEAF_KEY.public_key(),
        subject="a leaf",
        issuer=issuer,
        issuer_key=key,
        usage=CertificateUsage.DIGITAL_SIGNATURE,
        **members,
    )


ROOT = _root("a root", ROOT_KEY)
OTHER = _root("another root", OTHER_KEY)
NAMESAKE = _root("a root", OTHER_KEY)
MIDDLE = issue_authority(
    MIDDLE_KEY.public_key(),
    subject="a middle",
    issuer=ROOT,
    issuer_key=ROOT_KEY,
    not_before=FROM,
    not_after=TO,
)
LEAF = _leaf(MIDDLE, MIDDLE_KEY)


def _pem(*certificates: x509.Certificate) -> str:
    return b"".join(map(encode_pem, certificates)).decode()


def _sha1() -> x509.Certificate:
    """A certificate from the packaged CA, as another library would sign it: with SHA-1."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an old leaf")]))
        .issuer_name(RSA_ROOT.subject)
        .public_key(PARTIES.keys["kdh"].public_key())
        .serial_number(7)
        .not_valid_before(FROM)
        .not_valid_after(TO)
    )
    # The library refuses to sign with SHA-1; only the identifiers are changed, and the signature
    # is never reached: the hash is refused before.
    signed = builder.sign(RSA_KEY, hashes.SHA256()).public_bytes(Encoding.DER)
    sha256, sha1 = bytes.fromhex("2A864886F70D01010B"), bytes.fromhex("2A864886F70D010105")
    return x509.load_der_x509_certificate(signed.replace(sha256, sha1))


RSA_KEY = PARTIES.keys["krd"]
RSA_ROOT = _root("an RSA root", RSA_KEY)


def tables() -> dict[str, Any]:
    """The trusted certificates, by name."""
    return {"certificates": {"root": _pem(ROOT), "other": _pem(OTHER), "rsa": _pem(RSA_ROOT)}}


def cases() -> list[Case]:
    """Return the cases."""
    whole = _pem(LEAF, MIDDLE, ROOT)
    damaged = LEAF.public_bytes(Encoding.DER)
    deep_key = ec.generate_private_key(CURVE)
    deep = issue_authority(
        deep_key.public_key(),
        subject="too deep",
        issuer=MIDDLE,
        issuer_key=MIDDLE_KEY,
        not_before=FROM,
        not_after=TO,
    )
    under_leaf = _leaf(LEAF, LEAF_KEY, OTHER_KEY.public_key())
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    p384 = ec.generate_private_key(ec.SECP384R1())
    return [
        case("a whole chain, root trusted", None, whole, authorities=["root"]),
        case("a whole chain, nothing trusted", None, whole),
        case(
            "a leaf in DER, its root trusted",
            None,
            _leaf(ROOT, ROOT_KEY).public_bytes(Encoding.DER),
            authorities=["root"],
        ),
        case(
            "a private key in the bundle",
            "private-key-in-file",
            whole + "-----BEGIN PRIVATE KEY-----\nMAo=\n-----END PRIVATE KEY-----\n",
        ),
        case("a request", "pem-label", encode_pem(create_csr(LEAF_KEY, subject="a leaf")).decode()),
        case("no END line", "pem-damaged", _pem(LEAF).replace("-----END CERTIFICATE-----", "")),
        case(
            "a line lost",
            "certificate-damaged",
            "\n".join(line for number, line in enumerate(_pem(LEAF).splitlines()) if number != 3)
            + "\n",
        ),
        case("half of the DER", "certificate-damaged", damaged[: len(damaged) // 2]),
        case(
            "a 1024-bit RSA key",
            "certificate-key",
            _pem(_leaf(ROOT, ROOT_KEY, weak.public_key())),
            authorities=["root"],
        ),
        case(
            "expired",
            "certificate-expired",
            _pem(_leaf(ROOT, ROOT_KEY, not_after=datetime(2026, 1, 1, tzinfo=UTC)), ROOT),
        ),
        case(
            "not yet valid",
            "certificate-not-yet-valid",
            _pem(_leaf(ROOT, ROOT_KEY, not_before=datetime(2027, 1, 1, tzinfo=UTC)), ROOT),
        ),
        case("root first", "chain-order", _pem(ROOT, MIDDLE, LEAF)),
        case("the middle left out", "chain-gap", _pem(LEAF, ROOT)),
        case("the root left out", "chain-without-root", _pem(LEAF, MIDDLE)),
        case("another root trusted", "root-not-trusted", whole, authorities=["other"]),
        case("the root's namesake", "chain-signature", _pem(LEAF, MIDDLE, NAMESAKE)),
        case("an altered leaf", "chain-signature", _pem(_altered(LEAF), MIDDLE, ROOT)),
        case("signed with SHA-1", "chain-hash", _pem(_sha1()), authorities=["rsa"]),
        case("a leaf that issued", "issuer-not-authority", _pem(under_leaf, LEAF, MIDDLE, ROOT)),
        case(
            "an authority too deep",
            "chain-path-length",
            _pem(_leaf(deep, deep_key), deep, MIDDLE, ROOT),
        ),
        case(
            "P-384 under P-256",
            "issuer-strength",
            _pem(_leaf(ROOT, ROOT_KEY, p384.public_key()), ROOT),
        ),
        case(
            "RSA under P-256",
            "issuer-strength",
            _pem(_leaf(ROOT, ROOT_KEY, RSA_KEY.public_key()), ROOT),
        ),
    ]


def _altered(certificate: x509.Certificate) -> x509.Certificate:
    der = certificate.public_bytes(Encoding.DER)
    return x509.load_der_x509_certificate(der.replace(b"a leaf", b"A leaf"))

"""
Certificate authorities of an exchange: whose signature the other side trusts.

Three kinds behind one interface: one made for this run, whose private key lives in memory only;
one from files; and an AWS Private CA.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from keyferry.crypto.certificates import (
    CertificateUsage,
    create_root,
    encode_pem,
    issue_leaf,
    load_certificate,
)
from keyferry.errors import ConfigurationError, ExchangeError, RemoteRefusedError
from keyferry.exchange.aws import AWSClient
from keyferry.keys import KeyAlgorithm

BACKDATING = timedelta(hours=1)  # clocks of HSMs are seldom right
LEAF_VALIDITY = timedelta(days=30)
ROOT_VALIDITY = timedelta(days=365)
ISSUE_TIMEOUT_S = 60.0
ISSUE_POLL_S = 0.5

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
# Makes a PEM request signed by the key that the certificate is for.
RequestMaker = Callable[[], Awaitable[bytes]]

_CURVES: dict[KeyAlgorithm, ec.EllipticCurve] = {
    KeyAlgorithm.ECC_NIST_P256: ec.SECP256R1(),
    KeyAlgorithm.ECC_NIST_P384: ec.SECP384R1(),
    KeyAlgorithm.ECC_NIST_P521: ec.SECP521R1(),
}


class CertificateAuthority(Protocol):
    """Issues the certificates of one party."""

    async def chain(self, algorithm: KeyAlgorithm) -> tuple[x509.Certificate, ...]:
        """The authorities a leaf of `algorithm` is issued under: issuer first, root last."""
        ...

    async def issue(
        self,
        public_key: PublicKey,
        *,
        algorithm: KeyAlgorithm,
        name: str,
        usage: CertificateUsage,
        request: RequestMaker | None,
        now: datetime,
    ) -> x509.Certificate:
        """
        Issue a leaf.

        Args:
            public_key: of the subject.
            algorithm: of the subject's key.
            name: common name of the subject.
            usage: what the leaf is for.
            request: makes a signed request, for an authority that wants proof of possession.
            now: the time of issue.
        """
        ...


def generate_private_key(algorithm: KeyAlgorithm) -> PrivateKey:
    """Make an RSA or EC key in memory. Slow for RSA; call it off the event loop."""
    curve = _CURVES.get(algorithm)
    if curve is not None:
        return ec.generate_private_key(curve)
    return rsa.generate_private_key(public_exponent=65537, key_size=algorithm.modulus_bits)


class LocalAuthority:
    """A root made for this run, of the family and strength of the leaf it signs."""

    def __init__(self, *, now: datetime) -> None:
        self._now = now
        self._roots: dict[KeyAlgorithm, tuple[PrivateKey, x509.Certificate]] = {}
        self._lock = asyncio.Lock()

    async def _root(self, algorithm: KeyAlgorithm) -> tuple[PrivateKey, x509.Certificate]:
        async with self._lock:
            if algorithm not in self._roots:
                key = await asyncio.to_thread(generate_private_key, algorithm)
                certificate = create_root(
                    key,
                    common_name="keyferry exchange CA",
                    not_before=self._now - BACKDATING,
                    not_after=self._now + ROOT_VALIDITY,
                    hash_name="SHA256",
                )
                self._roots[algorithm] = key, certificate
            return self._roots[algorithm]

    async def chain(self, algorithm: KeyAlgorithm) -> tuple[x509.Certificate, ...]:
        _, certificate = await self._root(algorithm)
        return (certificate,)

    async def issue(
        self,
        public_key: PublicKey,
        *,
        algorithm: KeyAlgorithm,
        name: str,
        usage: CertificateUsage,
        request: RequestMaker | None,  # noqa: ARG002 (whoever asks made the key just now)
        now: datetime,
    ) -> x509.Certificate:
        key, certificate = await self._root(algorithm)
        return _issue(public_key, key, certificate, name, usage, now)


class FileAuthority:
    """An authority whose certificate and private key are PEM files."""

    def __init__(
        self, *, certificate: x509.Certificate, key: PrivateKey, above: tuple[x509.Certificate, ...]
    ) -> None:
        self._certificate, self._key, self._above = certificate, key, above

    @classmethod
    def load(
        cls, certificate_file: str, key_file: str, chain_file: str, *, place: str
    ) -> FileAuthority:
        """
        Raises:
            ConfigurationError: a file is missing, not PEM, encrypted, or they do not belong
                together; `place` and the file are named, its content never.
        """
        certificate = load_certificate(_read(certificate_file, place))
        try:
            key = load_pem_private_key(_read(key_file, place), password=None)
        except (ValueError, TypeError):
            raise ConfigurationError(
                f"{place}: {key_file} is not an unencrypted PEM private key"
            ) from None
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise ConfigurationError(f"{place}: {key_file} holds neither an RSA nor an EC key")
        if _spki(key.public_key()) != _spki(certificate.public_key()):
            raise ConfigurationError(
                f"{place}: {key_file} is not the private key of {certificate_file}"
            )
        above: tuple[x509.Certificate, ...] = ()
        if chain_file:
            try:
                above = tuple(x509.load_pem_x509_certificates(_read(chain_file, place)))
            except ValueError:
                raise ConfigurationError(f"{place}: {chain_file} is not PEM") from None
        elif certificate.issuer != certificate.subject:
            raise ConfigurationError(
                f"{place}: {certificate_file} is not self-signed, so chain_file is needed",
                hint="chain_file holds the certificates from its issuer to the root",
            )
        return cls(certificate=certificate, key=key, above=above)

    async def chain(
        self,
        algorithm: KeyAlgorithm,  # noqa: ARG002 (one authority, one chain)
    ) -> tuple[x509.Certificate, ...]:
        return (self._certificate, *self._above)

    async def issue(
        self,
        public_key: PublicKey,
        *,
        algorithm: KeyAlgorithm,  # noqa: ARG002 (the receiver checks the strength rule)
        name: str,
        usage: CertificateUsage,
        request: RequestMaker | None,  # noqa: ARG002 (whoever asks made the key just now)
        now: datetime,
    ) -> x509.Certificate:
        return _issue(public_key, self._key, self._certificate, name, usage, now)


class PrivateCA:
    """An AWS Private CA. It signs requests, so the subject's key must be able to sign one."""

    def __init__(self, client: AWSClient, arn: str) -> None:
        self._client, self._arn = client, arn

    async def chain(
        self,
        algorithm: KeyAlgorithm,  # noqa: ARG002 (one authority, one chain)
    ) -> tuple[x509.Certificate, ...]:
        answer = await self._client.read(
            "get_certificate_authority_certificate", CertificateAuthorityArn=self._arn
        )
        text = answer["Certificate"] + "\n" + answer.get("CertificateChain", "")
        return tuple(x509.load_pem_x509_certificates(text.encode()))

    async def issue(
        self,
        public_key: PublicKey,
        *,
        algorithm: KeyAlgorithm,  # noqa: ARG002 (the receiver checks the strength rule)
        name: str,  # noqa: ARG002 (the request names the subject)
        usage: CertificateUsage,  # noqa: ARG002 (the CA's template decides)
        request: RequestMaker | None,
        now: datetime,  # noqa: ARG002 (the CA has its own clock)
    ) -> x509.Certificate:
        if request is None:
            raise ConfigurationError("this party's key cannot sign a request for an AWS Private CA")
        authority = (await self.chain(KeyAlgorithm.RSA_2048))[0].public_key()
        signing = "SHA256WITHRSA" if isinstance(authority, rsa.RSAPublicKey) else "SHA256WITHECDSA"
        issued = await self._client.write(
            "issue_certificate",
            CertificateAuthorityArn=self._arn,
            Csr=await request(),
            SigningAlgorithm=signing,
            Validity={"Type": "DAYS", "Value": LEAF_VALIDITY.days},
        )
        certificate = await self._wait(issued["CertificateArn"])
        if _spki(certificate.public_key()) != _spki(public_key):
            raise ExchangeError(f"{self._arn} certified another key than was asked for")
        return certificate

    async def _wait(self, certificate_arn: str) -> x509.Certificate:
        """Fetch a certificate, which the CA makes some moments after it accepted the request."""
        async with asyncio.timeout(ISSUE_TIMEOUT_S):
            while True:
                try:
                    answer = await self._client.read(
                        "get_certificate",
                        CertificateAuthorityArn=self._arn,
                        CertificateArn=certificate_arn,
                    )
                except RemoteRefusedError as error:
                    if error.code != "RequestInProgressException":
                        raise
                    await asyncio.sleep(ISSUE_POLL_S)
                else:
                    return load_certificate(answer["Certificate"].encode())


def _issue(
    public_key: PublicKey,
    issuer_key: PrivateKey,
    issuer: x509.Certificate,
    name: str,
    usage: CertificateUsage,
    now: datetime,
) -> x509.Certificate:
    return issue_leaf(
        public_key,
        subject=name,
        issuer=issuer,
        issuer_key=issuer_key,
        not_before=max(now - BACKDATING, issuer.not_valid_before_utc),
        not_after=min(now + LEAF_VALIDITY, issuer.not_valid_after_utc),
        usage=usage,
        hash_name="SHA256",
    )


def _read(path: str, place: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise ConfigurationError(f"{place}: {path}: {reason}") from None


def _spki(key: object) -> bytes:
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return b""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def pem_base64(certificate: x509.Certificate) -> str:
    """A certificate as the API wants it: base64 of its PEM text."""
    return base64.b64encode(encode_pem(certificate)).decode()

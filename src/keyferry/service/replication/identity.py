"""
Who a Region is to its peers: a root of its own on P-521, and a leaf for every key agreement.

The root is made at first use and kept in the store like the authorities of accounts, under a name
no account can have. Peers trust it by construction within one process.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from keyferry.crypto.certificates import (
    CertificateUsage,
    check_usage,
    create_root,
    issue_leaf,
    load_certificate,
    verify_chain,
)
from keyferry.crypto.secret import Secret
from keyferry.errors import CertificateChainError, KeyAgreementError
from keyferry.service.control.sealing import encode_private_key, load_private_key
from keyferry.service.store.interface import KeyStore, Transaction
from keyferry.service.store.records import AuthorityRecord, CertificateFamily, Sealed
from keyferry.service.vault.binding import authority_binding
from keyferry.service.vault.interface import Vault

ACCOUNT = "replication"  # instead of twelve digits
ROOT_LIFETIME = timedelta(days=3652)
LEAF_LIFETIME = timedelta(days=1)  # it serves one agreement
BACK_DATED = timedelta(hours=1)
# As much difference between two clocks as a signed request may have.
CLOCK_TOLERANCE = timedelta(minutes=15)
CURVE = ec.SECP521R1()
_HASH = "SHA512"


def _name(region: str) -> str:
    return f"keyferry replication {region}"


class Identity:
    """The replication identity of one Region."""

    def __init__(self, region: str, store: KeyStore, vault: Vault) -> None:
        self._region = region
        self._store = store
        self._vault = vault

    async def root(self, *, now: datetime) -> x509.Certificate:
        """The Region's root, made at first use."""
        return load_certificate((await self._authority(now)).certificate)

    async def issue(
        self, public_key: ec.EllipticCurvePublicKey, *, now: datetime
    ) -> x509.Certificate:
        """A leaf for a one-time key of a key agreement."""
        record = await self._authority(now)
        binding = authority_binding(self._region, record)
        with Secret(self._vault.open(record.sealed, binding=binding)) as material:
            issuer_key = load_private_key(material)
        return issue_leaf(
            public_key,
            subject=_name(self._region),
            issuer=load_certificate(record.certificate),
            issuer_key=issuer_key,
            not_before=now - BACK_DATED,
            not_after=now + LEAF_LIFETIME,
            usage=CertificateUsage.KEY_AGREEMENT,
            hash_name=_HASH,
        )

    async def _authority(self, now: datetime) -> AuthorityRecord:
        existing = self._store.authority(ACCOUNT, CertificateFamily.ECC)
        if existing is not None:
            return existing
        private_key = ec.generate_private_key(CURVE)
        certificate = create_root(
            private_key,
            common_name=f"{_name(self._region)} root",
            not_before=now - BACK_DATED,
            not_after=now + ROOT_LIFETIME,
            hash_name=_HASH,
        )
        unsealed = AuthorityRecord(
            account=ACCOUNT,
            family=CertificateFamily.ECC,
            certificate=certificate.public_bytes(Encoding.DER),
            sealed=Sealed(b"", b""),
            created_at=now,
        )
        binding = authority_binding(self._region, unsealed)
        sealed = self._vault.seal(encode_private_key(private_key), binding=binding)

        def change(tx: Transaction) -> AuthorityRecord:
            # Another process may have been faster; then its root is the Region's.
            found = tx.authority(ACCOUNT, CertificateFamily.ECC)
            if found is not None:
                return found
            made = replace(unsealed, sealed=sealed)
            tx.insert_authority(made)
            return made

        return await self._store.write(change)


def verify_peer(
    certificate: bytes, *, root: x509.Certificate, region: str, now: datetime
) -> ec.EllipticCurvePublicKey:
    """
    Return the one-time key in a peer's leaf.

    Args:
        certificate: DER, as the peer sent it.
        root: the peer's, trusted.
        region: who the peer must be.

    Raises:
        MalformedCertificateError, CertificateChainError, CertificateValidityError,
        CertificateUsageError: it is not the peer's leaf for a key agreement of now.
        KeyAgreementError: the key is not on P-521.
    """
    leaf = load_certificate(certificate)
    verify_chain(leaf, (), root, now=now, tolerance=CLOCK_TOLERANCE)
    check_usage(leaf, CertificateUsage.KEY_AGREEMENT, what=f"{region} replication")
    names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if [name.value for name in names] != [_name(region)]:
        raise CertificateChainError(f"the certificate is not of Region {region}")
    public_key = leaf.public_key()
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or public_key.curve.name != CURVE.name:
        raise KeyAgreementError("replication key: expected a point of P-521")
    return public_key

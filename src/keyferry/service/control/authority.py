"""The service's own certificate authority: one private root per account, Region and family."""

from __future__ import annotations

import asyncio
import functools
import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from keyferry.crypto.certificates import (
    CertificateUsage,
    create_root,
    issue_leaf,
    load_certificate,
    public_key_der,
)
from keyferry.keys import KeyAlgorithm
from keyferry.service.context import Context
from keyferry.service.control.create_key import generate_pair
from keyferry.service.control.rsa_spares import generate
from keyferry.service.control.sealing import PrivateKey, encode_private_key, open_authority
from keyferry.service.store.interface import Transaction
from keyferry.service.store.records import AuthorityRecord, CertificateFamily, Sealed
from keyferry.service.vault.binding import authority_binding

# Users install roots in HSMs, so they live long. Certificates are back-dated, because the clock of
# whoever checks them may be slow.
ROOT_LIFETIME = timedelta(days=3652)
BACK_DATED = timedelta(hours=1)
HASH_NAME = "SHA512"

_ROOT_ALGORITHMS = {
    CertificateFamily.RSA: KeyAlgorithm.RSA_4096,
    CertificateFamily.ECC: KeyAlgorithm.ECC_NIST_P521,
}
# Roots being made, by store, account and family: a hundred first requests cost one RSA key.
_UNDER_WAY: dict[tuple[int, str, CertificateFamily], asyncio.Task[AuthorityRecord]] = {}


@dataclass(frozen=True, slots=True)
class ServiceAuthority:
    """The root of an account; it issues leaves directly."""

    record: AuthorityRecord
    certificate: x509.Certificate

    def issue(
        self,
        context: Context,
        private_key: PrivateKey,
        *,
        subject: str,
        usage: CertificateUsage,
        not_after: datetime,
    ) -> x509.Certificate:
        """Issue a leaf for our own pair; a few milliseconds of RSA, so run it off the loop."""
        return issue_leaf(
            private_key.public_key(),
            subject=subject,
            issuer=self.certificate,
            issuer_key=open_authority(context, self.record),
            not_before=context.now - BACK_DATED,
            not_after=not_after,
            usage=usage,
            hash_name=HASH_NAME,
        )


def family_of(algorithm: KeyAlgorithm) -> CertificateFamily:
    """RSA keys go under the RSA root, ECC keys under the ECC root."""
    return CertificateFamily.RSA if algorithm.is_rsa else CertificateFamily.ECC


async def service_authority(context: Context, family: CertificateFamily) -> ServiceAuthority:
    """Return the account's root of a family, made and stored at first use."""
    record = context.store.authority(context.account, family)
    if record is None:
        key = (id(context.store), context.account, family)
        task = _UNDER_WAY.get(key)
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            task = asyncio.create_task(_create(context, family))
            _UNDER_WAY[key] = task
            task.add_done_callback(functools.partial(_finished, key))
        # Shielded: a client that hangs up must not take the root from all who wait for it.
        record = await asyncio.shield(task)
    return ServiceAuthority(record, load_certificate(record.certificate))


def _finished(key: tuple[int, str, CertificateFamily], task: asyncio.Task[AuthorityRecord]) -> None:
    _UNDER_WAY.pop(key, None)
    if not task.cancelled():
        # Whoever waited has the error; if everybody hung up, nobody has to hear of it.
        task.exception()


async def _create(context: Context, family: CertificateFamily) -> AuthorityRecord:
    algorithm = _ROOT_ALGORITHMS[family]
    private_key: PrivateKey
    if algorithm.is_rsa:
        # Not from the spares: an account makes one root, and nobody waits for a second.
        private_key = await context.offload(lambda: generate(algorithm.modulus_bits))
    else:
        private_key = await generate_pair(context, algorithm)
    # The fingerprint tells apart the roots of two stores that serve the same account and Region,
    # which an HSM would otherwise take for the same issuer.
    digest = hashlib.sha256(public_key_der(private_key.public_key())).hexdigest()
    certificate = create_root(
        private_key,
        common_name=f"keyferry {context.region} {context.account} {family} {digest[:8]}",
        not_before=context.now - BACK_DATED,
        not_after=context.now + ROOT_LIFETIME,
        hash_name=HASH_NAME,
    )
    record = AuthorityRecord(
        account=context.account,
        family=family,
        certificate=certificate.public_bytes(Encoding.DER),
        sealed=Sealed(b"", b""),
        created_at=context.now,
    )
    sealed = context.vault.seal(
        encode_private_key(private_key), binding=authority_binding(context.region, record)
    )
    record = replace(record, sealed=sealed)

    def change(tx: Transaction) -> AuthorityRecord:
        # Another process may have been faster; then its root is the account's.
        existing = tx.authority(context.account, family)
        if existing is not None:
            return existing
        tx.insert_authority(record)
        return record

    return await context.store.write(change)

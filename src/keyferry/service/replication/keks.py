"""
The key encryption keys of Region pairs: AES-256, one for each direction, agreed and never sent.

Both sides make a one-time key on P-521, show it in a leaf under their Region's root, verify the
other's, and derive 32 bytes (NIST SP 800-56A, one-step with SHA-512) bound to the pair, the
direction, the KEK's id and 32 random bytes of each side. The check value shows the sender that
both derived the same. Each side keeps the KEK in its store, sealed, so that a message may be
opened by another process than the one that agreed, and after a restart.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from keyferry.crypto.check_values import cmac_kcv
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.ecdh import agree
from keyferry.crypto.kdf import KeyDerivationFunction, derive_key
from keyferry.crypto.keyblock import KBPK
from keyferry.crypto.secret import Secret
from keyferry.errors import PeerProtocolError, UnknownReplicationKEKError
from keyferry.service import log
from keyferry.service.replication.identity import CURVE, Identity, verify_peer
from keyferry.service.replication.messages import AgreeKeyInput, AgreeKeyOutput
from keyferry.service.store.interface import KeyStore
from keyferry.service.store.replication_records import KEKDirection, ReplicationKEKRecord
from keyferry.service.vault.binding import encode_binding
from keyferry.service.vault.interface import Vault

KEK_BYTES = 32
RANDOM_BYTES = 32
# A message takes seconds at most; an hour leaves room for clocks.
REPLACED_KEK_LIFETIME = timedelta(hours=1)
_MOST_OPENED = 64
_KEK_ID_BYTES = 16
_CHECK_VALUE_BYTES = 5


class KEKs:
    """The KEKs of one Region with all its peers, opened once and kept."""

    def __init__(
        self,
        region: str,
        store: KeyStore,
        vault: Vault,
        *,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.identity = Identity(region, store, vault)
        self._region = region
        self._store = store
        self._vault = vault
        self._random_bytes = random_bytes
        self._opened: dict[tuple[KEKDirection, str, str], KBPK] = {}

    def newest(self, peer: str) -> tuple[str, KBPK] | None:
        """The KEK to send under; None if there is none yet."""
        record = self._store.replication_kek(KEKDirection.TO, peer)
        return None if record is None else (record.kek_id, self._open(record))

    def received(self, peer: str, kek_id: str) -> KBPK:
        """The KEK a peer sends under; UnknownReplicationKEKError if it was not agreed here."""
        opened = self._opened.get((KEKDirection.FROM, peer, kek_id))
        if opened is not None:
            return opened
        record = self._store.replication_kek(KEKDirection.FROM, peer, kek_id)
        if record is None:
            raise UnknownReplicationKEKError(f"no KEK {kek_id} was agreed with {peer}")
        return self._open(record)

    def proof_key(
        self, direction: KEKDirection, peer: str, kek_id: str | None = None
    ) -> tuple[str, Secret]:
        """
        A MAC key only the two Regions of a pair can make, for proofs that others carry.

        Args:
            direction: of the keys that are proven.
            kek_id: of the KEK it is derived from; None is the newest.

        Returns:
            The KEK's id, and 32 bytes, which are to be wiped.

        Raises:
            UnknownReplicationKEKError: there is no such KEK here.
        """
        record = self._store.replication_kek(direction, peer, kek_id)
        if record is None:
            raise UnknownReplicationKEKError(f"no such KEK was agreed with {peer}")
        binding = self._binding(direction, peer, record.kek_id, record.check_value)
        with Secret(self._vault.open(record.sealed, binding=binding)) as kek:
            # A key of its own, as the KEK wraps keys: one block of counter mode with HMAC, with
            # counter, label, zero, context and bits (NIST SP 800-108r1, 4.1).
            context = record.kek_id.encode()
            fixed = b"keyferry key proof\x00" + context + (256).to_bytes(4, "big")
            derived = hmac.digest(kek.reveal(), (1).to_bytes(4, "big") + fixed, "sha256")
        return record.kek_id, Secret(derived)

    async def forget(self, peer: str, kek_id: str) -> None:
        """Give up a KEK to send under, which the peer does not know any more."""
        self._opened.pop((KEKDirection.TO, peer, kek_id), None)
        await self._store.write(lambda tx: tx.delete_replication_kek(KEKDirection.TO, peer, kek_id))

    def close_opened(self) -> None:
        """Open each again when it is used: another process may have erased one meanwhile."""
        self._opened.clear()

    async def sweep(self, *, now: datetime) -> int:
        """
        Erase KEKs that were replaced long enough ago, and return how many.

        The newest of a pair stays, however old. If the peer still sends under one that is gone
        here (it never heard that a new one was agreed), it is told so, and agrees anew.
        """
        newest: dict[tuple[KEKDirection, str], ReplicationKEKRecord] = {}
        records = self._store.replication_keks()
        for record in records:
            newest[record.direction, record.peer] = record
        replaced = [
            record
            for record in records
            if record is not newest[record.direction, record.peer]
            and newest[record.direction, record.peer].created_at <= now - REPLACED_KEK_LIFETIME
        ]
        if replaced:
            await self._store.write(lambda tx: tx.erase_replication_keks(replaced))
            log.info("replication_keks_erased", region=self._region, count=len(replaced))
        return len(replaced)

    def offer(self) -> Offer:
        """Begin an agreement; see `Offer`."""
        return Offer(self, self._random_bytes)

    async def accept(
        self, peer: str, offered: AgreeKeyInput, *, root: x509.Certificate, now: datetime
    ) -> AgreeKeyOutput:
        """
        Agree on a KEK a peer offers, and keep it.

        Raises:
            CertificateError, KeyAgreementError: the peer's key is not what it should be.
            ConflictError: there is a KEK of that id already.
        """
        peer_key = verify_peer(offered.certificate, root=root, region=peer, now=now)
        private_key = ec.generate_private_key(CURVE)
        leaf = await self.identity.issue(private_key.public_key(), now=now)
        random = self._random_bytes(RANDOM_BYTES)
        check_value = await self.keep(
            agree(private_key, peer_key),
            KEKDirection.FROM,
            peer,
            offered.kek_id,
            randoms=offered.random + random,
            now=now,
        )
        return AgreeKeyOutput(
            certificate=leaf.public_bytes(Encoding.DER), random=random, check_value=check_value
        )

    async def keep(
        self,
        z: bytes,
        direction: KEKDirection,
        peer: str,
        kek_id: str,
        *,
        randoms: bytes,
        now: datetime,
        expected: str | None = None,
    ) -> str:
        """
        Derive a KEK, seal it and store it; return its check value.

        Raises:
            PeerProtocolError: the check value is not the `expected` one; nothing is kept.
        """
        sender, receiver = (
            (self._region, peer) if direction is KEKDirection.TO else (peer, self._region)
        )
        info = encode_binding("replication KEK", sender, receiver, kek_id, randoms)
        with Secret(
            derive_key(
                z,
                kdf=KeyDerivationFunction.NIST_SP800,
                hash_name="SHA512",
                shared_info=info,
                size=KEK_BYTES,
            )
        ) as kek:
            check_value = cmac_kcv(Cipher.AES, kek.reveal(), size=_CHECK_VALUE_BYTES).hex().upper()
            if expected is not None and not hmac.compare_digest(expected, check_value):
                raise PeerProtocolError(f"{peer} derived another KEK from the same agreement")
            binding = self._binding(direction, peer, kek_id, check_value)
            before = self._store.replication_kek(direction, peer)
            if before is not None and before.created_at >= now:
                # The clock was set back; still the one that is agreed last is the newest.
                now = before.created_at + timedelta(microseconds=1)
            record = ReplicationKEKRecord(
                direction=direction,
                peer=peer,
                kek_id=kek_id,
                check_value=check_value,
                sealed=self._vault.seal(kek.reveal(), binding=binding),
                created_at=now,
            )
        await self._store.write(lambda tx: tx.insert_replication_kek(record))
        return check_value

    def _open(self, record: ReplicationKEKRecord) -> KBPK:
        name = (record.direction, record.peer, record.kek_id)
        opened = self._opened.get(name)
        if opened is None:
            binding = self._binding(*name, record.check_value)
            with Secret(self._vault.open(record.sealed, binding=binding)) as kek:
                opened = KBPK(Cipher.AES, kek.reveal())
            if len(self._opened) >= _MOST_OPENED:
                self._opened.clear()
            self._opened[name] = opened
        return opened

    def _binding(self, direction: KEKDirection, peer: str, kek_id: str, check_value: str) -> bytes:
        return encode_binding(
            "replication KEK", self._region, direction.value, peer, kek_id, check_value
        )


class Offer:
    """The sender's side of an agreement: `message` goes out, `complete` takes the answer."""

    def __init__(self, keks: KEKs, random_bytes: Callable[[int], bytes]) -> None:
        self.kek_id = random_bytes(_KEK_ID_BYTES).hex()
        self._keks = keks
        self._random = random_bytes(RANDOM_BYTES)
        self._private_key = ec.generate_private_key(CURVE)

    async def message(self, *, now: datetime) -> AgreeKeyInput:
        leaf = await self._keks.identity.issue(self._private_key.public_key(), now=now)
        return AgreeKeyInput(
            kek_id=self.kek_id,
            certificate=leaf.public_bytes(Encoding.DER),
            random=self._random,
        )

    async def complete(
        self, peer: str, answer: AgreeKeyOutput, *, root: x509.Certificate, now: datetime
    ) -> None:
        """
        Keep the KEK that was agreed.

        Raises:
            CertificateError, KeyAgreementError: the peer's key is not what it should be.
            PeerProtocolError: the peer derived another KEK.
        """
        peer_key = verify_peer(answer.certificate, root=root, region=peer, now=now)
        await self._keks.keep(
            agree(self._private_key, peer_key),
            KEKDirection.TO,
            peer,
            self.kek_id,
            randoms=self._random + answer.random,
            now=now,
            expected=answer.check_value,
        )

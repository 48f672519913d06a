"""
The receiving side of a Region: applies what its peers say, once and in order.

A message may come late, twice, or after a newer one: what decides is the key's change number, read
and written in the transaction that applies the change. A number that was seen changes nothing and
is answered as if it had just been applied, for the answer to the first may have been lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from keyferry.errors import (
    PeerProtocolError,
    StoreError,
    StoreIntegrityError,
    UnknownReplicationKEKError,
)
from keyferry.service import log
from keyferry.service.errors import ConflictError
from keyferry.service.replication import messages as m
from keyferry.service.replication.aliases.description import describe_aliases
from keyferry.service.replication.aliases.receiver import apply_alias
from keyferry.service.replication.inspection.description import describe_replicas
from keyferry.service.replication.keks import KEKs
from keyferry.service.replication.key_changes import KeyChanges
from keyferry.service.replication.rehearsal.canary_proof import prove_canary
from keyferry.service.replication.snapshot import (
    OtherCheckValueError,
    UnusableKeyBlockError,
    open_snapshot,
)
from keyferry.service.replication.turns import give_turn
from keyferry.service.store.interface import KeyStore, Transaction
from keyferry.service.store.records import KeyRecord
from keyferry.service.vault.binding import key_binding
from keyferry.service.vault.interface import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """
    What a Region does with messages of its peers.

    Args:
        roots: gives the root a peer's certificates are checked against.
        key_limit: the quota of keys of an account in this Region; replicas count.
        alias_limit: that of aliases; those that were brought count.
        clock: the time of day in UTC.
    """

    region: str
    store: KeyStore
    vault: Vault
    keks: KEKs
    roots: Callable[[str], Awaitable[x509.Certificate]]
    clock: Callable[[], datetime]
    key_limit: int | None = None
    alias_limit: int | None = None
    # Raises PeerUnreachableError while the Region is cut off from the peer.
    check_cut: Callable[[str], None] = lambda _: None

    async def root(self) -> x509.Certificate:
        """This Region's root, for its peers."""
        return await self.keks.identity.root(now=self.clock())

    async def handle(self, peer: str, operation: str, body: bytes) -> bytes:
        """
        Answer a message of `peer`, whom the transport vouches for.

        Raises:
            PeerUnreachableError: the Region is cut off from the peer.
            PeerProtocolError: the message is none.
            CertificateError, KeyAgreementError: the peer's certificate is not what it should be.
            StoreError: the store does not work; nothing may be concluded.
        """
        self.check_cut(peer)
        if operation == m.GET_ROOT:
            m.decode(body, m.GetRootInput)
            root = await self.root()
            return m.encode(m.GetRootOutput(certificate=root.public_bytes(Encoding.DER)))
        if operation == m.AGREE_KEY:
            return m.encode(await self._agree(peer, m.decode(body, m.AgreeKeyInput)))
        if operation == m.APPLY_CHANGES:
            return m.encode(await self._apply(peer, m.decode(body, m.ApplyChangesInput)))
        if operation == m.APPLY_ALIASES:
            return m.encode(await self._apply_aliases(peer, m.decode(body, m.ApplyAliasesInput)))
        if operation == m.DESCRIBE_REPLICAS:
            return m.encode(
                await asyncio.to_thread(
                    describe_replicas,
                    m.decode(body, m.DescribeReplicasInput),
                    peer,
                    region=self.region,
                    store=self.store,
                    vault=self.vault,
                )
            )
        if operation == m.DESCRIBE_ALIASES:
            return m.encode(
                await asyncio.to_thread(
                    describe_aliases, m.decode(body, m.DescribeAliasesInput), peer, store=self.store
                )
            )
        if operation == m.DESCRIBE_QUOTA:
            asked = m.decode(body, m.DescribeQuotaInput)
            used = self.store.count_keys(asked.account)
            return m.encode(m.DescribeQuotaOutput(keys=used, key_limit=self.key_limit))
        if operation == m.PROVE_CANARY:
            proof = await prove_canary(
                m.decode(body, m.ProveCanaryInput),
                peer=peer,
                region=self.region,
                store=self.store,
                vault=self.vault,
                now=self.clock(),
            )
            return m.encode(proof)
        raise PeerProtocolError("the replication protocol has no such operation")

    async def _agree(self, peer: str, offered: m.AgreeKeyInput) -> m.AgreeKeyOutput:
        answer = await self.keks.accept(
            peer, offered, root=await self.roots(peer), now=self.clock()
        )
        log.info("replication_kek_agreed", region=self.region, peer=peer, kek=offered.kek_id)
        return answer

    async def _apply(self, peer: str, sent: m.ApplyChangesInput) -> m.ApplyChangesOutput:
        now = self.clock()
        prepared = []
        try:
            for place, change in enumerate(sent.changes):
                await give_turn(place)
                prepared.append(self._prepare(peer, sent.kek_id, change))
        except UnknownReplicationKEKError:
            return m.ApplyChangesOutput(unknown_kek=True)
        # All at once: they share a transaction of the store.
        results = await asyncio.gather(
            *(
                self._apply_one(peer, change, arrived, now)
                for change, arrived in zip(sent.changes, prepared, strict=True)
            )
        )
        return m.ApplyChangesOutput(results=results)

    async def _apply_aliases(self, peer: str, sent: m.ApplyAliasesInput) -> m.ApplyAliasesOutput:
        now = self.clock()
        return m.ApplyAliasesOutput(
            results=await asyncio.gather(
                *(self._apply_alias(peer, change, now) for change in sent.changes)
            )
        )

    async def _apply_alias(self, peer: str, change: m.AliasChange, now: datetime) -> m.AliasResult:
        try:
            return await self.store.write(
                lambda tx: apply_alias(
                    tx,
                    peer,
                    change,
                    region=self.region,
                    alias_limit=self.alias_limit,
                    now=now,
                )
            )
        except StoreIntegrityError:
            return m.AliasResult(outcome=m.Outcome.REFUSED, reason=m.AliasReason.UNREADABLE)
        except (StoreError, ConflictError):
            # As for keys: each has its own answer.
            return m.AliasResult(outcome=m.Outcome.LATER)

    async def _apply_one(
        self,
        peer: str,
        change: m.Change,
        arrived: KeyRecord | m.ChangeResult | None,
        now: datetime,
    ) -> m.ChangeResult:
        keys = KeyChanges(region=self.region, vault=self.vault, key_limit=self.key_limit)
        if isinstance(arrived, m.ChangeResult):
            return arrived
        if arrived is not None:
            return await self._write(change, lambda tx: keys.put(tx, peer, change, arrived, now))
        if change.action is m.Action.DESTROY:
            return await self._write(change, lambda tx: keys.destroy(tx, peer, change, now))
        return await self._write(change, lambda tx: keys.left(tx, peer, change, now))

    async def _write(
        self, sent: m.Change, change: Callable[[Transaction], m.ChangeResult]
    ) -> m.ChangeResult:
        try:
            return await self.store.write(change, about=((sent.account, sent.key_id),))
        except (StoreError, ConflictError):
            # This key's row may be broken while others are whole: each has its own answer.
            return m.ChangeResult(outcome=m.Outcome.LATER)

    def _prepare(
        self, peer: str, kek_id: str | None, change: m.Change
    ) -> KeyRecord | m.ChangeResult | None:
        """
        Open the key block of a PUT and seal the key for this Region, before the transaction.

        Returns:
            The replica's record, or why there is none; None for any other change.

        Raises:
            UnknownReplicationKEKError: the KEK was not agreed here.
            PeerProtocolError: a PUT without a key or a KEK.
        """
        if change.action is not m.Action.PUT:
            return None
        if change.key is None or kek_id is None:
            raise PeerProtocolError("a PUT has a key, and a KEK its block is under")
        kek = self.keks.received(peer, kek_id)
        try:
            record, material = open_snapshot(
                change.key, account=change.account, key_id=change.key_id, kek=kek
            )
        except UnusableKeyBlockError:
            return m.ChangeResult(outcome=m.Outcome.REFUSED, reason=m.Reason.KEY_BLOCK)
        except OtherCheckValueError:
            return m.ChangeResult(outcome=m.Outcome.REFUSED, reason=m.Reason.CHECK_VALUE)
        with material:
            binding = key_binding(self.region, record)
            return replace(record, sealed=self.vault.seal(material.reveal(), binding=binding))

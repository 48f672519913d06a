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

from keyferry.errors import PeerProtocolError, StoreError, UnknownReplicationKEKError
from keyferry.service import log
from keyferry.service.authz.reserved import CANARY_ACCOUNT
from keyferry.service.errors import ConflictError
from keyferry.service.replication import messages as m
from keyferry.service.replication.alias_receiver import apply_alias
from keyferry.service.replication.canary_proof import prove_canary
from keyferry.service.replication.description import describe_replicas
from keyferry.service.replication.destruction import destroy_replica
from keyferry.service.replication.events import (
    DELETE_REPLICA,
    IMPORT_REPLICA,
    replica_created,
    synchronized,
)
from keyferry.service.replication.healing import erase_replica, holds, read_key, replace_replica
from keyferry.service.replication.keks import KEKs
from keyferry.service.replication.snapshot import (
    OtherCheckValueError,
    UnusableKeyBlockError,
    open_snapshot,
)
from keyferry.service.replication.state import forget_replica
from keyferry.service.replication.tags import mirror_tags
from keyferry.service.store.interface import KeyStore, Transaction
from keyferry.service.store.records import KeyRecord, KeyState
from keyferry.service.store.replication_records import MultiRegionRecord, RegionPart
from keyferry.service.store.rows import immutable_key_values
from keyferry.service.vault.binding import key_binding
from keyferry.service.vault.interface import Vault

_APPLIED = m.Outcome.APPLIED


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
        try:
            results = await asyncio.gather(
                *(self._apply_one(peer, sent.kek_id, change, now) for change in sent.changes)
            )
        except UnknownReplicationKEKError:
            return m.ApplyChangesOutput(unknown_kek=True)
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
        except (StoreError, ConflictError):
            # As for keys: each has its own answer.
            return m.AliasResult(outcome=m.Outcome.LATER)

    async def _apply_one(
        self, peer: str, kek_id: str | None, change: m.Change, now: datetime
    ) -> m.ChangeResult:
        match change.action:
            case m.Action.PUT:
                prepared = self._prepare(peer, kek_id, change)
                if isinstance(prepared, m.ChangeResult):
                    return prepared
                return await self._write(
                    change, lambda tx: self._put(tx, peer, change, prepared, now)
                )
            case m.Action.DESTROY:
                return await self._write(change, lambda tx: self._destroy(tx, peer, change, now))
            case m.Action.LEFT:
                return await self._write(change, lambda tx: self._left(tx, peer, change, now))

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
    ) -> KeyRecord | m.ChangeResult:
        """Open the key block and seal the key for this Region, before the transaction."""
        if change.key is None or kek_id is None:
            raise PeerProtocolError("a PUT has a key, and a KEK its block is under")
        kek = self.keks.received(peer, kek_id)
        try:
            record, material = open_snapshot(
                change.key, account=change.account, key_id=change.key_id, kek=kek
            )
        except UnusableKeyBlockError:
            return _refused(m.Reason.KEY_BLOCK)
        except OtherCheckValueError:
            return _refused(m.Reason.CHECK_VALUE)
        with material:
            binding = key_binding(self.region, record)
            return replace(record, sealed=self.vault.seal(material.reveal(), binding=binding))

    def _put(
        self, tx: Transaction, peer: str, change: m.Change, arrived: KeyRecord, now: datetime
    ) -> m.ChangeResult:
        current, broken = read_key(tx, change.account, change.key_id)
        part = tx.multi_region(change.account, change.key_id)
        if part is None:
            if current is not None or broken:
                return _refused(m.Reason.ID_IN_USE)
        elif part.part is not RegionPart.REPLICA or part.primary_region != peer:
            return _refused(m.Reason.ID_IN_USE)
        elif part.change_number > change.change_number or (
            part.change_number == change.change_number and not broken
        ):
            return self._known(part, current, change)
        elif _is_tombstone(current) and part.incarnation >= change.incarnation:
            return m.ChangeResult(outcome=m.Outcome.LEFT, change_number=part.change_number)
        if broken or (
            current is not None and immutable_key_values(current) != immutable_key_values(arrived)
        ):
            replace_replica(tx, current, arrived, region=self.region, now=now)
        elif current is None or _is_tombstone(current):
            if (
                self.key_limit is not None
                and change.account != CANARY_ACCOUNT
                and tx.count_keys(change.account) >= self.key_limit
            ):
                return _refused(m.Reason.QUOTA)
            self._insert(tx, current, arrived, now)
            # That an earlier incarnation was deleted here is no news any more.
            tx.delete_outbox(change.account, change.key_id, peer)
        else:
            self._update(tx, current, arrived)
        if change.key is not None and change.key.tags is not None:
            mirror_tags(tx, arrived, change.key.tags, region=self.region, now=now)
        tx.put_multi_region(_replica_part(peer, change))
        return m.ChangeResult(
            outcome=_APPLIED, change_number=change.change_number, check_value=arrived.check_value
        )

    def _known(
        self, part: MultiRegionRecord, current: KeyRecord | None, change: m.Change
    ) -> m.ChangeResult:
        """Answer a number that was seen before."""
        if part.change_number > change.change_number:
            return m.ChangeResult(outcome=m.Outcome.STALE, change_number=part.change_number)
        if current is None or _is_tombstone(current):
            return m.ChangeResult(outcome=m.Outcome.LEFT, change_number=part.change_number)
        return m.ChangeResult(
            outcome=_APPLIED, change_number=part.change_number, check_value=current.check_value
        )

    def _insert(
        self, tx: Transaction, tombstone: KeyRecord | None, arrived: KeyRecord, now: datetime
    ) -> None:
        if tombstone is None:
            tx.insert_key(arrived)
        else:
            # Replicated here before, deleted, and now again: it is the same key.
            tx.update_key(
                replace(arrived, revision=tombstone.revision + 1), replacing=tombstone.revision
            )
        tx.append_audit(replica_created(arrived, region=self.region, now=now))
        tx.append_audit(
            synchronized(
                IMPORT_REPLICA, arrived, region=self.region, replica_region=self.region, now=now
            )
        )

    def _update(self, tx: Transaction, current: KeyRecord, arrived: KeyRecord) -> None:
        """Follow the primary in what can change. The material ought to be the same, and now is."""
        updated = replace(
            current,
            state=arrived.state,
            enabled=arrived.enabled,
            usage_started_at=arrived.usage_started_at,
            usage_stopped_at=arrived.usage_stopped_at,
        )
        if updated == current and holds(current, arrived, region=self.region, vault=self.vault):
            # What changed concerns other Regions, or nothing did: whoever has the key open need
            # not look it up again.
            return
        updated = replace(updated, sealed=arrived.sealed, revision=current.revision + 1)
        tx.update_key(updated, replacing=current.revision)

    def _destroy(
        self, tx: Transaction, peer: str, change: m.Change, now: datetime
    ) -> m.ChangeResult:
        current, broken = read_key(tx, change.account, change.key_id)
        part = tx.multi_region(change.account, change.key_id)
        done = m.ChangeResult(outcome=_APPLIED, change_number=change.change_number)
        if part is None and (current is not None or broken):
            return done  # somebody else's key: there is no replica of this one here
        if part is not None:
            if part.part is not RegionPart.REPLICA or part.primary_region != peer:
                return done
            if part.change_number > change.change_number:
                return m.ChangeResult(outcome=m.Outcome.STALE, change_number=part.change_number)
            if part.change_number == change.change_number:
                return done
        if broken and part is not None:
            erase_replica(tx, part, region=self.region, now=now)
        elif current is not None and not _is_tombstone(current):
            destroy_replica(tx, current, region=self.region, now=now)
        # Kept even if there was no key: a PUT that was sent before may still be under way.
        tx.put_multi_region(_replica_part(peer, change))
        tx.delete_outbox(change.account, change.key_id, peer)
        return done

    def _left(self, tx: Transaction, peer: str, change: m.Change, now: datetime) -> m.ChangeResult:
        """A replica was deleted in its own Region: its entry goes, if it still is that one."""
        replica = tx.replica(change.account, change.key_id, peer)
        record = tx.key(change.account, change.key_id)
        if replica is not None and replica.incarnation <= change.incarnation:
            forget_replica(tx, replica)
            if record is not None:
                tx.append_audit(
                    synchronized(
                        DELETE_REPLICA, record, region=self.region, replica_region=peer, now=now
                    )
                )
        return m.ChangeResult(outcome=_APPLIED, change_number=change.change_number)


def _replica_part(peer: str, change: m.Change) -> MultiRegionRecord:
    return MultiRegionRecord(
        account=change.account,
        key_id=change.key_id,
        part=RegionPart.REPLICA,
        primary_region=peer,
        change_number=change.change_number,
        incarnation=change.incarnation,
    )


def _is_tombstone(record: KeyRecord | None) -> bool:
    return record is not None and record.state is KeyState.DELETE_COMPLETE


def _refused(reason: m.Reason) -> m.ChangeResult:
    return m.ChangeResult(outcome=m.Outcome.REFUSED, reason=reason)

"""
What a change of a peer does to a key here, within one transaction.

A peer has a say only over keys whose part says that they are replicas of its own, and brings such
a key to what it says, whatever is there. What decides the order is the key's change number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from keyferry.service.authz.reserved import CANARY_ACCOUNT
from keyferry.service.replication import messages as m
from keyferry.service.replication.destruction import destroy_replica
from keyferry.service.replication.events import (
    DELETE_REPLICA,
    IMPORT_REPLICA,
    replica_created,
    synchronized,
)
from keyferry.service.replication.inspection.healing import (
    erase_replica,
    holds,
    read_key,
    read_part,
    replace_replica,
)
from keyferry.service.replication.state import forget_replica
from keyferry.service.replication.tags import mirror_tags
from keyferry.service.store.interface import Transaction
from keyferry.service.store.records import KeyRecord, KeyState
from keyferry.service.store.replication_records import MultiRegionRecord, RegionPart
from keyferry.service.store.rows import immutable_key_values
from keyferry.service.vault.interface import Vault

_APPLIED = m.Outcome.APPLIED


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChanges:
    """
    The changes of keys a Region takes from its peers.

    Args:
        key_limit: the quota of keys of an account in this Region; replicas count.
    """

    region: str
    vault: Vault
    key_limit: int | None = None

    def put(
        self, tx: Transaction, peer: str, change: m.Change, arrived: KeyRecord, now: datetime
    ) -> m.ChangeResult:
        """
        Make the key a replica like its primary.

        Args:
            arrived: the replica's record, sealed for this Region.
        """
        current, broken = read_key(tx, change.account, change.key_id)
        part, part_broken = read_part(tx, change.account, change.key_id)
        if part_broken:
            # A key that is the one that arrived is nobody else's; of any other nothing is known.
            if current is None or not self._is_same(current, arrived):
                return _refused(m.Reason.PART)
        elif part is None:
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
        if broken or (current is not None and not _is_alike(current, arrived)):
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
        if updated == current and self._is_same(current, arrived):
            # What changed concerns other Regions, or nothing did: whoever has the key open need
            # not look it up again.
            return
        updated = replace(updated, sealed=arrived.sealed, revision=current.revision + 1)
        tx.update_key(updated, replacing=current.revision)

    def _is_same(self, current: KeyRecord, arrived: KeyRecord) -> bool:
        """Whether a key here is the one that arrived, whatever state it is in."""
        return _is_alike(current, arrived) and holds(
            current, arrived, region=self.region, vault=self.vault
        )

    def destroy(
        self, tx: Transaction, peer: str, change: m.Change, now: datetime
    ) -> m.ChangeResult:
        """Destroy the replica; remember that it was, even if there is none."""
        current, broken = read_key(tx, change.account, change.key_id)
        part, part_broken = read_part(tx, change.account, change.key_id)
        if part_broken and (broken or (current is not None and not _is_tombstone(current))):
            return _refused(m.Reason.PART)  # it may be anybody's
        done = m.ChangeResult(outcome=_APPLIED, change_number=change.change_number)
        if part is None and not part_broken and (current is not None or broken):
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

    def left(self, tx: Transaction, peer: str, change: m.Change, now: datetime) -> m.ChangeResult:
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


def _is_alike(current: KeyRecord, arrived: KeyRecord) -> bool:
    """Whether two records agree in what a key can never change."""
    return immutable_key_values(current) == immutable_key_values(arrived)


def _is_tombstone(record: KeyRecord | None) -> bool:
    return record is not None and record.state is KeyState.DELETE_COMPLETE


def _refused(reason: m.Reason) -> m.ChangeResult:
    return m.ChangeResult(outcome=m.Outcome.REFUSED, reason=reason)

"""
Making replicas equal again: the primary is sent once more, an orphan is destroyed.

The primary always wins, and is never touched. What cannot be repaired from here is answered with
words that say what to do. A replica is replaced whole, so that also one whose row was edited, or
whose material is another, is made good by the next change that arrives (`healing.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from keyferry.errors import PeerProtocolError, StoreIntegrityError
from keyferry.service.replication import messages as m
from keyferry.service.replication.aliases.state import follow_aliases_of_key
from keyferry.service.replication.delivery import refusal_words
from keyferry.service.replication.inspection.verification import Verifier
from keyferry.service.replication.state import Sender, resend
from keyferry.service.store.inspection_records import KeyName
from keyferry.service.store.interface import StoreView, Transaction
from keyferry.service.store.records import KeyRecord
from keyferry.service.store.replication_records import RegionPart


@dataclass(frozen=True, slots=True)
class Repair:
    """What became of one key; `words` say why not, and what to do."""

    name: KeyName
    done: bool
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairer:
    """
    Repairs what a verifier found.

    Args:
        write: runs a change of the store and wakes the link.
        destroy_unknown: destroy replicas also of keys that their primary Region does not know.
    """

    verifier: Verifier
    sender: Sender
    write: Callable[[Callable[[Transaction], Repair | None]], Awaitable[Repair | None]]
    destroy_unknown: bool = False

    async def repair(self, names: Sequence[KeyName]) -> list[Repair]:
        """
        Repair these keys, or say why one cannot be.

        Raises:
            PeerUnreachableError, PeerProtocolError: the peer does not answer; the keys that are to
                be sent again are sent when it does.
        """
        repairs: dict[KeyName, Repair] = {}
        orphans: list[KeyName] = []
        for name in names:
            repair = await self.write(partial(self._send_again, name=name))
            if repair is None:
                orphans.append(name)
            else:
                repairs[name] = repair
        for start in range(0, len(orphans), m.MAX_CHANGES):
            some = orphans[start : start + m.MAX_CHANGES]
            repairs |= {repair.name: repair for repair in await self._destroy(some)}
        return [repairs[name] for name in names]

    def _send_again(self, tx: Transaction, name: KeyName) -> Repair | None:
        """Enqueue a primary; None if it has no entry for the peer."""
        region, peer = self.verifier.region, self.verifier.peer
        try:
            entry = tx.replica(name.account, name.key_id, peer)
            record = tx.key(name.account, name.key_id)
            part = tx.multi_region(name.account, name.key_id)
        except StoreIntegrityError:
            return Repair(name, False, _unreadable_primary(region, peer))
        if entry is None:
            return None
        if record is None or part is None or part.part is not RegionPart.PRIMARY:
            return Repair(name, False, _unreadable_primary(region, peer))
        resend(tx, record, entry, sender=self.sender)
        if peer in self.sender.aliases:
            # A replica that was lost took its aliases with it.
            follow_aliases_of_key(tx, name.account, name.key_id, peer, sender=self.sender)
        return Repair(name, True, f"sent again to {peer}")

    async def _destroy(self, names: Sequence[KeyName]) -> list[Repair]:
        described = await self.verifier.describe(names)
        repairs = []
        changes = []
        for name in names:
            replica = described[name]
            refusal = self._orphan_refusal(self.verifier.store, name, replica)
            if refusal is not None:
                repairs.append(refusal)
                continue
            changes.append(
                m.Change(
                    account=name.account,
                    key_id=name.key_id,
                    change_number=replica.change_number + 1,
                    incarnation=replica.incarnation,
                    action=m.Action.DESTROY,
                )
            )
        if not changes:
            return repairs
        message = m.ApplyChangesInput(changes=changes)
        body = await self.verifier.transport.call(m.APPLY_CHANGES, m.encode(message))
        results = m.decode(body, m.ApplyChangesOutput).results
        peer = self.verifier.peer
        if len(results) != len(changes):
            raise PeerProtocolError(f"{peer} answered other changes than were sent")
        for change, result in zip(changes, results, strict=True):
            done = result.outcome is m.Outcome.APPLIED
            words = (
                f"destroyed in {peer}" if done else f"{refusal_words(result, peer)}; verify again"
            )
            repairs.append(Repair(KeyName(change.account, change.key_id), done, words))
        return repairs

    def _orphan_refusal(
        self, store: StoreView, name: KeyName, replica: m.KeyDescription
    ) -> Repair | None:
        """Why an orphan is left alone; None if it may be destroyed."""
        region, peer = self.verifier.region, self.verifier.peer
        if replica.condition is m.Condition.ABSENT:
            return Repair(name, True, f"gone from {peer} already")
        try:
            record: KeyRecord | None = store.key(name.account, name.key_id)
            part = store.multi_region(name.account, name.key_id)
            entry = store.replica(name.account, name.key_id, peer)
        except StoreIntegrityError:
            return Repair(name, False, _unreadable_primary(region, peer))
        if entry is not None:
            return Repair(name, False, f"was added to {peer} just now; verify again")
        if part is not None and part.part is RegionPart.REPLICA:
            return Repair(
                name,
                False,
                f"it is a replica in both Regions: no primary is left in {region} or {peer}; "
                "restore the primary from a backup of its store",
            )
        if record is None and part is None and not self.destroy_unknown:
            return Repair(
                name,
                False,
                f"{region} does not know the key, and if its store was taken back to an earlier "
                f"copy this is the last one; restore the store of {region}, or repeat with "
                "--destroy-unknown",
            )
        return None


def _unreadable_primary(region: str, peer: str) -> str:
    return (
        f"the primary in {region} cannot be read; restore the store of {region} from a backup"
        f" (the replica in {peer} still works)"
    )

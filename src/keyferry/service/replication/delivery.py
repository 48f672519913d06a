"""
From rows of the outbox to messages, and from answers to what the store says.

What is sent is the key as it is now, not as it was when the row was written, so that one message
is enough however many changes it stands for. What comes back counts only if the row still has the
number that was sent: a later change has its own row, and its own message.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from keyferry.crypto.keyblock import KBPK
from keyferry.errors import KeyferryError
from keyferry.service import log
from keyferry.service.authz.reserved import CANARY_ACCOUNT
from keyferry.service.replication import messages as m
from keyferry.service.replication.aliases.state import follow_aliases_of_key
from keyferry.service.replication.backoff import Backoff
from keyferry.service.replication.events import (
    DELETE_REPLICA,
    EXPORT_REPLICA,
    IMPORT_REPLICA,
    synchronized,
)
from keyferry.service.replication.measurements import Measurements
from keyferry.service.replication.outbox_rows import current_row, put_off
from keyferry.service.replication.snapshot import take_snapshot
from keyferry.service.replication.state import Sender, forget_replica, raise_above
from keyferry.service.store.interface import KeyStore, StoreView, Transaction
from keyferry.service.store.records import KeyRecord, KeyState
from keyferry.service.store.replication_records import (
    OutboxRecord,
    RegionPart,
    ReplicaRecord,
    ReplicaStatus,
)
from keyferry.service.vault.interface import Vault

# A change that could not be applied so many times waits for a person; a destruction never does.
MOST_ATTEMPTS = 12

_WORDS = {
    m.Reason.QUOTA: "the quota of keys in {region} is used up",
    m.Reason.ID_IN_USE: "the key id is in use in {region} by another key",
    m.Reason.KEY_BLOCK: "the key block could not be opened in {region}",
    m.Reason.CHECK_VALUE: "the check value in {region} is another",
    m.Reason.PART: "what {region} keeps of the key's part among Regions does not verify",
}


class _KEKNeededError(Exception):
    """A key is to be sent after all, and the batch has no KEK."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A row of the outbox and the message made for it."""

    row: OutboxRecord
    change: m.Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """
    The deliveries of keys from one Region to one peer.

    Args:
        aliases: whether aliases follow their keys to the peer.
        tags: whether tags do.
    """

    region: str
    peer: str
    store: KeyStore
    vault: Vault
    owner: str
    backoff: Backoff
    aliases: bool = False
    tags: bool = False
    measurements: Measurements = field(default_factory=Measurements)

    async def prepare(
        self, row: OutboxRecord, kek: KBPK | None, view: StoreView
    ) -> Dispatch | None:
        """
        Make the message for a row; None if there is nothing to say any more.

        `view` reads the store as it is now. A key that cannot be read or wrapped fails alone: its
        status says so.
        """
        try:
            change = self._change(row, kek, view)
        except _KEKNeededError:
            return None  # it was to be destroyed when the batch was looked at; it stays due
        except KeyferryError as error:
            log.error(
                "replication_key_unreadable",
                region=self.region,
                peer=self.peer,
                key=row.key_id,
                reason=type(error).__name__,
            )
            words = f"the key could not be read in {self.region}"
            await self.store.write(lambda tx: self._hold(tx, row, words))
            return None
        if change is None:
            await self.store.write(lambda tx: self._drop(tx, row))
            return None
        return Dispatch(row, change)

    def look_up(self, rows: Sequence[OutboxRecord]) -> StoreView:
        """The store as it is now, with what is to be read about these rows at hand."""
        return self.store.known([_subject(row) for row in rows])

    def needs_kek(self, row: OutboxRecord, view: StoreView) -> bool:
        """Whether the message for a row will carry a key."""
        replica = view.replica(row.account, row.key_id, row.region)
        return replica is not None and replica.status is not ReplicaStatus.DELETE_IN_PROGRESS

    def _change(self, row: OutboxRecord, kek: KBPK | None, view: StoreView) -> m.Change | None:
        part = view.multi_region(row.account, row.key_id)
        record = view.key(row.account, row.key_id)
        if part is None or record is None:
            return None
        if part.part is RegionPart.REPLICA:
            if part.primary_region != self.peer or record.state is not KeyState.DELETE_COMPLETE:
                return None
            return _message(row, part.incarnation, m.Action.LEFT)
        replica = view.replica(row.account, row.key_id, row.region)
        if replica is None:
            return None
        if replica.status is ReplicaStatus.DELETE_IN_PROGRESS:
            return _message(row, replica.incarnation, m.Action.DESTROY)
        if kek is None:
            raise _KEKNeededError
        tags = view.tags(row.account, row.key_id) if self.tags else None
        snapshot = take_snapshot(record, region=self.region, vault=self.vault, kek=kek, tags=tags)
        return _message(row, replica.incarnation, m.Action.PUT, snapshot)

    async def conclude(
        self, sent: Sequence[Dispatch], results: Sequence[m.ChangeResult], now: datetime
    ) -> list[datetime]:
        """
        Write what the answers say. Each is a change of its own, in one transaction of the store:
        a row that is broken fails alone.

        Returns:
            For each key that is equal in the peer now: when its change was written.
        """
        outcomes = await asyncio.gather(
            *(
                self.store.write(
                    partial(self._conclude, sent=dispatch, result=result, now=now),
                    about=(_subject(dispatch.row),),
                )
                for dispatch, result in zip(sent, results, strict=True)
            ),
            return_exceptions=True,
        )
        failure = next((o for o in outcomes if isinstance(o, BaseException)), None)
        if failure is not None:
            raise failure
        return [outcome for outcome in outcomes if isinstance(outcome, datetime)]

    def _conclude(
        self, tx: Transaction, sent: Dispatch, result: m.ChangeResult, now: datetime
    ) -> datetime | None:
        row = self._current(tx, sent.row)
        if row is None:
            return None
        record = tx.key(row.account, row.key_id)
        replica = tx.replica(row.account, row.key_id, row.region)
        if replica is None or record is None:
            # News for a primary: a replica's own row. It waits, like a destruction, for ever.
            if result.outcome in (m.Outcome.APPLIED, m.Outcome.STALE, m.Outcome.LEFT):
                tx.delete_outbox(row.account, row.key_id, row.region)
            else:
                self._try_again(tx, row, now)
            return None
        destroying = sent.change.action is m.Action.DESTROY
        match result.outcome:
            case m.Outcome.APPLIED if destroying:
                self._gone(tx, record, replica, now)
            case m.Outcome.APPLIED:
                arrived = self._arrived(tx, record, replica, row, result, now)
                # The canary has a lag of its own.
                if arrived and row.account != CANARY_ACCOUNT:
                    return row.written_at
            case m.Outcome.LEFT:
                self._gone(tx, record, replica, now)
            case m.Outcome.STALE:
                sender = Sender(self.owner, now, frozenset({self.peer}))
                raise_above(tx, replica, result.change_number, sender=sender)
            case m.Outcome.REFUSED if not destroying and result.reason is not m.Reason.KEY_BLOCK:
                self._hold(tx, row, refusal_words(result, self.peer))
            case _:
                # A block that does not open was spoiled on the way, or is under a KEK the two do
                # not share; the next is under another.
                if row.attempts + 1 >= MOST_ATTEMPTS and not destroying:
                    self._hold(tx, row, refusal_words(result, self.peer))
                    return None
                if result.outcome is m.Outcome.REFUSED and destroying:
                    self._tell(tx, row, refusal_words(result, self.peer))
                self._try_again(tx, row, now)
        return None

    def _arrived(
        self,
        tx: Transaction,
        record: KeyRecord,
        replica: ReplicaRecord,
        row: OutboxRecord,
        result: m.ChangeResult,
        now: datetime,
    ) -> bool:
        """Whether it is the key that arrived, so that the replica is synchronized."""
        if not hmac.compare_digest(result.check_value or "", record.check_value):
            self._hold(tx, row, _WORDS[m.Reason.CHECK_VALUE].format(region=self.peer))
            return False
        if not replica.imported:
            for kind in (EXPORT_REPLICA, IMPORT_REPLICA):
                tx.append_audit(
                    synchronized(
                        kind, record, region=self.region, replica_region=self.peer, now=now
                    )
                )
            if self.aliases:
                # They waited for the key, or were told to go while there was none.
                sender = Sender(self.owner, now, frozenset({self.peer}))
                follow_aliases_of_key(tx, row.account, row.key_id, self.peer, sender=sender)
        tx.put_replica(
            replace(replica, status=ReplicaStatus.SYNCHRONIZED, message=None, imported=True)
        )
        tx.delete_outbox(row.account, row.key_id, row.region)
        return True

    def _gone(
        self, tx: Transaction, record: KeyRecord, replica: ReplicaRecord, now: datetime
    ) -> None:
        forget_replica(tx, replica)
        tx.append_audit(
            synchronized(
                DELETE_REPLICA, record, region=self.region, replica_region=self.peer, now=now
            )
        )

    def _try_again(self, tx: Transaction, row: OutboxRecord, now: datetime) -> None:
        self.measurements.failed()
        put_off(tx, row, owner=self.owner, backoff=self.backoff, now=now)

    def _hold(self, tx: Transaction, sent: OutboxRecord, words: str) -> None:
        """Give a row up until a person, or the next change of the key, asks for it again."""
        row = self._current(tx, sent)
        if row is None:
            return
        self.measurements.failed()
        tx.put_outbox(replace(row, held=True, attempts=row.attempts + 1))
        self._tell(tx, row, words)

    def _tell(self, tx: Transaction, row: OutboxRecord, words: str) -> None:
        """Show in the key's status why a Region does not follow."""
        replica = tx.replica(row.account, row.key_id, row.region)
        if replica is None:
            return
        # One that is to be destroyed stays that, whatever holds it up.
        destroying = replica.status is ReplicaStatus.DELETE_IN_PROGRESS
        status = replica.status if destroying else ReplicaStatus.FAILED
        told = replace(replica, status=status, message=words)
        if told != replica:
            tx.put_replica(told)
            log.warning(
                "replication_failed",
                region=self.region,
                peer=self.peer,
                key=row.key_id,
                reason=words,
            )

    def _drop(self, tx: Transaction, sent: OutboxRecord) -> None:
        row = self._current(tx, sent)
        if row is not None:
            tx.delete_outbox(row.account, row.key_id, row.region)

    async def tell_waiting(self, words: str) -> None:
        """Show why nothing gets through to the Region; the rows stay, and are sent when it does."""
        while rows := self.store.outbox_untried(self.peer, limit=m.MAX_CHANGES):
            await self.store.write(partial(self._tell_waiting, rows=rows, words=words))

    def _tell_waiting(self, tx: Transaction, rows: Sequence[OutboxRecord], words: str) -> None:
        for sent in rows:
            row = self._current(tx, sent)
            if row is not None:
                self._tell(tx, row, words)
                tx.put_outbox(replace(row, attempts=max(1, row.attempts)))

    def _current(self, tx: Transaction, sent: OutboxRecord) -> OutboxRecord | None:
        return current_row(tx, sent)


def _subject(row: OutboxRecord) -> tuple[str, str]:
    return row.account, row.key_id


def _message(
    row: OutboxRecord, incarnation: int, action: m.Action, key: m.ReplicatedKey | None = None
) -> m.Change:
    return m.Change(
        account=row.account,
        key_id=row.key_id,
        change_number=row.change_number,
        incarnation=incarnation,
        action=action,
        key=key,
    )


def unreachable(peer: str) -> str:
    """The words for a Region that does not answer."""
    return f"Region {peer} cannot be reached"


def refusal_words(result: m.ChangeResult, peer: str) -> str:
    """Why a peer did not do what it was told."""
    if result.reason is None:
        return f"{peer} did not apply it ({result.outcome.value})"
    return _WORDS[result.reason].format(region=peer)

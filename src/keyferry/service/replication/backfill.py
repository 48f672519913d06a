"""
Replicating what was there before anybody asked for it: keys, and the aliases and tags that follow.

A backfill goes through a Region's keys in the order of accounts and of their creation, a page at a
time, and adds the Region to each key that can have it, as AddKeyReplicationRegions does. Whoever
runs it keeps the place; one that was interrupted begins again and passes over what is done.

So that what users change meanwhile does not wait behind it, only a few of its rows are in the
outbox at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from keyferry.crypto.keyblock import Exportability
from keyferry.errors import KeyferryError
from keyferry.keys import KeyClass
from keyferry.service.authz.reserved import CANARY_ACCOUNT
from keyferry.service.context import Offload
from keyferry.service.replication.aliases.state import (
    aliases_of,
    copied_from,
    enqueue_alias,
)
from keyferry.service.replication.follow_events import regions_added
from keyferry.service.replication.state import Sender, add_replicas, follow_tags
from keyferry.service.store.interface import KeyStore, StoreView, Transaction
from keyferry.service.store.records import KeyRecord, KeyState
from keyferry.service.store.replication_records import RegionPart, ReplicaStatus

# So many rows may wait for the Region: about a tenth of a second of deliveries.
MOST_WAITING = 64
# Keys of one page of a run, which are written together; and of a plan, which writes nothing.
PAGE_KEYS, PLAN_PAGE_KEYS = 32, 200
# A call ends after so long, wherever it is.
BUDGET_S = 2.0
_POLL_S = 0.01


class Verdict(StrEnum):
    """What a backfill does with a key; the values are what a person reads of those left out."""

    ADD = "added"
    RETRY = "tried again"
    PRESENT = "there already"
    NOT_SYMMETRIC = "not symmetric"
    NOT_EXPORTABLE = "not exportable"
    REPLICA = "a replica of another Region's key"
    DELETE_PENDING = "waits for its deletion"
    LEAVING = "its replica there is being deleted"
    NOT_COMPLETE = "not complete"

    @property
    def is_left_out(self) -> bool:
        return self not in (Verdict.ADD, Verdict.RETRY, Verdict.PRESENT)


@dataclass(frozen=True, slots=True)
class AliasPlace:
    """Behind an alias the Region was told of before; these come first."""

    account: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Behind a key of an account, by its position."""

    account: str
    position: int = 0


Place = AliasPlace | KeyPlace


@dataclass(slots=True)
class AccountCounts:
    """What there is to do in one account, or was done."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    aliases: int = 0  # sent
    tags: int = 0  # keys whose tags are sent


@dataclass(frozen=True, slots=True)
class FailedKey:
    """A key the Region could not be added to."""

    account: str
    key_id: str
    reason: str


@dataclass(slots=True)
class Progress:
    """What one call did, and where the next goes on; `place` is None at the end."""

    place: Place | None
    accounts: dict[str, AccountCounts] = field(default_factory=dict)
    failed: list[FailedKey] = field(default_factory=list)

    def of(self, account: str) -> AccountCounts:
        return self.accounts.setdefault(account, AccountCounts())

    @property
    def changed(self) -> int:
        """Keys that got the Region, or are tried again."""
        return sum(
            counts.verdicts[Verdict.ADD] + counts.verdicts[Verdict.RETRY]
            for counts in self.accounts.values()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """
    The backfill of one Region's keys to a peer.

    Args:
        sender: this process, which will deliver.
        wake: says that the outbox has something new.
        account: the one account that is meant; None is all.
        monotonic: seconds that only grow.
    """

    region: str
    to: str
    store: KeyStore
    sender: Sender
    offload: Offload
    wake: Callable[[], None]
    account: str | None = None
    monotonic: Callable[[], float] = time.monotonic

    def start(self) -> Place | None:
        """Where a backfill begins; None if there is nothing at all."""
        if self.to in self.sender.aliases:
            return AliasPlace("" if self.account is None else self.account)
        return self._first_key("")

    async def plan(self, place: Place) -> Progress:
        """Count what `run` would do from `place` on, for as long as a call may take."""
        progress = Progress(place)
        ends_at = self.monotonic() + BUDGET_S
        while progress.place is not None and self.monotonic() < ends_at:
            await self.offload(partial(self._plan_page, progress, progress.place))
        return progress

    async def run(self, place: Place, *, limit: int) -> Progress:
        """
        Go on from `place` with at most `limit` keys, for as long as a call may take.

        What has been done is on disk when this returns; keys that could not be written are named.

        Raises:
            StoreError: the store does not work, or a row is broken, which is named.
        """
        progress = Progress(place)
        ends_at = self.monotonic() + BUDGET_S
        while progress.place is not None and progress.changed < limit:
            room = MOST_WAITING - self.store.outbox_waiting(self.to, limit=MOST_WAITING)
            if room > 0:
                await self._run_page(
                    progress,
                    progress.place,
                    keys=min(PAGE_KEYS, room, limit - progress.changed),
                )
                self.wake()
            if self.monotonic() >= ends_at:
                break
            # Others have their turn, and the link delivers.
            await asyncio.sleep(0 if room > 0 else _POLL_S)
        return progress

    # --- one page ------------------------------------------------------------------------------

    def _plan_page(self, progress: Progress, place: Place) -> None:
        if isinstance(place, AliasPlace):
            names = self._followed(place, PLAN_PAGE_KEYS)
            for account, _ in names:
                progress.of(account).aliases += 1
            progress.place = self._behind_aliases(names)
            return
        found = self.store.keys(place.account, after=place.position, limit=PLAN_PAGE_KEYS)
        counts = progress.of(place.account) if found else AccountCounts()
        for _, record in found:
            verdict = self._judge(self.store, record)
            if verdict is None:
                continue
            counts.verdicts[verdict] += 1
            if verdict.is_left_out:
                continue
            counts.aliases += len(self._new_aliases(self.store, record))
            counts.tags += verdict is Verdict.PRESENT and self.to in self.sender.tags
        progress.place = self._behind(place, [position for position, _ in found])

    async def _run_page(self, progress: Progress, place: Place, *, keys: int) -> None:
        if isinstance(place, AliasPlace):
            names = await self.offload(lambda: self._followed(place, keys))
            await self.store.write(partial(self._send_aliases, names=names))
            for account, _ in names:
                progress.of(account).aliases += 1
            progress.place = await self.offload(lambda: self._behind_aliases(names))
            return
        found = await self.offload(
            lambda: self.store.keys(place.account, after=place.position, limit=keys)
        )
        # Each key is a change of its own: one that is refused fails alone.
        outcomes = await asyncio.gather(
            *(self.store.write(partial(self._backfill, key=record)) for _, record in found),
            return_exceptions=True,
        )
        counts = progress.of(place.account) if found else AccountCounts()
        for (_, record), outcome in zip(found, outcomes, strict=True):
            if isinstance(outcome, KeyferryError):
                progress.failed.append(FailedKey(record.account, record.key_id, str(outcome)))
            elif isinstance(outcome, BaseException):
                raise outcome
            elif outcome is not None:
                verdict, aliases, tags = outcome
                counts.verdicts[verdict] += 1
                counts.aliases += aliases
                counts.tags += tags
        positions = [position for position, _ in found]
        progress.place = await self.offload(lambda: self._behind(place, positions))

    def _backfill(self, tx: Transaction, key: KeyRecord) -> tuple[Verdict, int, bool] | None:
        """Bring one key over as it is now; the number of its aliases and whether its tags go."""
        record = tx.key(key.account, key.key_id)
        verdict = None if record is None else self._judge(tx, record)
        if record is None or verdict is None:
            return None
        if verdict in (Verdict.ADD, Verdict.RETRY):
            add_replicas(tx, record, [self.to], using_default=False, sender=self.sender)
            now = self.sender.now
            tx.append_audit(regions_added(record, [self.to], region=self.region, now=now))
            # Its tags are in the message, and its aliases follow when it has arrived.
            return verdict, 0, False
        if verdict is not Verdict.PRESENT:
            return verdict, 0, False
        names = self._new_aliases(tx, record)
        for name in names:
            enqueue_alias(tx, record.account, name, self.to, sender=self.sender)
        return verdict, len(names), follow_tags(tx, record, sender=self.sender, only=(self.to,))

    def _judge(self, view: StoreView, record: KeyRecord) -> Verdict | None:
        """What is to be done with a key; None for what a destroyed one leaves behind."""
        if record.state is KeyState.DELETE_COMPLETE:
            return None
        part = view.multi_region(record.account, record.key_id)
        if part is not None and part.part is RegionPart.REPLICA:
            return Verdict.REPLICA
        if record.attributes.key_class is not KeyClass.SYMMETRIC_KEY:
            return Verdict.NOT_SYMMETRIC
        if record.exportability is Exportability.NONE:
            return Verdict.NOT_EXPORTABLE
        if record.state is KeyState.DELETE_PENDING:
            return Verdict.DELETE_PENDING
        if record.state is not KeyState.CREATE_COMPLETE:
            return Verdict.NOT_COMPLETE
        replica = view.replica(record.account, record.key_id, self.to)
        if replica is None:
            return Verdict.ADD
        match replica.status:
            case ReplicaStatus.DELETE_IN_PROGRESS:
                return Verdict.LEAVING
            case ReplicaStatus.FAILED:
                return Verdict.RETRY
            case _:
                return Verdict.PRESENT

    # --- aliases -------------------------------------------------------------------------------

    def _new_aliases(self, view: StoreView, record: KeyRecord) -> list[str]:
        """Names of a key's aliases the Region was never told of; it was of the others before."""
        if self.to not in self.sender.aliases:
            return []
        return [
            alias.name
            for alias in aliases_of(view, record.account, record.key_id)
            if view.followed_alias(alias.account, alias.name, self.to) is None
            and copied_from(view, alias.account, alias.name) is None
        ]

    def _followed(self, place: AliasPlace, limit: int) -> list[tuple[str, str]]:
        after = (place.account, place.name)
        names = self.store.followed_names(self.to, after=after, limit=limit)
        return [name for name in names if self.account in (None, name[0])]

    def _send_aliases(self, tx: Transaction, names: Sequence[tuple[str, str]]) -> None:
        for account, name in names:
            enqueue_alias(tx, account, name, self.to, sender=self.sender)

    # --- places --------------------------------------------------------------------------------

    def _behind_aliases(self, names: Sequence[tuple[str, str]]) -> Place | None:
        return AliasPlace(*names[-1]) if names else self._first_key("")

    def _behind(self, place: KeyPlace, positions: Sequence[int]) -> Place | None:
        if positions:
            return KeyPlace(place.account, positions[-1])
        return self._first_key(place.account)

    def _first_key(self, behind: str) -> KeyPlace | None:
        """The begin of the next account that is meant."""
        if self.account is not None:
            return KeyPlace(self.account) if behind < self.account else None
        account = self.store.account_after(behind)
        if account == CANARY_ACCOUNT:
            account = self.store.account_after(account)
        return None if account is None else KeyPlace(account)

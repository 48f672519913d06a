"""
A link: brings one peer up to date with one Region, as long as the service runs.

It sleeps until somebody wrote to the outbox or a row it put off is due. Rows are sent in batches,
one batch after the other, so that two messages about one key are never under way at once. A peer
that cannot be reached costs one attempt for all its keys, with growing pauses between; a key that
a peer does not take is put off alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from keyferry.crypto.keyblock import KBPK
from keyferry.errors import (
    CircuitOpenError,
    KeyferryError,
    PeerProtocolError,
    PeerUnreachableError,
    UnknownReplicationKEKError,
)
from keyferry.service import log
from keyferry.service.replication import messages as m
from keyferry.service.replication.aliases.delivery import AliasDelivery
from keyferry.service.replication.aliases.state import is_of_alias
from keyferry.service.replication.backoff import Backoff
from keyferry.service.replication.delivery import Delivery, Dispatch, unreachable
from keyferry.service.replication.keks import KEKs
from keyferry.service.replication.outbox_rows import hasten, release_all
from keyferry.service.replication.transport import Transport
from keyferry.service.replication.turns import give_turn
from keyferry.service.store.interface import StoreView
from keyferry.service.store.replication_records import OutboxRecord

# After so long, what another process wrote and did not deliver is taken over.
LEASE = timedelta(seconds=10)
# So many failures in a row, and the keys that wait say why.
UNREACHABLE_AFTER = 4
# A message stays well below the limit on request bodies, whatever blocks its keys carry.
MESSAGE_BYTES = 512 * 1024
# The longest nap: a clock that was set back must not make it longer.
LONGEST_NAP_S = 60.0


class Link:
    """The way of changes from one Region to one peer; belongs to one event loop."""

    def __init__(
        self,
        delivery: Delivery,
        aliases: AliasDelivery,
        keks: KEKs,
        transport: Transport,
        *,
        clock: Callable[[], datetime],
        backoff: Backoff,
    ) -> None:
        self.transport = transport
        self.measurements = delivery.measurements
        self.on_delivery: list[Callable[[], None]] = []  # called when the store knows of one
        self._delivery = delivery
        self._aliases = aliases
        self._keks = keks
        self._clock = clock
        self._backoff = backoff
        self._woken = asyncio.Event()
        self._failures = 0
        # What a process that ended left behind is nobody's: the first look takes everything.
        self._lease = timedelta(0)

    @property
    def failures(self) -> int:
        """How many times in a row the peer could not be brought up to date."""
        return self._failures

    @property
    def lags(self) -> deque[float]:
        """Seconds from a change to SYNCHRONIZED, of the last changes that arrived."""
        return self.measurements.lags

    def wake(self) -> None:
        """Say that the outbox may have something new."""
        self._woken.set()

    async def run(self) -> None:
        """Work until cancelled. What was given up before this start gets another chance."""
        try:
            await release_all(
                self._delivery.store,
                self._delivery.peer,
                owner=self._delivery.owner,
                now=self._clock(),
            )
        except KeyferryError as error:
            log.warning("replication_not_released", error=type(error).__name__)
        while True:
            self._woken.clear()
            try:
                pause = await self._step()
            except KeyferryError as error:
                pause = await self._failed(error)
            if pause is None:
                continue
            if self._failures:
                # The circuit is open: what is new waits with the rest.
                await asyncio.sleep(pause)
            else:
                # Not wait_for: up to Python 3.11 it loses a cancellation that meets a wake-up.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._woken.wait()

    async def _step(self) -> float | None:
        """Deliver what is due; return how long there is nothing to do, None if there may be."""
        now = self._clock()
        due = self._due(now)
        if due:
            await self._deliver(due, now)
            self._failures = 0
            return None
        lease, self._lease = self._lease, LEASE
        self._failures = 0
        upcoming = self._delivery.store.outbox_next(
            self._delivery.peer, owner=self._delivery.owner, lease=lease
        )
        if upcoming is None:
            return LONGEST_NAP_S
        ahead_s = (upcoming - now).total_seconds()
        if ahead_s > LONGEST_NAP_S and await self._hasten(now, until=upcoming):
            self._lease = lease
            return None
        return min(LONGEST_NAP_S, max(0.0, ahead_s))

    async def _hasten(self, now: datetime, *, until: datetime) -> bool:
        """Make rows due that a clock which was set back since put off for too long."""
        delivery = self._delivery
        found = await hasten(
            delivery.store, delivery.peer, owner=delivery.owner, now=now, until=until
        )
        if found:
            log.warning("replication_clock_set_back", region=delivery.region, peer=delivery.peer)
        return found > 0

    def _due(self, now: datetime) -> list[OutboxRecord]:
        return self._delivery.store.outbox_due(
            self._delivery.peer,
            owner=self._delivery.owner,
            now=now,
            lease=self._lease,
            limit=m.MAX_CHANGES,
        )

    async def _failed(self, error: KeyferryError) -> float:
        """Count a failure of the way or the store; return the pause before the next attempt."""
        self._failures += 1
        self.measurements.failed()
        if isinstance(error, CircuitOpenError):
            # Nothing was sent. Who sent last and had no answer has logged it.
            pause = error.retry_after_s
            error = error.last or error
        else:
            pause = self._backoff.after(self._failures).total_seconds()
            log.warning(
                "replication_link_failed",
                region=self._delivery.region,
                peer=self._delivery.peer,
                failures=self._failures,
                error=type(error).__name__,
                reason=str(error),
            )
        if self._failures >= UNREACHABLE_AFTER:
            peer = self._delivery.peer
            words = (
                unreachable(peer)
                if isinstance(error, PeerUnreachableError)
                else f"replication to {peer} is interrupted; the log of the service says why"
            )
            try:
                await self._delivery.tell_waiting(words)
            except KeyferryError as second:
                # The store itself may be what failed; its keys cannot say so then.
                log.warning("replication_status_unwritten", error=type(second).__name__)
        return pause

    async def _deliver(self, rows: Sequence[OutboxRecord], now: datetime) -> None:
        keys = [row for row in rows if not is_of_alias(row)]
        aliases = [row for row in rows if is_of_alias(row)]
        if keys:
            await self._deliver_keys(keys, now)
        if aliases:
            # After the keys: most of them point to one that has just been sent.
            await self._aliases.deliver(aliases, self.transport, now=self._clock())

    async def _deliver_keys(self, rows: Sequence[OutboxRecord], now: datetime) -> None:
        view = self._delivery.look_up(rows)
        kek_id, kek = await self._kek(rows, view, now)
        batch: list[Dispatch] = []
        size = 0
        for place, row in enumerate(rows):
            await give_turn(place)
            dispatch = await self._delivery.prepare(row, kek, view)
            if dispatch is None:
                continue
            key = dispatch.change.key
            own = 256 + (0 if key is None else len(key.key_block))
            if key is not None and key.tags:
                own += len(msgspec.json.encode(key.tags))
            if batch and size + own > MESSAGE_BYTES:
                break  # the rest is still due, and next
            batch.append(dispatch)
            size += own
        if not batch:
            return
        message = m.ApplyChangesInput(kek_id=kek_id, changes=[d.change for d in batch])
        body = await self.transport.call(m.APPLY_CHANGES, m.encode(message))
        answer = m.decode(body, m.ApplyChangesOutput)
        if answer.unknown_kek:
            if kek_id is not None:
                await self._keks.forget(self._delivery.peer, kek_id)
            raise UnknownReplicationKEKError(f"{self._delivery.peer} lost the KEK; agreeing anew")
        if len(answer.results) != len(batch):
            raise PeerProtocolError(f"{self._delivery.peer} answered other changes than were sent")
        if kek_id is not None and any(r.reason is m.Reason.KEY_BLOCK for r in answer.results):
            await self._keks.forget(self._delivery.peer, kek_id)
        arrived = await self._delivery.conclude(batch, answer.results, self._clock())
        for told in self.on_delivery:
            told()
        finished = self._clock()
        for written_at in arrived:
            self.measurements.arrived((finished - written_at).total_seconds())

    async def _kek(
        self, rows: Sequence[OutboxRecord], view: StoreView, now: datetime
    ) -> tuple[str | None, KBPK | None]:
        """The KEK to send under, agreed if there is none; none at all if no key is to be sent."""
        if not any(self._delivery.needs_kek(row, view) for row in rows):
            return None, None
        found = self._keks.newest(self._delivery.peer)
        if found is None:
            await self.agree(now)
            found = self._keks.newest(self._delivery.peer)
        if found is None:
            raise UnknownReplicationKEKError("the KEK just agreed is gone")
        return found

    async def agree(self, now: datetime) -> None:
        """Agree on a KEK with the peer; what is sent from now on goes under it."""
        offer = self._keks.offer()
        body = await self.transport.call(m.AGREE_KEY, m.encode(await offer.message(now=now)))
        answer = m.decode(body, m.AgreeKeyOutput)
        await offer.complete(self._delivery.peer, answer, root=await self.transport.root(), now=now)

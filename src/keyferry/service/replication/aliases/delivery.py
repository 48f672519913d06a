"""
From rows of the outbox that are about aliases to messages, and from answers to the store.

As for keys, what is sent is the alias as it is now, and an answer counts only if the row still has
the number that was sent. An alias whose key is on its way to the Region waits for the key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from keyferry.errors import KeyferryError, PeerProtocolError
from keyferry.service import log
from keyferry.service.replication import messages as m
from keyferry.service.replication.aliases.state import (
    KeyGivenUpError,
    KeyOnItsWayError,
    enqueue_alias,
    key_in_peer,
)
from keyferry.service.replication.backoff import Backoff
from keyferry.service.replication.outbox_rows import current_row, put_off
from keyferry.service.replication.state import Sender
from keyferry.service.replication.transport import Transport
from keyferry.service.store.interface import KeyStore, Transaction
from keyferry.service.store.replication_records import OutboxRecord

# After so many attempts the alias's record says why it does not follow; it is tried on.
TELL_AFTER = 12

_WORDS = {
    m.AliasReason.IN_USE: "the alias is in use in {region} by a user of that Region",
    m.AliasReason.QUOTA: "the quota of aliases in {region} is used up",
    m.AliasReason.NO_KEY: "the key of the alias is not in {region}",
    m.AliasReason.UNREADABLE: "what {region} keeps of the alias does not verify",
}


@dataclass(frozen=True, slots=True)
class AliasDispatch:
    """A row of the outbox and the message made for it."""

    row: OutboxRecord
    change: m.AliasChange


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasDelivery:
    """
    The deliveries of aliases from one Region to one peer.

    Args:
        enabled: whether aliases follow from the one to the other at all.
    """

    region: str
    peer: str
    store: KeyStore
    owner: str
    backoff: Backoff
    enabled: bool = False

    async def deliver(
        self, rows: Sequence[OutboxRecord], transport: Transport, *, now: datetime
    ) -> None:
        """
        Send rows and write what the answers say.

        Raises:
            PeerUnreachableError, PeerProtocolError: there is no answer, or none of this protocol.
        """
        prepared = [await self._prepare(row, now) for row in rows]
        batch = [dispatch for dispatch in prepared if dispatch is not None]
        if not batch:
            return
        message = m.ApplyAliasesInput(changes=[dispatch.change for dispatch in batch])
        body = await transport.call(m.APPLY_ALIASES, m.encode(message))
        answer = m.decode(body, m.ApplyAliasesOutput)
        if len(answer.results) != len(batch):
            raise PeerProtocolError(f"{self.peer} answered other aliases than were sent")
        outcomes = await asyncio.gather(
            *(
                self.store.write(partial(self._conclude, sent=dispatch, result=result, now=now))
                for dispatch, result in zip(batch, answer.results, strict=True)
            ),
            return_exceptions=True,
        )
        failure = next((o for o in outcomes if isinstance(o, BaseException)), None)
        if failure is not None:
            raise failure

    async def _prepare(self, row: OutboxRecord, now: datetime) -> AliasDispatch | None:
        """Make the message for a row; None if there is nothing to say, or nothing yet."""
        if not self.enabled:
            # Written before the service was started without the pair. What is in the Region
            # stays there as it is.
            log.warning(
                "alias_not_replicated", region=self.region, peer=self.peer, alias=row.key_id
            )
            await self.store.write(lambda tx: self._drop(tx, row))
            return None
        try:
            key_id = key_in_peer(self.store, row.account, row.key_id, self.peer)
        except KeyOnItsWayError:
            # Its arrival makes the row due; this is for the key that never arrives.
            await self.store.write(lambda tx: self._put_off(tx, row, now))
            return None
        except KeyGivenUpError:
            # It goes with its key if that arrives after all.
            words = f"the key of the alias was given up for {self.peer}"
            await self.store.write(lambda tx: self._hold(tx, row, words))
            return None
        except KeyferryError as error:
            log.error(
                "replication_alias_unreadable",
                region=self.region,
                peer=self.peer,
                alias=row.key_id,
                reason=type(error).__name__,
            )
            words = f"the alias could not be read in {self.region}"
            await self.store.write(lambda tx: self._hold(tx, row, words))
            return None
        return AliasDispatch(
            row,
            m.AliasChange(
                account=row.account,
                name=row.key_id,
                change_number=row.change_number,
                key_id=key_id,
            ),
        )

    def _conclude(
        self, tx: Transaction, sent: AliasDispatch, result: m.AliasResult, now: datetime
    ) -> None:
        row = current_row(tx, sent.row)
        if row is None:
            return
        match result.outcome:
            case m.Outcome.APPLIED:
                self._say(tx, row, None)
                tx.delete_outbox(row.account, row.key_id, row.region)
            case m.Outcome.STALE:
                sender = Sender(self.owner, now, frozenset({self.peer}))
                enqueue_alias(
                    tx,
                    row.account,
                    row.key_id,
                    self.peer,
                    sender=sender,
                    above=result.change_number,
                )
            case m.Outcome.REFUSED:
                self._hold(tx, row, self._words(result.reason))
            case _:
                if row.attempts + 1 >= TELL_AFTER:
                    self._say(tx, row, self._words(result.reason))
                put_off(tx, row, owner=self.owner, backoff=self.backoff, now=now)

    def _hold(self, tx: Transaction, sent: OutboxRecord, words: str) -> None:
        """Give a row up until a person, or the next change of the alias, asks for it again."""
        row = current_row(tx, sent)
        if row is None:
            return
        tx.put_outbox(replace(row, held=True, attempts=row.attempts + 1))
        self._say(tx, row, words)

    def _say(self, tx: Transaction, row: OutboxRecord, words: str | None) -> None:
        """Keep why the Region does not follow, or that it does."""
        followed = tx.followed_alias(row.account, row.key_id, row.region)
        if followed is None or followed.message == words:
            return
        tx.put_followed_alias(replace(followed, message=words))
        if words is not None:
            log.warning(
                "alias_replication_failed",
                region=self.region,
                peer=self.peer,
                alias=row.key_id,
                reason=words,
            )

    def _put_off(self, tx: Transaction, sent: OutboxRecord, now: datetime) -> None:
        row = current_row(tx, sent)
        if row is not None:
            put_off(tx, row, owner=self.owner, backoff=self.backoff, now=now)

    def _drop(self, tx: Transaction, sent: OutboxRecord) -> None:
        row = current_row(tx, sent)
        if row is not None:
            tx.delete_outbox(row.account, row.key_id, row.region)

    def _words(self, reason: m.AliasReason | None) -> str:
        if reason is None:
            return f"{self.peer} did not apply it"
        return _WORDS[reason].format(region=self.peer)

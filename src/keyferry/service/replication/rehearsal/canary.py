"""
The canary of an ordered pair of Regions: a key of our own that is really replicated, again and
again, so that the way is known to work when nobody else uses it.

A round raises the canary's change number like any change of a key, waits until the peer's
acknowledgement is in the store, and has the peer prove with its copy of the key that it is at that
number. The lag is the time from the commit of the change to the commit of the acknowledgement.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from keyferry.crypto.keyblock import Exportability
from keyferry.crypto.mac import verify_mac
from keyferry.errors import KeyferryError, MACVerificationError
from keyferry.keys import (
    KeyAlgorithm,
    KeyAttributes,
    KeyClass,
    KeyUsage,
    ModesOfUse,
    generate_material,
    key_check_value,
)
from keyferry.service import log
from keyferry.service.authz.reserved import CANARY_ACCOUNT
from keyferry.service.control.identifiers import new_id
from keyferry.service.replication import messages as m
from keyferry.service.replication.link import Link
from keyferry.service.replication.rehearsal.canary_proof import canary_mac
from keyferry.service.replication.state import Sender, add_replicas, follow
from keyferry.service.store.interface import KeyStore, StoreView, Transaction
from keyferry.service.store.records import KeyOrigin, KeyRecord, KeyState
from keyferry.service.store.rehearsal_records import CanaryRecord
from keyferry.service.store.replication_records import ReplicaStatus
from keyferry.service.vault.binding import key_binding
from keyferry.service.vault.interface import Vault

CHALLENGE_BYTES = 32
# A round that takes longer is given up; the next one begins anew.
LONGEST_ROUND_S = 10.0
# A process that missed so many rounds is gone, and another one takes over.
_MISSED_ROUNDS = 2.5
_ATTRIBUTES = KeyAttributes(
    key_usage=KeyUsage.TR31_M6_ISO_9797_5_CMAC_KEY,
    key_class=KeyClass.SYMMETRIC_KEY,
    key_algorithm=KeyAlgorithm.AES_256,
    modes_of_use=ModesOfUse.from_letter("C"),
)


class CanaryLostError(KeyferryError):
    """A canary did not arrive, or the peer could not prove that it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryRound:
    """A round that was proven."""

    change_number: int
    lag_s: float


class Canary:
    """The canary from one Region of this process to one peer; belongs to one event loop."""

    def __init__(
        self,
        region: str,
        peer: str,
        *,
        store: KeyStore,
        vault: Vault,
        link: Link,
        owner: str,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """
        Args:
            owner: the process, as the outbox knows it.
            clock: the time of day in UTC.
            monotonic: seconds, for the lag alone.
        """
        self._region = region
        self._peer = peer
        self._store = store
        self._vault = vault
        self._link = link
        self._owner = owner
        self._clock = clock
        self._monotonic = monotonic
        self._random_bytes = random_bytes
        self._busy = asyncio.Lock()
        self._delivered = asyncio.Event()
        self._lost = False
        link.on_delivery.append(self._delivered.set)

    @property
    def last_success(self) -> datetime | None:
        """When a round was proven last, by whatever process of the Region."""
        record = self._store.canary(self._peer)
        return None if record is None else record.succeeded_at

    @property
    def lag_s(self) -> float | None:
        """The lag of that round, in seconds."""
        record = self._store.canary(self._peer)
        return None if record is None or record.lag_us is None else record.lag_us / 1e6

    async def run(self, period_s: float) -> None:
        """
        Send a canary every so many seconds, until cancelled.

        The first goes out at once: a process that starts takes the canary over, as it does the
        outbox, since the one that claimed it may be what was there before it.
        """
        takes_over = True
        while True:
            try:
                await self._claimed_round(period_s, takes_over=takes_over)
                takes_over = False
            except KeyferryError as error:
                self._tell(error)
            # Pairs that began together do not stay together.
            await asyncio.sleep(period_s * random.uniform(0.9, 1.1))  # noqa: S311 (a spread)

    async def _claimed_round(self, period_s: float, *, takes_over: bool) -> None:
        """A round, unless another process of the Region looks after this canary."""
        found = await self.round(
            timeout_s=min(period_s, LONGEST_ROUND_S),
            claim=timedelta(seconds=period_s * _MISSED_ROUNDS),
            takes_over=takes_over,
        )
        if found is not None:
            self._tell(None)

    async def round(
        self,
        *,
        timeout_s: float = LONGEST_ROUND_S,
        claim: timedelta | None = None,
        takes_over: bool = False,
    ) -> CanaryRound | None:
        """
        Send the canary once and have its arrival proven.

        Args:
            claim: look after the canary for so long, and send nothing if another process does;
                None sends it in any case.
            takes_over: claim it whoever looks after it.

        Returns:
            The round; None if another process looks after the canary.

        Raises:
            CanaryLostError: it did not arrive in time, or that it did was not proven.
            KeyferryError: the peer cannot be asked, or the store does not work.
        """
        async with self._busy:
            # None: send it in any case.
            respected = None if takes_over else claim
            if self._is_anothers(self._store, self._clock(), respected):
                return None  # without a write, as processes that look on are asked often
            change = await self._store.write(
                lambda tx: self._raise(tx, self._clock(), claim, respected)
            )
            if change is None:
                return None
            committed = self._monotonic()
            record, raised = change
            self._link.wake()
            try:
                async with asyncio.timeout(timeout_s):
                    lag_s = await self._acknowledged(record.key_id, committed)
                    number = await self._proven(record, raised)
            except TimeoutError:
                raise CanaryLostError(self._missing(record.key_id, timeout_s)) from None
            await self._store.write(lambda tx: self._succeeded(tx, number, lag_s, self._clock()))
            return CanaryRound(change_number=number, lag_s=lag_s)

    def _raise(
        self,
        tx: Transaction,
        now: datetime,
        claim: timedelta | None,
        respected: timedelta | None,
    ) -> tuple[KeyRecord, int] | None:
        """Raise the canary's change number, making the canary if there is none."""
        if self._is_anothers(tx, now, respected):
            return None
        canary = tx.canary(self._peer)
        record = None if canary is None else tx.key(CANARY_ACCOUNT, canary.key_id)
        if canary is None or record is None or record.state is not KeyState.CREATE_COMPLETE:
            record = self._make(now)
            tx.insert_key(record)
            canary = CanaryRecord(
                peer=self._peer, key_id=record.key_id, owner=self._owner, claimed_until=now
            )
            tx.put_canary(canary)
        if claim is not None:
            tx.put_canary(replace(canary, owner=self._owner, claimed_until=now + claim))
        sender = Sender(self._owner, now, frozenset({self._peer}))
        if tx.replica(CANARY_ACCOUNT, record.key_id, self._peer) is None:
            add_replicas(tx, record, [self._peer], using_default=False, sender=sender)
        else:
            follow(tx, record, sender=sender)
        part = tx.multi_region(CANARY_ACCOUNT, record.key_id)
        if part is None:
            raise ValueError("a canary without a part")
        return record, part.change_number

    def _is_anothers(self, view: StoreView, now: datetime, claim: timedelta | None) -> bool:
        """Whether another process looks after the canary, and its claim is to be respected."""
        if claim is None:
            return False
        canary = view.canary(self._peer)
        if canary is None or canary.owner == self._owner:
            return False
        # One that lasts longer than any is of a clock that ran ahead and was set back since.
        return now < canary.claimed_until <= now + claim

    def _make(self, now: datetime) -> KeyRecord:
        material = generate_material(_ATTRIBUTES.key_algorithm)
        check_value, method = key_check_value(_ATTRIBUTES.key_algorithm, material)
        record = KeyRecord(
            account=CANARY_ACCOUNT,
            key_id=new_id(),
            attributes=_ATTRIBUTES,
            exportability=Exportability.SENSITIVE,
            origin=KeyOrigin.AWS_PAYMENT_CRYPTOGRAPHY,
            check_value=check_value,
            check_value_algorithm=method,
            created_at=now,
            usage_started_at=now,
        )
        binding = key_binding(self._region, record)
        return replace(record, sealed=self._vault.seal(material, binding=binding))

    async def _acknowledged(self, key_id: str, committed: float) -> float:
        """Wait until the peer has the canary and the store says so; return the seconds it took."""
        while not self._is_synchronized(key_id):
            self._delivered.clear()
            # What was delivered before the event was cleared is seen by looking once more.
            if self._is_synchronized(key_id):
                break
            await self._delivered.wait()
        return self._monotonic() - committed

    def _is_synchronized(self, key_id: str) -> bool:
        if self._store.outbox(CANARY_ACCOUNT, key_id, self._peer) is not None:
            return False
        replica = self._store.replica(CANARY_ACCOUNT, key_id, self._peer)
        return replica is not None and replica.status is ReplicaStatus.SYNCHRONIZED

    async def _proven(self, record: KeyRecord, raised: int) -> int:
        """Have the peer prove that its replica is at `raised` or later; return that number."""
        challenge = self._random_bytes(CHALLENGE_BYTES)
        asked = m.ProveCanaryInput(key_id=record.key_id, challenge=challenge)
        body = await self._link.transport.call(m.PROVE_CANARY, m.encode(asked))
        answer = m.decode(body, m.ProveCanaryOutput)
        number = answer.change_number
        if answer.mac is None or number < raised:
            raise CanaryLostError(
                f"{self._peer} acknowledged the canary at change {raised}, but has it at {number}"
            )
        expected = canary_mac(
            record,
            sender=self._region,
            region=self._region,
            vault=self._vault,
            number=number,
            challenge=challenge,
        )
        try:
            verify_mac(expected, answer.mac)
        except MACVerificationError:
            raise CanaryLostError(f"{self._peer} has another key for the canary") from None
        return number

    def _succeeded(self, tx: Transaction, number: int, lag_s: float, now: datetime) -> None:
        canary = tx.canary(self._peer)
        if canary is not None:
            tx.put_canary(
                replace(
                    canary,
                    change_number=number,
                    succeeded_at=now,
                    lag_us=round(lag_s * 1e6),
                )
            )

    def _missing(self, key_id: str, timeout_s: float) -> str:
        replica = self._store.replica(CANARY_ACCOUNT, key_id, self._peer)
        because = "" if replica is None or replica.message is None else f": {replica.message}"
        return f"the canary did not arrive in {self._peer} within {timeout_s:g} s{because}"

    def _tell(self, error: KeyferryError | None) -> None:
        """Log that the canary was lost, or is back; not every round says the same again."""
        if error is not None and not self._lost:
            log.warning("canary_lost", region=self._region, peer=self._peer, reason=str(error))
        elif error is None and self._lost:
            log.info("canary_back", region=self._region, peer=self._peer)
        self._lost = error is not None

"""The replication of one process: a receiver for each of its Regions, a link for each peer."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from cryptography import x509

from keyferry.errors import KeyferryError, PeerUnreachableError, ReplicationError
from keyferry.service import log
from keyferry.service.context import Peers
from keyferry.service.replication.aliases.delivery import AliasDelivery
from keyferry.service.replication.backoff import Backoff
from keyferry.service.replication.delivery import Delivery, unreachable
from keyferry.service.replication.following import NOTHING_FOLLOWS, Following
from keyferry.service.replication.keks import KEKs
from keyferry.service.replication.link import Link
from keyferry.service.replication.measurements import Measurements, ReplicationMetrics
from keyferry.service.replication.pair_gauges import PairState
from keyferry.service.replication.peers.circuit import Circuit, CircuitState
from keyferry.service.replication.receiver import Receiver
from keyferry.service.replication.rehearsal.canary import Canary
from keyferry.service.replication.rehearsal.cuts import Cuts, CuttableTransport
from keyferry.service.replication.transport import (
    LocalTransport,
    Transport,
    TransportFactory,
)
from keyferry.service.store.interface import KeyStore
from keyferry.service.vault.interface import Vault


@dataclass(frozen=True, slots=True)
class ReplicatedRegion:
    """What replication needs of a Region."""

    name: str
    store: KeyStore
    vault: Vault


class Replication:
    """
    Keeps the Regions of one process equal, among each other and with those of other services.

    Args:
        key_limit: the quota of keys of an account in a Region; replicas count.
        alias_limit: that of aliases; those that were brought count.
        following: between which Regions aliases and tags follow their keys.
        clock: the time of day in UTC.
        metrics: where lags and failures are counted.
        peers: Regions other services serve, and what makes the way to each.
        circuits: of these Regions.
        canary_s: seconds between two canaries of a pair; 0 sends none by itself.
    """

    def __init__(
        self,
        regions: Iterable[ReplicatedRegion],
        *,
        clock: Callable[[], datetime],
        key_limit: int | None = None,
        alias_limit: int | None = None,
        following: Following = NOTHING_FOLLOWS,
        backoff: Backoff | None = None,
        metrics: ReplicationMetrics | None = None,
        peers: Mapping[str, TransportFactory] | None = None,
        circuits: Mapping[str, Circuit] | None = None,
        canary_s: float = 0.0,
    ) -> None:
        self._metrics = metrics
        self._canary_s = canary_s
        self._regions = {region.name: region for region in regions}
        remote = peers or {}
        self._circuits = circuits or {}
        # Made after the process was forked, so that each has its own.
        self._owner = os.urandom(8).hex()
        self._following = following
        self._peers = {
            name: Peers(
                regions=frozenset((self._regions.keys() | remote.keys()) - {name}),
                owner=self._owner,
                aliases=following.aliases_from(name),
                tags=following.tags_from(name),
            )
            for name in self._regions
        }
        self._receivers: dict[str, Receiver] = {}
        self.links: dict[tuple[str, str], Link] = {}
        self.canaries: dict[tuple[str, str], Canary] = {}
        self.cuts = Cuts({r.name: r.store for r in self._regions.values()}, clock=clock)
        self._tasks: list[asyncio.Task[None]] = []
        self._backoff = backoff = backoff or Backoff(most_s=5.0)
        for region in self._regions.values():
            self._receivers[region.name] = Receiver(
                region=region.name,
                store=region.store,
                vault=region.vault,
                keks=KEKs(region.name, region.store, region.vault),
                roots=partial(self._root, region.name),
                clock=clock,
                key_limit=key_limit,
                alias_limit=alias_limit,
                check_cut=partial(self.cuts.check, region.name),
            )
        for region in self._regions.values():
            ways: dict[str, Transport] = {
                peer: LocalTransport(region.name, receiver)
                for peer, receiver in self._receivers.items()
                if peer != region.name
            }
            ways |= {peer: make(region.name) for peer, make in remote.items()}
            for peer, transport in ways.items():
                link = self.links[region.name, peer] = Link(
                    self._delivery(region, peer),
                    self._alias_delivery(region, peer),
                    self._receivers[region.name].keks,
                    CuttableTransport(transport, self.cuts, region.name, peer),
                    clock=clock,
                    backoff=backoff,
                )
                self.canaries[region.name, peer] = Canary(
                    region.name,
                    peer,
                    store=region.store,
                    vault=region.vault,
                    link=link,
                    owner=self._owner,
                    clock=clock,
                )

    def _delivery(self, region: ReplicatedRegion, peer: str) -> Delivery:
        return Delivery(
            region=region.name,
            peer=peer,
            store=region.store,
            vault=region.vault,
            owner=self._owner,
            backoff=self._backoff,
            aliases=(region.name, peer) in self._following.aliases,
            tags=(region.name, peer) in self._following.tags,
            measurements=Measurements(region=region.name, peer=peer, metrics=self._metrics),
        )

    def _alias_delivery(self, region: ReplicatedRegion, peer: str) -> AliasDelivery:
        return AliasDelivery(
            region=region.name,
            peer=peer,
            store=region.store,
            owner=self._owner,
            backoff=self._backoff,
            enabled=(region.name, peer) in self._following.aliases,
        )

    def keks(self, region: str) -> KEKs:
        """The KEKs of a Region of this process with its peers."""
        return self._receivers[region].keks

    def peers(self, region: str) -> Peers:
        """Where keys of a Region can be replicated to."""
        return self._peers[region]

    def pair_states(self) -> list[PairState]:
        """What the stores say of each pair; a store that does not answer is left out."""
        states = []
        for region, peer in self.links:
            store = self._regions[region].store
            try:
                backlog = store.outbox_backlog(peer)
                verified = store.replication_verification(peer)
            except KeyferryError as error:
                log.warning("replication_not_counted", region=region, reason=str(error))
                continue
            states.append(
                PairState(
                    region=region,
                    peer=peer,
                    waiting=backlog.waiting,
                    held=backlog.held,
                    drift=None if verified is None else verified.drift,
                )
            )
        return states

    @property
    def canary_s(self) -> float:
        """Seconds between two canaries of a pair; 0 sends none by itself."""
        return self._canary_s

    async def sweep(self, now: datetime, *, erase: bool = True) -> None:
        """Close opened KEKs; in one process of several, `erase` those that were replaced."""
        for name, receiver in self._receivers.items():
            receiver.keks.close_opened()
            if not erase:
                continue
            try:
                await receiver.keks.sweep(now=now)
            except KeyferryError as error:
                log.warning("replication_sweep_failed", region=name, reason=str(error))

    def circuit_state(self, region: str, peer: str) -> CircuitState:
        """
        Whether a peer is asked at all: the circuit all ways to it share. Within one process there
        is none; then it is open while the link pauses after a failure.
        """
        circuit = self._circuits.get(peer)
        if circuit is not None:
            return circuit.state
        return CircuitState.OPEN if self.links[region, peer].failures else CircuitState.CLOSED

    def wake(self, region: str) -> None:
        """Say that a Region wrote to its outbox."""
        for (sender, _), link in self.links.items():
            if sender == region:
                link.wake()

    async def start(self) -> None:
        """Begin to deliver, on this event loop."""
        for region in self._regions.values():
            for peer in region.store.outbox_regions():
                if (region.name, peer) not in self.links:
                    # It was served, or a peer, when the rows were written. They are kept for the
                    # day it is again.
                    log.warning("replication_without_peer", region=region.name, peer=peer)
                    await self._delivery(region, peer).tell_waiting(unreachable(peer))
        self._tasks = [asyncio.create_task(self._run(link.run)) for link in self.links.values()]
        if self._canary_s > 0:
            self._tasks += [
                asyncio.create_task(self._run(partial(canary.run, self._canary_s)))
                for canary in self.canaries.values()
            ]

    async def stop(self) -> None:
        """End; what was not delivered is delivered after the next start."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Exception as failed:  # noqa: BLE001 (the outermost loop of each task goes on)
                log.failure(failed, "replication")
                await asyncio.sleep(1.0)

    async def receive(self, region: str, peer: str, operation: str, body: bytes) -> bytes:
        """Answer a message to a Region of this process; its errors are those of the receiver."""
        return await self._receivers[region].handle(peer, operation, body)

    async def _root(self, region: str, peer: str) -> x509.Certificate:
        """The root of a peer, as the way there from `region` vouches for it."""
        link = self.links.get((region, peer))
        if link is None:
            raise PeerUnreachableError(f"{peer} is not a peer of this service")
        try:
            return await link.transport.root()
        except ReplicationError as error:
            # It reached us, and we do not reach it: its log is where somebody looks.
            raise PeerUnreachableError(
                f"{region} cannot ask {peer} for its root in turn: {error}"
            ) from None

"""The replication of one process: a receiver for each of its Regions, a link for each pair."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from keyferry.errors import PeerUnreachableError
from keyferry.service import log
from keyferry.service.context import Peers
from keyferry.service.replication.backoff import Backoff
from keyferry.service.replication.delivery import Delivery, unreachable
from keyferry.service.replication.keks import KEKs
from keyferry.service.replication.link import Link
from keyferry.service.replication.receiver import Receiver
from keyferry.service.replication.transport import LocalTransport
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
    Keeps the Regions of one process equal.

    Args:
        key_limit: the quota of an account in a Region; replicas count.
        clock: the time of day in UTC.
    """

    def __init__(
        self,
        regions: Iterable[ReplicatedRegion],
        *,
        clock: Callable[[], datetime],
        key_limit: int | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._regions = {region.name: region for region in regions}
        # Made after the process was forked, so that each has its own.
        self._owner = os.urandom(8).hex()
        self._peers = {
            name: Peers(regions=frozenset(self._regions.keys() - {name}), owner=self._owner)
            for name in self._regions
        }
        self._receivers: dict[str, Receiver] = {}
        self.links: dict[tuple[str, str], Link] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._backoff = backoff = backoff or Backoff(most_s=5.0)
        for region in self._regions.values():
            self._receivers[region.name] = Receiver(
                region=region.name,
                store=region.store,
                vault=region.vault,
                keks=KEKs(region.name, region.store, region.vault),
                roots=self._root,
                clock=clock,
                key_limit=key_limit,
            )
        for region in self._regions.values():
            for peer in self._regions.keys() - {region.name}:
                self.links[region.name, peer] = Link(
                    self._delivery(region, peer),
                    self._receivers[region.name].keks,
                    LocalTransport(region.name, self._receivers[peer]),
                    clock=clock,
                    backoff=backoff,
                )

    def _delivery(self, region: ReplicatedRegion, peer: str) -> Delivery:
        return Delivery(
            region=region.name,
            peer=peer,
            store=region.store,
            vault=region.vault,
            owner=self._owner,
            backoff=self._backoff,
        )

    def peers(self, region: str) -> Peers:
        """Where keys of a Region can be replicated to."""
        return self._peers[region]

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
        self._tasks = [asyncio.create_task(self._run(link)) for link in self.links.values()]

    async def stop(self) -> None:
        """End; what was not delivered is delivered after the next start."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []

    async def _run(self, link: Link) -> None:
        while True:
            try:
                await link.run()
            except Exception as failed:  # noqa: BLE001 (the outermost loop of a link goes on)
                log.failure(failed, "replication")
                await asyncio.sleep(1.0)

    async def _root(self, peer: str) -> x509.Certificate:
        """The root of a Region of this process, trusted by construction."""
        receiver = self._receivers.get(peer)
        if receiver is None:
            raise PeerUnreachableError(f"{peer} is not a peer of this service")
        return await receiver.root()

"""
Regions cut off from each other for a drill: as lost as they would be in earnest, until the cut
ends by itself.

A cut is in the store, so that it holds for every process of a Region. It is asked for at every
message, on the way out and on the way in, which costs one read of one row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from cryptography import x509

from keyferry.errors import PeerUnreachableError
from keyferry.service.replication.peers.circuit import Circuit
from keyferry.service.replication.transport import Transport
from keyferry.service.store.interface import StoreView, Transaction
from keyferry.service.store.rehearsal_records import CutRecord

LONGEST_CUT = timedelta(minutes=10)


class Cuts:
    """
    The cuts of the Regions of one process.

    Args:
        stores: by Region.
        clock: the time of day in UTC.
    """

    def __init__(self, stores: Mapping[str, StoreView], *, clock: Callable[[], datetime]) -> None:
        self._stores = stores
        self._clock = clock

    def between(self, region: str, peer: str) -> CutRecord | None:
        """The cut of a Region of this process from a peer, if one is in force."""
        cut = self._stores[region].cut(peer)
        return cut if cut is not None and cut.holds(self._clock()) else None

    def check(self, region: str, peer: str) -> None:
        """Raise PeerUnreachableError if a Region of this process is cut off from a peer."""
        cut = self.between(region, peer)
        if cut is not None:
            raise PeerUnreachableError(
                f"{region} and {peer} are cut off from each other for a drill until"
                f" {cut.ends_at:%H:%M:%S} UTC"
            )


def begin_cut(
    tx: Transaction, peer: str, *, lasts: timedelta, started_by: str, now: datetime
) -> tuple[CutRecord, bool]:
    """
    Cut the store's Region off from a peer within a change, or have a cut last longer.

    Returns:
        The cut, and whether it was in force before.
    """
    before = tx.cut(peer)
    held = before is not None and before.holds(now)
    started_at = before.started_at if before is not None and held else now
    cut = CutRecord(
        peer=peer,
        started_at=started_at,
        ends_at=now + min(lasts, LONGEST_CUT),
        started_by=started_by,
    )
    tx.put_cut(cut)
    return cut, held


def end_cut(tx: Transaction, peer: str, *, now: datetime) -> bool:
    """End a cut within a change; False if none was in force."""
    cut = tx.cut(peer)
    if cut is None or not cut.holds(now):
        return False
    tx.put_cut(
        CutRecord(peer=peer, started_at=cut.started_at, ends_at=now, started_by=cut.started_by)
    )
    return True


class CuttableTransport:
    """The way from a Region of this process to a peer, unless they are cut off."""

    def __init__(self, inner: Transport, cuts: Cuts, region: str, peer: str) -> None:
        self._inner = inner
        self._cuts = cuts
        self._region = region
        self._peer = peer

    @property
    def circuit(self) -> Circuit | None:
        """Of the way there, if it has one."""
        found = getattr(self._inner, "circuit", None)
        return found if isinstance(found, Circuit) else None

    async def call(self, operation: str, body: bytes) -> bytes:
        self._cuts.check(self._region, self._peer)
        return await self._inner.call(operation, body)

    async def root(self) -> x509.Certificate:
        self._cuts.check(self._region, self._peer)
        return await self._inner.root()

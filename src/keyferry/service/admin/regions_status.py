"""How far behind the peers of a Region are: `KeyferryAdmin.DescribeReplication`."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import msgspec

from keyferry.service.admin.context import AdminContext
from keyferry.service.admin.region_pairs import peers_of
from keyferry.service.operation import ADMIN
from keyferry.service.replication.measurements import percentile
from keyferry.service.replication.peers.circuit import CircuitState
from keyferry.service.store.replication_records import KEKDirection

# A change that waits longer is not just on its way.
BEHIND = timedelta(seconds=10)
# So many rounds of the canary may be missed before nobody should rely on the way.
_ROUNDS_MISSED = 3


class DescribeReplicationInput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """Nothing: it is about the Region of the call, and all its peers."""


class GivenUp(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """So many changes were given up for one reason."""

    message: str
    count: int


class PairStatus(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """
    One peer. Ages and lags are seconds.

    Lags are those of the process that answers, since it started; all else is the same whoever of
    several answers.
    """

    peer: str
    linked: bool  # whether this service has a way there
    samples: int = 0
    lag_p50: float | None = None
    lag_p99: float | None = None
    failures: int = 0  # in a row, of the whole way
    circuit: str
    waiting: int
    oldest_waiting_age: float | None = None
    held: int
    given_up: list[GivenUp]
    kek_age: float | None = None
    canary_age: float | None = None
    canary_lag: float | None = None
    cut_until: float | None = None  # seconds since the epoch
    verified_age: float | None = None
    verified_keys: int | None = None
    drift: int | None = None
    safe: bool  # to fail over to the peer: everything of this Region is there
    unsafe_because: list[str]


class DescribeReplicationOutput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """The peers by name."""

    region: str
    pairs: list[PairStatus]


@ADMIN.operation("DescribeReplication", read_only=True)
async def describe_replication(
    context: AdminContext,
    request: DescribeReplicationInput,  # noqa: ARG001 (it has no members)
) -> DescribeReplicationOutput:
    """The state of the links from this Region, as the store and this process know it."""
    linked = peers_of(context)
    waiting_for = await context.offload(context.store.outbox_regions)
    peers = sorted({*linked, *waiting_for})
    pairs = [await context.offload(partial(_pair, context, peer)) for peer in peers]
    return DescribeReplicationOutput(region=context.region, pairs=pairs)


def _pair(context: AdminContext, peer: str) -> PairStatus:
    store, replication, pair = context.store, context.replication, (context.region, peer)
    link = replication.links.get(pair)
    backlog = store.outbox_backlog(peer)
    given_up = [
        GivenUp(message=message or "no reason is kept", count=count)
        for message, count in (store.outbox_held_messages(peer) if backlog.held else [])
    ]
    kek = store.replication_kek(KEKDirection.TO, peer)
    verified = store.replication_verification(peer)
    canary = replication.canaries.get(pair)
    canary_at = None if canary is None else canary.last_success
    if canary_at is not None and canary_at > context.now + BEHIND:
        # By a clock that was set back since: it would look fresh until the time has come again.
        canary_at = None
    cut = replication.cuts.between(*pair)
    circuit = CircuitState.OPEN if link is None else replication.circuit_state(*pair)
    lags = link.measurements.lags.copy() if link is not None else None

    def age(instant: datetime | None) -> float | None:
        return None if instant is None else max(0.0, (context.now - instant).total_seconds())

    status = PairStatus(
        peer=peer,
        linked=link is not None,
        samples=len(lags) if lags is not None else 0,
        lag_p50=percentile(lags, 50) if lags is not None else None,
        lag_p99=percentile(lags, 99) if lags is not None else None,
        failures=link.failures if link is not None else 0,
        circuit=circuit.value,
        waiting=backlog.waiting,
        oldest_waiting_age=age(backlog.oldest),
        held=backlog.held,
        given_up=given_up,
        kek_age=age(None if kek is None else kek.created_at),
        canary_age=age(canary_at),
        canary_lag=None if canary is None else canary.lag_s,
        cut_until=None if cut is None else cut.ends_at.timestamp(),
        verified_age=age(None if verified is None else verified.verified_at),
        verified_keys=None if verified is None else verified.compared,
        drift=None if verified is None else verified.drift,
        safe=True,
        unsafe_because=[],
    )
    because = _unsafe_because(status, canary_s=replication.canary_s)
    return msgspec.structs.replace(status, safe=not because, unsafe_because=because)


def _unsafe_because(status: PairStatus, *, canary_s: float) -> list[str]:
    """Why not everything of this Region can be relied on in the peer; empty if it can."""
    because = []
    if not status.linked:
        because.append(f"{status.peer} is neither served here nor a peer")
    if status.cut_until is not None:
        because.append("the Regions are cut off from each other for a drill")
    if status.linked and (status.failures or status.circuit != CircuitState.CLOSED.value):
        because.append(f"{status.peer} did not answer the last message")
    oldest = status.oldest_waiting_age
    if oldest is not None and oldest > BEHIND.total_seconds():
        because.append(f"changes that wait: {status.waiting}, the oldest for {oldest:.0f} s")
    if status.held:
        because.append(f"changes that were given up: {status.held}")
    if status.drift:
        because.append(f"differences the last verification left: {status.drift}")
    if canary_s > 0 and status.linked:
        if status.canary_age is None:
            because.append("no canary has come through yet")
        elif status.canary_age > _ROUNDS_MISSED * canary_s + BEHIND.total_seconds():
            because.append(f"no canary has come through for {status.canary_age:.0f} s")
    return because

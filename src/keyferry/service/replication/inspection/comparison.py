"""
Going through two Regions side by side, in the one order both have, while they go on working.

What is the same for keys and aliases: a page at a time, and what is under way is no difference.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from keyferry.errors import PeerProtocolError
from keyferry.service.context import Offload
from keyferry.service.store.inspection_records import PageName


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift(Generic[PageName]):
    """One difference, with what either Region says."""

    name: PageName
    kind: StrEnum
    primary: str = ""
    replica: str = ""


@dataclass(slots=True)
class Comparison(Generic[PageName]):
    """What a page, or a list of names, came to."""

    compared: int = 0
    drift: list[Drift[PageName]] = field(default_factory=list)
    pending: list[PageName] = field(default_factory=list)
    last: PageName | None = None  # where the next page begins; None at the end


class Standing(Protocol):
    """Where something stands at one moment: if two are equal, nothing happened in between."""

    @property
    def under_way(self) -> bool: ...


S = TypeVar("S", bound=Standing)


def join_pages(
    own: Sequence[PageName],
    described: Collection[PageName],
    *,
    until: PageName | None,
    peers_last: PageName | None,
    peer: str,
) -> tuple[list[PageName], PageName | None]:
    """
    Join a page of this Region's names with the peer's of the same stretch.

    Args:
        until: where the stretch ends, if this Region has more behind it; the peer was told.
        peers_last: where the peer's page ended, if it has more up to there.

    Returns:
        The names of both in order, and the last of the stretch; None at the end of all.

    Raises:
        PeerProtocolError: the peer described what lies behind the stretch.
    """
    last = until
    if peers_last is not None:
        last = peers_last
        # What lies behind the peer's last is the next page's.
        own = [name for name in own if name <= last]
    if last is not None and any(name > last for name in described):
        raise PeerProtocolError(f"{peer} described what it was not asked for")
    return sorted(set(own) | set(described)), last


def examine_all(
    names: Iterable[PageName], examine: Callable[[PageName], list[Drift[PageName]] | None]
) -> Comparison[PageName]:
    """Examine each; None from `examine` says that something is under way."""
    comparison: Comparison[PageName] = Comparison()
    for name in names:
        comparison.compared += 1
        found = examine(name)
        if found is None:
            comparison.pending.append(name)
        else:
            comparison.drift += found
    return comparison


async def compare_at_rest(
    names: Sequence[PageName],
    *,
    standing: Callable[[PageName], S],
    compare: Callable[[Sequence[S]], Awaitable[Comparison[PageName]]],
    offload: Offload,
) -> Comparison[PageName]:
    """
    Compare names with what the peer says of them; what moves meanwhile is pending.

    What the peer said may be of before, and what is read here of afterwards.

    Args:
        compare: asks the peer, and is told where each name stood before.
    """

    def look() -> list[S]:
        return [standing(name) for name in names]

    before = await offload(look)
    found: Comparison[PageName] = await compare(before)
    after = await offload(look)
    moving: set[PageName] = {
        name
        for name, was, now in zip(names, before, after, strict=True)
        if was.under_way or was != now
    }
    return Comparison(
        compared=found.compared,
        drift=[drift for drift in found.drift if drift.name not in moving],
        pending=sorted(moving.union(found.pending)),
    )

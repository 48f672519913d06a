"""Going through two Regions side by side, in the one order both have."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from keyferry.errors import PeerProtocolError
from keyferry.service.store.inspection_records import PageName


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

"""
What follows for other Regions from a change of an alias, within that change's own transaction.

An alias follows its key: a Region that is configured to follow has it as long as the key's replica
is there. Its outbox row is like that of a key, with the alias's name in the place of the key's id
and a change number of its own for each Region. A name that came from another Region is not sent on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from keyferry.service.replication.state import Sender, enqueue
from keyferry.service.store.interface import StoreView, Transaction
from keyferry.service.store.records import AliasRecord
from keyferry.service.store.replication_records import (
    ArrivedAliasRecord,
    FollowedAliasRecord,
    OutboxRecord,
    ReplicaStatus,
)

ALIAS_PREFIX = "alias/"  # no key id has a slash
_PAGE = 1000


class KeyOnItsWayError(Exception):
    """The Region will have the alias's key, but does not have it yet."""


class KeyGivenUpError(Exception):
    """The Region was to have the alias's key, and nobody tries any more."""


def is_of_alias(row: OutboxRecord) -> bool:
    """Whether a row of the outbox is about an alias, not a key."""
    return row.key_id.startswith(ALIAS_PREFIX)


def copied_from(view: StoreView, account: str, name: str) -> str | None:
    """The Region the alias of that name was brought from; None if it was made here."""
    return next((a.region for a in view.arrived_aliases(account, name) if a.is_copy), None)


def own_alias(view: StoreView, account: str, name: str) -> AliasRecord | None:
    """The alias of that name, if it was made here."""
    alias = view.alias(account, name)
    return None if alias is None or copied_from(view, account, name) is not None else alias


def key_in_peer(view: StoreView, account: str, name: str, peer: str) -> str | None:
    """
    The key an alias is to point to in a peer; None if it is not to be there.

    Raises:
        KeyOnItsWayError, KeyGivenUpError: it is to be there, and its key is not.
        StoreIntegrityError: a row that says so does not verify.
    """
    alias = own_alias(view, account, name)
    if alias is None or alias.key_id is None:
        return None
    replica = view.replica(account, alias.key_id, peer)
    if replica is None or replica.status is ReplicaStatus.DELETE_IN_PROGRESS:
        return None
    if not replica.imported:
        waiting = view.outbox(account, alias.key_id, peer)
        raise KeyGivenUpError if waiting is not None and waiting.held else KeyOnItsWayError
    return alias.key_id


def aliases_of(view: StoreView, account: str, key_id: str) -> Iterator[AliasRecord]:
    """Every alias of a key, copies included."""
    after = ""
    while found := view.aliases(account, key_id=key_id, after=after, limit=_PAGE):
        yield from found
        after = found[-1].name


def follow_alias(tx: Transaction, account: str, name: str, *, sender: Sender) -> None:
    """Have the Regions that are configured to follow a change a user made of an alias."""
    make_own(tx, account, name)
    for region in sorted(sender.aliases):
        enqueue_alias(tx, account, name, region, sender=sender)


def make_own(tx: Transaction, account: str, name: str) -> None:
    """Take a name for this Region's own; what comes from another is refused from here on."""
    for arrived in tx.arrived_aliases(account, name):
        if arrived.is_copy:
            tx.put_arrived_alias(replace(arrived, is_copy=False))


def follow_aliases_of_key(
    tx: Transaction, account: str, key_id: str, region: str, *, sender: Sender
) -> int:
    """Send every alias of a key to a Region again; return how many that are."""
    own = [a for a in aliases_of(tx, account, key_id) if copied_from(tx, account, a.name) is None]
    for alias in own:
        enqueue_alias(tx, account, alias.name, region, sender=sender)
    return len(own)


def enqueue_alias(
    tx: Transaction, account: str, name: str, region: str, *, sender: Sender, above: int = 0
) -> None:
    """Bring a Region to the next change number of an alias, which is higher than `above` too."""
    followed = tx.followed_alias(account, name, region)
    number = max(above, 0 if followed is None else followed.change_number) + 1
    tx.put_followed_alias(
        FollowedAliasRecord(account=account, name=name, region=region, change_number=number)
    )
    enqueue(tx, account, name, region, number, sender)


def record_arrival(
    tx: Transaction, account: str, name: str, region: str, *, number: int, is_copy: bool
) -> None:
    """Remember what was applied last of an alias of another Region."""
    tx.put_arrived_alias(
        ArrivedAliasRecord(
            account=account, name=name, region=region, change_number=number, is_copy=is_copy
        )
    )

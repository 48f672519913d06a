"""
The receiving side of aliases that follow their keys from another Region.

An alias that was brought is a copy. Only copies are moved and removed, and only by the Region they
came from; a name that is in use otherwise is refused and stays what it is. What decides the order
is the alias's change number, as for keys.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from keyferry.errors import StoreIntegrityError
from keyferry.service.replication import messages as m
from keyferry.service.replication.aliases.state import aliases_of, copied_from, record_arrival
from keyferry.service.replication.follow_events import alias_deleted, alias_put
from keyferry.service.store.interface import StoreView, Transaction
from keyferry.service.store.records import AliasRecord, KeyRecord, KeyState
from keyferry.service.store.replication_records import ArrivedAliasRecord, RegionPart


def apply_alias(
    tx: Transaction,
    peer: str,
    change: m.AliasChange,
    *,
    region: str,
    alias_limit: int | None,
    now: datetime,
) -> m.AliasResult:
    """
    Bring an alias to what `peer` says.

    Args:
        region: this one.
        alias_limit: the quota of aliases of an account; copies count.
    """
    account, name = change.account, change.name
    applied = m.AliasResult(outcome=m.Outcome.APPLIED, change_number=change.change_number)
    arrived = _arrived(tx, peer, change)
    if arrived is not None and arrived.change_number > change.change_number:
        return m.AliasResult(outcome=m.Outcome.STALE, change_number=arrived.change_number)
    if arrived is not None and arrived.change_number == change.change_number:
        return applied
    copied = copied_from(tx, account, name) == peer
    try:
        current = tx.alias(account, name)
    except StoreIntegrityError:
        if not copied:
            raise  # it is a user's of this Region
        tx.delete_alias(account, name)
        current = None
    ours = current is None or copied
    if change.key_id is None:
        # Whatever else has the name is none of the peer's, and no conflict: it wants nothing.
        if current is not None and ours:
            _remove(tx, current, region=region, now=now)
        record_arrival(tx, account, name, peer, number=change.change_number, is_copy=False)
        return applied
    if not ours:
        return _refused(m.AliasReason.IN_USE)
    target = _target(tx, peer, change)
    if target is None:
        return m.AliasResult(outcome=m.Outcome.LATER, reason=m.AliasReason.NO_KEY)
    wanted = AliasRecord(account=account, name=name, key_id=target.key_id)
    if current is None:
        if alias_limit is not None and tx.count_aliases(account) >= alias_limit:
            return _refused(m.AliasReason.QUOTA)
        tx.insert_alias(wanted)
        tx.append_audit(alias_put("CreateAlias", wanted, target, region=region, now=now))
    elif current.key_id != target.key_id:
        wanted = replace(wanted, revision=current.revision + 1)
        tx.update_alias(wanted, replacing=current.revision)
        tx.append_audit(alias_put("UpdateAlias", wanted, target, region=region, now=now))
    record_arrival(tx, account, name, peer, number=change.change_number, is_copy=True)
    return applied


def remove_copies(
    tx: Transaction, account: str, key_id: str, *, region: str, now: datetime
) -> None:
    """
    Remove the copies that point to a replica which is about to be destroyed.

    They are brought again if the key is. A user's own aliases stay, without a target.
    """
    for alias in list(aliases_of(tx, account, key_id)):
        for arrived in tx.arrived_aliases(alias.account, alias.name):
            if arrived.is_copy:
                _remove(tx, alias, region=region, now=now)
                tx.put_arrived_alias(replace(arrived, is_copy=False))


def _remove(tx: Transaction, alias: AliasRecord, *, region: str, now: datetime) -> None:
    tx.delete_alias(alias.account, alias.name)
    tx.append_audit(alias_deleted(alias, region=region, now=now))


def _arrived(view: StoreView, peer: str, change: m.AliasChange) -> ArrivedAliasRecord | None:
    found = view.arrived_aliases(change.account, change.name)
    return next((arrived for arrived in found if arrived.region == peer), None)


def _target(view: StoreView, peer: str, change: m.AliasChange) -> KeyRecord | None:
    """The replica of the peer's key; None if it is not here, or not any more."""
    if change.key_id is None:
        return None
    part = view.multi_region(change.account, change.key_id)
    if part is None or part.part is not RegionPart.REPLICA or part.primary_region != peer:
        return None
    record = view.key(change.account, change.key_id)
    return None if record is None or record.state is KeyState.DELETE_COMPLETE else record


def _refused(reason: m.AliasReason) -> m.AliasResult:
    return m.AliasResult(outcome=m.Outcome.REFUSED, reason=reason)

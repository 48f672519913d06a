"""GetKey, ListKeys, DeleteKey, RestoreKey, StartKeyUsage, StopKeyUsage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import msgspec

from keyferry.service.context import Context
from keyferry.service.control.answers import key_answer, key_summary
from keyferry.service.control.identifiers import find_key
from keyferry.service.control.pages import decode_token, encode_token, page_size
from keyferry.service.control.replication_regions import refuse_replica, sender_of
from keyferry.service.control.states import require_state
from keyferry.service.operation import CONTROL
from keyferry.service.replication.destruction import destroy_replica
from keyferry.service.replication.state import follow, leave, part_of
from keyferry.service.store.interface import Transaction
from keyferry.service.store.records import KeyRecord, KeyState
from keyferry.service.wire import control_types as t

DEFAULT_WAITING_DAYS = 7

Answer = TypeVar("Answer", bound=msgspec.Struct)


@CONTROL.operation("GetKey", read_only=True)
async def get_key(context: Context, request: t.GetKeyInput) -> t.GetKeyOutput:
    """Show a key in whatever state it is, DELETE_COMPLETE included."""
    record = find_key(context, request.key_identifier, action="GetKey")
    return t.GetKeyOutput(key=key_answer(context, record, part_of(context.store, record)))


@CONTROL.operation("ListKeys", read_only=True)
async def list_keys(context: Context, request: t.ListKeysInput) -> t.ListKeysOutput:
    """List keys in the order of their creation, all or those in one state."""
    state = None if request.key_state is None else KeyState(request.key_state)
    filters = {"state": request.key_state}
    after = decode_token(context, "ListKeys", filters, request.next_token, first=0)
    size = page_size(request.max_results)
    found = context.store.keys(context.account, state=state, after=after, limit=size + 1)
    token = None
    if len(found) > size:
        token = encode_token(context, "ListKeys", filters, found[size - 1][0])
    shown = [record for _, record in found[:size]]
    parts = context.store.multi_regions(context.account, [record.key_id for record in shown])
    return t.ListKeysOutput(
        keys=[key_summary(context, record, parts.get(record.key_id)) for record in shown],
        next_token=token,
    )


@CONTROL.operation("DeleteKey")
async def delete_key(context: Context, request: t.DeleteKeyInput) -> t.DeleteKeyOutput:
    """
    Schedule the destruction of a key; until then it cannot be used, but restored.

    Its replicas are destroyed at once. A replica that is deleted in its own Region is destroyed at
    once too, and neither the primary nor other replicas are touched.
    """
    days = (
        DEFAULT_WAITING_DAYS if request.delete_key_in_days is None else request.delete_key_in_days
    )

    def change(record: KeyRecord) -> KeyRecord:
        return replace(
            _stopped(context, record),
            state=KeyState.DELETE_PENDING,
            delete_pending_at=context.now + timedelta(days=days),
        )

    def apply(tx: Transaction) -> t.DeleteKeyOutput:
        record = find_key(context, request.key_identifier, action="DeleteKey", view=tx)
        require_state(context, record, KeyState.CREATE_COMPLETE)
        part = part_of(tx, record)
        if part is None or not part.is_replica:
            return t.DeleteKeyOutput(key=_write(context, tx, record, change(record)))
        destroyed = destroy_replica(tx, record, region=context.region, now=context.now)
        leave(tx, part.record, sender=sender_of(context))
        return t.DeleteKeyOutput(key=key_answer(context, destroyed, part))

    return await context.write(apply)


@CONTROL.operation("RestoreKey")
async def restore_key(context: Context, request: t.RestoreKeyInput) -> t.RestoreKeyOutput:
    """Take a key back from its waiting period. It stays disabled until StartKeyUsage."""

    def change(record: KeyRecord) -> KeyRecord:
        require_state(context, record, KeyState.DELETE_PENDING)
        return replace(record, state=KeyState.CREATE_COMPLETE, delete_pending_at=None)

    return await _change(
        context,
        request.key_identifier,
        change,
        lambda key: t.RestoreKeyOutput(key=key),
        action="RestoreKey",
    )


@CONTROL.operation("StartKeyUsage")
async def start_key_usage(context: Context, request: t.StartKeyUsageInput) -> t.StartKeyUsageOutput:
    """Enable a key. Starting an enabled key changes nothing and is not an error."""

    def change(record: KeyRecord) -> KeyRecord:
        require_state(context, record, KeyState.CREATE_COMPLETE)
        if record.enabled:
            return record
        return replace(record, enabled=True, usage_started_at=context.now, usage_stopped_at=None)

    return await _change(
        context,
        request.key_identifier,
        change,
        lambda key: t.StartKeyUsageOutput(key=key),
        action="StartKeyUsage",
    )


@CONTROL.operation("StopKeyUsage")
async def stop_key_usage(context: Context, request: t.StopKeyUsageInput) -> t.StopKeyUsageOutput:
    """Disable a key. Stopping a disabled key changes nothing and is not an error."""

    def change(record: KeyRecord) -> KeyRecord:
        require_state(context, record, KeyState.CREATE_COMPLETE)
        return _stopped(context, record)

    return await _change(
        context,
        request.key_identifier,
        change,
        lambda key: t.StopKeyUsageOutput(key=key),
        action="StopKeyUsage",
    )


def _stopped(context: Context, record: KeyRecord) -> KeyRecord:
    """Disable; the date of an earlier stop is kept."""
    if not record.enabled:
        return record
    return replace(record, enabled=False, usage_started_at=None, usage_stopped_at=context.now)


async def _change(
    context: Context,
    identifier: str,
    change: Callable[[KeyRecord], KeyRecord],
    answer: Callable[[t.Key], Answer],
    *,
    action: str,
) -> Answer:
    """Read, check and write a key within one change; replicas are refused."""

    def apply(tx: Transaction) -> Answer:
        record = find_key(context, identifier, action=action, view=tx)
        refuse_replica(context, tx, record)
        return answer(_write(context, tx, record, change(record)))

    return await context.write(apply)


def _write(context: Context, tx: Transaction, record: KeyRecord, changed: KeyRecord) -> t.Key:
    """Write what changed, have replicas follow, and show it; what stays the same is not written."""
    if changed is not record:
        changed = replace(changed, revision=record.revision + 1)
        tx.update_key(changed, replacing=record.revision)
        follow(tx, changed, sender=sender_of(context))
    return key_answer(context, changed, part_of(tx, changed))

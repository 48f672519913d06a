"""
A key as two Regions compare it: nothing of its material but a check value, computed anew.

Attributes and state are texts: what differs is to be read by a person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

import msgspec

from keyferry.crypto.secret import Secret
from keyferry.errors import KeyferryError, StoreIntegrityError
from keyferry.keys import key_check_value
from keyferry.service.replication import messages as m
from keyferry.service.store.inspection_records import KeyName
from keyferry.service.store.interface import StoreView
from keyferry.service.store.records import KeyRecord, KeyState
from keyferry.service.store.replication_records import RegionPart
from keyferry.service.vault.binding import key_binding
from keyferry.service.vault.interface import Vault

# Of the names of tags; the digest tells the rest apart.
_TAG_NAMES_CHARACTERS = 200
UNREADABLE_TAGS = "a tag whose row does not verify"


def describe_key(
    name: KeyName, *, region: str, store: StoreView, vault: Vault, tags: bool = False
) -> m.KeyDescription:
    """
    Describe a key of this store, whatever its part.

    Args:
        tags: describe its tags too.

    Raises:
        StoreError: the store does not work. A row that does not verify is a description.
    """
    numbers = (0, 0)
    try:
        part = store.multi_region(name.account, name.key_id)
        if part is not None:
            numbers = (part.change_number, part.incarnation)
        record = store.key(name.account, name.key_id)
    except StoreIntegrityError:
        return _of(name, m.Condition.UNREADABLE, *numbers)
    if record is None or record.state is KeyState.DELETE_COMPLETE:
        return _of(name, m.Condition.ABSENT, *numbers)
    try:
        check_value = compute_check_value(record, region=region, vault=vault)
    except StoreIntegrityError:
        return _of(name, m.Condition.UNREADABLE, *numbers)
    return m.KeyDescription(
        account=name.account,
        key_id=name.key_id,
        condition=m.Condition.WHOLE,
        change_number=numbers[0],
        incarnation=numbers[1],
        check_value=check_value,
        kept_check_value=record.check_value,
        attributes=attributes_text(record),
        state=state_text(record),
        tags=_tags_of(store, name) if tags else None,
    )


def describe_replicas(
    asked: m.DescribeReplicasInput,
    primary_region: str,
    *,
    region: str,
    store: StoreView,
    vault: Vault,
) -> m.DescribeReplicasOutput:
    """Describe replicas in this store of keys whose primary is in `primary_region`."""
    if asked.keys is not None:
        names = [KeyName(key.account, key.key_id) for key in asked.keys]
        return m.DescribeReplicasOutput(
            replicas=[
                _describe_replica(
                    name, primary_region, region=region, store=store, vault=vault, tags=asked.tags
                )
                for name in names
            ]
        )
    names = store.replica_names(
        primary_region, after=_name(asked.after), until=_name(asked.until), limit=asked.limit
    )
    described = [
        _describe_replica(
            name, primary_region, region=region, store=store, vault=vault, tags=asked.tags
        )
        for name in names
    ]
    last = names[-1] if len(names) == asked.limit else None
    return m.DescribeReplicasOutput(
        replicas=[one for one in described if one.condition is not m.Condition.ABSENT],
        last=None if last is None else reference(last),
    )


def _describe_replica(
    name: KeyName, primary_region: str, *, region: str, store: StoreView, vault: Vault, tags: bool
) -> m.KeyDescription:
    try:
        part = store.multi_region(name.account, name.key_id)
    except StoreIntegrityError:
        return _of(name, m.Condition.PART_UNREADABLE)
    try:
        row = store.outbox(name.account, name.key_id, primary_region)
    except StoreIntegrityError:
        return _of(name, m.Condition.UNREADABLE)
    if part is None or part.part is not RegionPart.REPLICA or part.primary_region != primary_region:
        # Whatever has that id here is no replica of theirs, and none of their business.
        return _of(name, m.Condition.ABSENT)
    described = describe_key(name, region=region, store=store, vault=vault, tags=tags)
    if row is None or row.held:
        return described
    return msgspec.structs.replace(described, waiting=True)


def reference(name: KeyName) -> m.KeyReference:
    return m.KeyReference(account=name.account, key_id=name.key_id)


def _name(key: m.KeyReference | None) -> KeyName | None:
    return None if key is None else KeyName(key.account, key.key_id)


def _of(
    name: KeyName, condition: m.Condition, change_number: int = 0, incarnation: int = 0
) -> m.KeyDescription:
    return m.KeyDescription(
        account=name.account,
        key_id=name.key_id,
        condition=condition,
        change_number=change_number,
        incarnation=incarnation,
    )


def compute_check_value(record: KeyRecord, *, region: str, vault: Vault) -> str:
    """
    The check value of the key's material, opened for it.

    Raises:
        StoreIntegrityError: the material does not open, or is none.
    """
    if record.sealed is None:
        raise StoreIntegrityError(f"key {record.key_id} has no material")
    with Secret(vault.open(record.sealed, binding=key_binding(region, record))) as material:
        try:
            value, _ = key_check_value(
                record.attributes.key_algorithm, material.reveal(), record.check_value_algorithm
            )
        except (KeyferryError, ValueError):
            raise StoreIntegrityError(
                f"key {record.key_id}: its material is no {record.attributes.key_algorithm} key"
            ) from None
    return value


def attributes_text(record: KeyRecord) -> str:
    """What a key can never change, in one line; equal for equal keys only."""
    attributes = record.attributes
    words = [
        attributes.key_usage.value,
        attributes.key_algorithm.value,
        f"modes {attributes.modes_of_use.letter.value}",
        f"exportability {record.exportability.value}",
        f"origin {record.origin.value}",
        f"check value by {record.check_value_algorithm}",
        f"version {record.key_version}",
        f"created {record.created_at.isoformat()}",
    ]
    if record.optional_blocks:
        content = "".join(f"{len(b.data):04d}{b.id}{b.data}" for b in record.optional_blocks)
        digest = hashlib.sha256(content.encode()).hexdigest()[:16]
        ids = "".join(block.id for block in record.optional_blocks)
        words.append(f"optional blocks {ids} (SHA-256 {digest})")
    return ", ".join(words)


def state_text(record: KeyRecord) -> str:
    """What of a key follows its primary, in one line."""
    words = [record.state.value, "enabled" if record.enabled else "disabled"]
    if record.usage_started_at is not None:
        words.append(f"started {_text(record.usage_started_at)}")
    if record.usage_stopped_at is not None:
        words.append(f"stopped {_text(record.usage_stopped_at)}")
    return ", ".join(words)


def _tags_of(store: StoreView, name: KeyName) -> str:
    try:
        return tags_text(store.tags(name.account, name.key_id))
    except StoreIntegrityError:
        return UNREADABLE_TAGS


def tags_text(tags: Sequence[tuple[str, str]]) -> str:
    """The tags of a key in one line; equal for equal tags only. Their values are not in it."""
    if not tags:
        return "no tags"
    digest = hashlib.sha256(msgspec.json.encode(sorted(tags))).hexdigest()[:16]
    names = ", ".join(key for key, _ in sorted(tags))
    if len(names) > _TAG_NAMES_CHARACTERS:
        names = f"{names[:_TAG_NAMES_CHARACTERS]}…"
    return f"tags {names} (SHA-256 {digest})"


def _text(instant: datetime) -> str:
    return instant.isoformat()

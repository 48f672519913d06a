"""A key as it travels between Regions, and back: a key block of version D under the pair's KEK."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import datetime

from keyferry.crypto.keyblock import KBPK, BlockVersion
from keyferry.crypto.secret import Secret
from keyferry.errors import KeyferryError, StoreIntegrityError
from keyferry.keys import attributes_from_header, header_from_attributes, key_check_value
from keyferry.service.replication.messages import ReplicatedKey
from keyferry.service.store.records import KeyOrigin, KeyRecord, KeyState
from keyferry.service.store.rows import from_microseconds, to_microseconds
from keyferry.service.vault.binding import key_binding
from keyferry.service.vault.interface import Vault

# HM is written from the algorithm, PB is fill.
_NOT_KEPT = frozenset({"HM", "PB"})


class UnusableKeyBlockError(KeyferryError):
    """The key block of a message does not open, or does not hold what the message says."""


class OtherCheckValueError(KeyferryError):
    """The key that arrived has another check value than the one that was sent."""


def take_snapshot(
    record: KeyRecord,
    *,
    region: str,
    vault: Vault,
    kek: KBPK,
    tags: Sequence[tuple[str, str]] | None = None,
) -> ReplicatedKey:
    """
    Wrap a primary with what else a replica must know; its tags too, if they follow.

    Raises:
        StoreIntegrityError: the material does not open.
        KeyBlockError: its kept optional blocks make no block that can be written.
    """
    if record.sealed is None:
        raise StoreIntegrityError(f"key {record.key_id} has no material")
    header = header_from_attributes(
        record.attributes,
        version=BlockVersion.D,
        exportability=record.exportability,
        key_version=record.key_version,
        optional_blocks=record.optional_blocks,
    )
    with Secret(vault.open(record.sealed, binding=key_binding(region, record))) as material:
        block = kek.wrap(header, material.reveal())
    return ReplicatedKey(
        key_block=block,
        check_value=record.check_value,
        check_value_algorithm=record.check_value_algorithm,
        origin=record.origin.value,
        created_at=to_microseconds(record.created_at),
        enabled=record.enabled,
        usage_started_at=_microseconds(record.usage_started_at),
        usage_stopped_at=_microseconds(record.usage_stopped_at),
        tags=None if tags is None else list(tags),
    )


def open_snapshot(
    sent: ReplicatedKey, *, account: str, key_id: str, kek: KBPK
) -> tuple[KeyRecord, Secret]:
    """
    Open what arrived: the replica's record, not sealed yet, and its material, which is to be wiped.

    Raises:
        UnusableKeyBlockError: the block does not authenticate or describes no key we can hold.
        OtherCheckValueError: the check value of the material is another.
    """
    try:
        unwrapped = kek.unwrap(sent.key_block)
        header = unwrapped.header
        attributes = attributes_from_header(header, unwrapped.key)
        computed, method = key_check_value(
            attributes.key_algorithm, unwrapped.key, sent.check_value_algorithm
        )
        record = KeyRecord(
            account=account,
            key_id=key_id,
            attributes=attributes,
            exportability=header.exportability,
            origin=KeyOrigin(sent.origin),
            check_value=computed,
            check_value_algorithm=method,
            optional_blocks=tuple(b for b in header.optional_blocks if b.id not in _NOT_KEPT),
            key_version=header.key_version,
            created_at=from_microseconds(sent.created_at),
            state=KeyState.CREATE_COMPLETE,
            enabled=sent.enabled,
            usage_started_at=_instant(sent.usage_started_at),
            usage_stopped_at=_instant(sent.usage_stopped_at),
        )
    except (KeyferryError, ValueError):
        # Which step failed is nobody's business over a wire.
        raise UnusableKeyBlockError("the key block of a replica cannot be used") from None
    if not hmac.compare_digest(computed, sent.check_value):
        raise OtherCheckValueError("a replica arrived with another check value")
    return record, Secret(unwrapped.key)


def _microseconds(instant: datetime | None) -> int | None:
    return None if instant is None else to_microseconds(instant)


def _instant(value: int | None) -> datetime | None:
    return None if value is None else from_microseconds(value)

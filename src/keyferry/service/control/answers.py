"""Keys as the API shows them, and attributes as the API sends them."""

from __future__ import annotations

import functools

from keyferry.crypto.keyblock import Exportability
from keyferry.keys import KeyAlgorithm, KeyAttributes, KeyClass, KeyUsage, ModesOfUse
from keyferry.service.context import Context
from keyferry.service.replication.state import Part
from keyferry.service.store.records import KeyRecord, KeyState
from keyferry.service.store.replication_records import MultiRegionRecord, RegionPart
from keyferry.service.wire import control_types as t

_FLAGS = (
    "encrypt",
    "decrypt",
    "wrap",
    "unwrap",
    "generate",
    "sign",
    "verify",
    "derive_key",
    "no_restrictions",
)


@functools.lru_cache(maxsize=1024)  # of values that cannot change
def attributes_of(requested: t.KeyAttributes) -> KeyAttributes:
    """Read attributes from a request; enum members were checked before."""
    return KeyAttributes(
        key_usage=KeyUsage(requested.key_usage),
        key_class=KeyClass(requested.key_class),
        key_algorithm=KeyAlgorithm(requested.key_algorithm),
        modes_of_use=modes_of(requested.key_modes_of_use),
    )


def modes_of(requested: t.KeyModesOfUse) -> ModesOfUse:
    """Read the nine flags from a request."""
    return ModesOfUse(**{flag: getattr(requested, flag) for flag in _FLAGS})


@functools.lru_cache(maxsize=1024)  # there are fewer valid combinations; lists show many keys
def attributes_answer(attributes: KeyAttributes) -> t.KeyAttributes:
    """Show attributes; all nine flags are always there."""
    modes = attributes.modes_of_use
    return t.KeyAttributes(
        key_usage=attributes.key_usage.value,
        key_class=attributes.key_class.value,
        key_algorithm=attributes.key_algorithm.value,
        key_modes_of_use=t.KeyModesOfUse(**{flag: getattr(modes, flag) for flag in _FLAGS}),
    )


def is_exportable(record: KeyRecord) -> bool:
    """The API's boolean; behind it the letter of the key block is kept."""
    return record.exportability is not Exportability.NONE


def key_answer(context: Context, record: KeyRecord, part: Part | None) -> t.Key:
    """
    Show a key. Dates of deletion appear only in the state they belong to.

    Args:
        part: of the key among Regions, as `part_of` reads it; None if it has one Region.
    """
    state = record.state
    pending = record.delete_pending_at if state is KeyState.DELETE_PENDING else None
    deleted = record.deleted_at if state is KeyState.DELETE_COMPLETE else None
    derive = record.derive_key_usage
    return t.Key(
        key_arn=context.key_arn(record.key_id, record.account),
        key_attributes=attributes_answer(record.attributes),
        key_check_value=record.check_value,
        key_check_value_algorithm=record.check_value_algorithm,
        enabled=record.enabled,
        exportable=is_exportable(record),
        key_state=state.value,
        key_origin=record.origin.value,
        create_timestamp=record.created_at,
        usage_start_timestamp=record.usage_started_at,
        usage_stop_timestamp=record.usage_stopped_at,
        delete_pending_timestamp=pending,
        delete_timestamp=deleted,
        derive_key_usage=None if derive is None else derive.value,
        multi_region_key_type=None if part is None else part.record.part.value,
        primary_region=None if part is None else part.record.primary_region,
        replication_status=None if part is None or part.is_replica else _status(part),
        using_default_replication_regions=(
            None if part is None or part.is_replica else part.record.using_default
        ),
    )


def _status(part: Part) -> dict[str, t.ReplicationStatusType]:
    return {
        replica.region: t.ReplicationStatusType(
            status=replica.status.value, status_message=replica.message
        )
        for replica in part.replicas
    }


def key_summary(
    context: Context, record: KeyRecord, part: MultiRegionRecord | None
) -> t.KeySummary:
    """Show a key in a list."""
    in_several = part is not None and part.part is not RegionPart.SINGLE
    return t.KeySummary(
        key_arn=context.key_arn(record.key_id, record.account),
        key_state=record.state.value,
        key_attributes=attributes_answer(record.attributes),
        key_check_value=record.check_value,
        exportable=is_exportable(record),
        enabled=record.enabled,
        multi_region_key_type=part.part.value if part is not None and in_several else None,
        primary_region=part.primary_region if part is not None and in_several else None,
    )

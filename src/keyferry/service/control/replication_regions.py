"""Which Regions a key is replicated to: the choice at its creation, and Add and Remove later."""

from __future__ import annotations

from collections.abc import Sequence

from keyferry.crypto.keyblock import Exportability
from keyferry.keys import KeyAttributes, KeyClass
from keyferry.service.context import Context
from keyferry.service.control.answers import key_answer
from keyferry.service.control.identifiers import find_key
from keyferry.service.control.states import require_state
from keyferry.service.errors import ConflictError, InvalidRequestError
from keyferry.service.operation import CONTROL
from keyferry.service.replication.state import (
    Sender,
    add_replicas,
    part_of,
    remove_replicas,
)
from keyferry.service.store.interface import StoreView, Transaction
from keyferry.service.store.records import KeyRecord, KeyState
from keyferry.service.store.replication_records import RegionPart, ReplicaStatus
from keyferry.service.wire import control_types as t


def sender_of(context: Context) -> Sender:
    """Who writes to the outbox for a call."""
    peers = context.peers
    return Sender(peers.owner, context.now, peers.regions, aliases=peers.aliases, tags=peers.tags)


def check_regions(context: Context, regions: Sequence[str]) -> list[str]:
    """
    Return the Regions by name, each once.

    Raises:
        InvalidRequestError: one is this Region, or none that keys can be replicated to from here.
    """
    for region in regions:
        if region == context.region:
            raise InvalidRequestError(
                f"ReplicationRegions: {region} is the Region of the key itself"
            )
        if region not in context.peers.regions or not _allowed(context, region):
            raise InvalidRequestError(
                f"ReplicationRegions: {region} is no Region this service replicates keys to"
            )
    return sorted(set(regions))


def _allowed(context: Context, region: str) -> bool:
    allowed = context.rules.replication_regions
    return allowed is None or region in allowed


def why_not_replicable(attributes: KeyAttributes, exportability: Exportability) -> str | None:
    """Why a key of these attributes stays in its Region; None if it can have replicas."""
    if attributes.key_class is not KeyClass.SYMMETRIC_KEY:
        return "only symmetric keys are replicated"
    if exportability is Exportability.NONE:
        return "only exportable keys are replicated"
    return None


def check_replicable(attributes: KeyAttributes, exportability: Exportability) -> None:
    """Refuse Regions for a key that cannot leave its own."""
    reason = why_not_replicable(attributes, exportability)
    if reason is not None:
        raise InvalidRequestError(f"ReplicationRegions: {reason}")


def check_choice(
    context: Context,
    regions: Sequence[str] | None,
    attributes: KeyAttributes,
    exportability: Exportability,
) -> list[str] | None:
    """
    Check what a new key's request says about Regions.

    Returns:
        The Regions named, which may be none; None if the request leaves it to the defaults.

    Raises:
        InvalidRequestError: as `check_regions` and `check_replicable`.
    """
    if regions is None:
        return None
    chosen = check_regions(context, regions)
    if chosen:
        check_replicable(attributes, exportability)
    return chosen


def replicate_new_key(
    context: Context, tx: Transaction, record: KeyRecord, chosen: list[str] | None
) -> None:
    """Begin the replication of a key just inserted, to the Regions chosen or the defaults."""
    regions = chosen
    if regions is None:
        if why_not_replicable(record.attributes, record.exportability) is not None:
            return  # the defaults are for keys that can follow them
        # A default from before the owner's rule named other Regions does not go on against it.
        defaults = tx.default_regions(record.account)
        regions = [region for region in defaults if _allowed(context, region)]
    if regions:
        add_replicas(tx, record, regions, using_default=chosen is None, sender=sender_of(context))


def refuse_replica(context: Context, view: StoreView, record: KeyRecord) -> None:
    """Refuse to change a replica: it follows its primary."""
    part = view.multi_region(record.account, record.key_id)
    if part is not None and part.part is RegionPart.REPLICA:
        raise InvalidRequestError(
            f"Key {context.key_arn(record.key_id)} is a replica:"
            f" change the primary in {part.primary_region}"
        )


@CONTROL.operation("AddKeyReplicationRegions")
async def add_key_replication_regions(
    context: Context, request: t.AddKeyReplicationRegionsInput
) -> t.AddKeyReplicationRegionsOutput:
    """Replicate a key to more Regions. One that is there stays; one that failed is tried again."""
    regions = _named(context, request.replication_regions)

    def change(tx: Transaction) -> t.AddKeyReplicationRegionsOutput:
        record = find_key(
            context, request.key_identifier, action="AddKeyReplicationRegions", view=tx
        )
        refuse_replica(context, tx, record)
        require_state(context, record, KeyState.CREATE_COMPLETE)
        check_replicable(record.attributes, record.exportability)
        for replica in tx.replicas(record.account, record.key_id):
            if replica.region in regions and replica.status is ReplicaStatus.DELETE_IN_PROGRESS:
                raise ConflictError(f"the replica in {replica.region} is being deleted")
        add_replicas(tx, record, regions, using_default=False, sender=sender_of(context))
        return t.AddKeyReplicationRegionsOutput(
            key=key_answer(context, record, part_of(tx, record))
        )

    return await context.write(change)


@CONTROL.operation("RemoveKeyReplicationRegions")
async def remove_key_replication_regions(
    context: Context, request: t.RemoveKeyReplicationRegionsInput
) -> t.RemoveKeyReplicationRegionsOutput:
    """Destroy replicas at once. The Region need not be one this service reaches today."""
    regions = list(dict.fromkeys(request.replication_regions))
    if not regions:
        raise InvalidRequestError("ReplicationRegions: expected at least one Region")

    def change(tx: Transaction) -> t.RemoveKeyReplicationRegionsOutput:
        record = find_key(
            context, request.key_identifier, action="RemoveKeyReplicationRegions", view=tx
        )
        refuse_replica(context, tx, record)
        require_state(context, record, KeyState.CREATE_COMPLETE)
        present = {replica.region for replica in tx.replicas(record.account, record.key_id)}
        for region in regions:
            if region not in present:
                raise InvalidRequestError(
                    f"ReplicationRegions: the key is not replicated to {region}"
                )
        remove_replicas(tx, record, regions, sender=sender_of(context))
        return t.RemoveKeyReplicationRegionsOutput(
            key=key_answer(context, record, part_of(tx, record))
        )

    return await context.write(change)


def _named(context: Context, regions: Sequence[str]) -> list[str]:
    if not regions:
        raise InvalidRequestError("ReplicationRegions: expected at least one Region")
    return check_regions(context, regions)

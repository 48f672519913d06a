"""The Regions an account's new keys are replicated to unless their request says otherwise."""

from __future__ import annotations

from keyferry.service.context import Context
from keyferry.service.control.replication_regions import check_regions
from keyferry.service.errors import InvalidRequestError
from keyferry.service.operation import CONTROL
from keyferry.service.store.interface import Transaction
from keyferry.service.wire import control_types as t


@CONTROL.operation("EnableDefaultKeyReplicationRegions")
async def enable_default_key_replication_regions(
    context: Context, request: t.EnableDefaultKeyReplicationRegionsInput
) -> t.EnableDefaultKeyReplicationRegionsOutput:
    """Add Regions to the account's defaults; keys that exist are not touched."""
    if not request.replication_regions:
        raise InvalidRequestError("ReplicationRegions: expected at least one Region")
    regions = check_regions(context, request.replication_regions)

    def change(tx: Transaction) -> t.EnableDefaultKeyReplicationRegionsOutput:
        for region in regions:
            tx.add_default_region(context.account, region)
        return t.EnableDefaultKeyReplicationRegionsOutput(
            enabled_replication_regions=tx.default_regions(context.account)
        )

    return await context.write(change)


@CONTROL.operation("DisableDefaultKeyReplicationRegions")
async def disable_default_key_replication_regions(
    context: Context, request: t.DisableDefaultKeyReplicationRegionsInput
) -> t.DisableDefaultKeyReplicationRegionsOutput:
    """Take Regions out of the account's defaults; one that is not among them is passed over."""
    if not request.replication_regions:
        raise InvalidRequestError("ReplicationRegions: expected at least one Region")

    def change(tx: Transaction) -> t.DisableDefaultKeyReplicationRegionsOutput:
        for region in request.replication_regions:
            tx.remove_default_region(context.account, region)
        return t.DisableDefaultKeyReplicationRegionsOutput(
            enabled_replication_regions=tx.default_regions(context.account)
        )

    return await context.write(change)


@CONTROL.operation("GetDefaultKeyReplicationRegions", read_only=True)
async def get_default_key_replication_regions(
    context: Context,
    request: t.GetDefaultKeyReplicationRegionsInput,  # noqa: ARG001 (it has no members)
) -> t.GetDefaultKeyReplicationRegionsOutput:
    """Show the account's defaults in this Region."""
    return t.GetDefaultKeyReplicationRegionsOutput(
        enabled_replication_regions=context.store.default_regions(context.account)
    )

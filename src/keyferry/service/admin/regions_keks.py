"""New KEKs between Regions: `KeyferryAdmin.RotateReplicationKEK`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from keyferry.service import log
from keyferry.service.admin.context import AdminContext
from keyferry.service.admin.region_pairs import find_link
from keyferry.service.errors import ConflictError
from keyferry.service.operation import ADMIN
from keyferry.service.store.replication_records import KEKDirection


class RotateReplicationKEKInput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """The peer the new KEK is agreed with, for keys on their way there."""

    peer: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class RotateReplicationKEKOutput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """The KEK keys go under from now on, and the one before; check values are of the KEKs."""

    peer: str
    kek_id: str
    key_check_value: str
    replaced_kek_id: str | None = None


@ADMIN.operation("RotateReplicationKEK")
async def rotate_replication_kek(
    context: AdminContext, request: RotateReplicationKEKInput
) -> RotateReplicationKEKOutput:
    """
    Agree on a new KEK with a peer.

    The one before opens what is still on its way, until the sweep forgets it an hour later.
    """
    link = find_link(context, request.peer)
    before = context.store.replication_kek(KEKDirection.TO, request.peer)
    await link.agree(context.now)
    after = context.store.replication_kek(KEKDirection.TO, request.peer)
    if after is None or (before is not None and after.kek_id == before.kek_id):
        raise ConflictError(
            "the KEK just agreed is not the newest: another was agreed at the same time, or the"
            " clock of this service was set back"
        )
    log.info(
        "replication_kek_rotated",
        region=context.region,
        peer=request.peer,
        kek=after.kek_id,
        replaced=None if before is None else before.kek_id,
    )
    return RotateReplicationKEKOutput(
        peer=request.peer,
        kek_id=after.kek_id,
        key_check_value=after.check_value,
        replaced_kek_id=None if before is None else before.kek_id,
    )

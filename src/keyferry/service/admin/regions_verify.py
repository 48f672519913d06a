"""
Comparing a Region's keys with their replicas in a peer: `KeyferryAdmin.VerifyReplicas`, and what
follows from it, `RepairReplicas` and `RecordVerification`.

Whoever asks goes from page to page, so that a call is short however many keys there are.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from keyferry.service.admin.context import AdminContext
from keyferry.service.admin.region_pairs import find_link, find_verifier, sender_of
from keyferry.service.errors import InvalidRequestError
from keyferry.service.operation import ADMIN
from keyferry.service.replication import messages as m
from keyferry.service.replication.inspection.comparison import Comparison
from keyferry.service.replication.inspection.repair import Repairer
from keyferry.service.store.inspection_records import KeyName, VerificationRecord

MAX_REPAIRED = 100

_Region = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Key(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """A key of an account, and a place in the order of all."""

    account: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{12}$")]
    key_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-zA-Z]{16,64}$")]


class VerifyReplicasInput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """The next page behind `After`, or the keys of `Keys`."""

    peer: _Region
    after: Key | None = None
    keys: Annotated[list[Key], msgspec.Meta(max_length=m.MAX_DESCRIBED)] | None = None
    max_results: Annotated[int, msgspec.Meta(ge=1, le=m.MAX_DESCRIBED)] = m.MAX_DESCRIBED


class DriftItem(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """One difference, with what either Region says."""

    account: str
    key_id: str
    key_arn: str  # of the primary
    kind: str
    primary: str
    replica: str


class VerifyReplicasOutput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """What differs, and what cannot be told yet. `Next` is where the next page begins."""

    compared: int
    drift: list[DriftItem]
    pending: list[Key]
    next: Key | None = None


class RepairReplicasInput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """
    Make the replicas of these keys equal.

    `DestroyUnknown` destroys replicas also of keys this Region does not know at all.
    """

    peer: _Region
    keys: Annotated[list[Key], msgspec.Meta(min_length=1, max_length=MAX_REPAIRED)]
    destroy_unknown: bool = False


class RepairItem(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """What was done about a key, or why nothing was."""

    account: str
    key_id: str
    key_arn: str
    done: bool
    message: str


class RepairReplicasOutput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """In the order of the keys."""

    repairs: list[RepairItem]


class RecordVerificationInput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """A verification of all keys came to its end, with so many differences left."""

    peer: _Region
    compared: _Count
    drift: _Count


class RecordVerificationOutput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """Nothing: it is in the status and the metrics from now on."""


@ADMIN.operation("VerifyReplicas", read_only=True)
async def verify_replicas(
    context: AdminContext, request: VerifyReplicasInput
) -> VerifyReplicasOutput:
    """Compare some keys of all accounts with their replicas in the peer."""
    verifier = find_verifier(context, request.peer)
    if request.keys is not None and request.after is not None:
        raise InvalidRequestError("After and Keys exclude each other")
    if request.keys is not None:
        found = await verifier.keys([_name(key) for key in request.keys])
    else:
        after = None if request.after is None else _name(request.after)
        found = await verifier.page(after, limit=request.max_results)
    return _answer(context, found)


@ADMIN.operation("RepairReplicas")
async def repair_replicas(
    context: AdminContext, request: RepairReplicasInput
) -> RepairReplicasOutput:
    """Send primaries again, and destroy replicas that have none."""
    repairer = Repairer(
        verifier=find_verifier(context, request.peer),
        sender=sender_of(context),
        write=context.write,
        destroy_unknown=request.destroy_unknown,
    )
    repairs = await repairer.repair([_name(key) for key in request.keys])
    return RepairReplicasOutput(
        repairs=[
            RepairItem(
                account=repair.name.account,
                key_id=repair.name.key_id,
                key_arn=_arn(context, repair.name),
                done=repair.done,
                message=repair.words,
            )
            for repair in repairs
        ]
    )


@ADMIN.operation("RecordVerification")
async def record_verification(
    context: AdminContext, request: RecordVerificationInput
) -> RecordVerificationOutput:
    """Keep when the pair was last compared, and with what result."""
    find_link(context, request.peer)
    record = VerificationRecord(
        peer=request.peer,
        verified_at=context.now,
        compared=request.compared,
        drift=request.drift,
    )
    await context.store.write(lambda tx: tx.put_replication_verification(record))
    return RecordVerificationOutput()


def _answer(context: AdminContext, found: Comparison[KeyName]) -> VerifyReplicasOutput:
    return VerifyReplicasOutput(
        compared=found.compared,
        drift=[
            DriftItem(
                account=drift.name.account,
                key_id=drift.name.key_id,
                key_arn=_arn(context, drift.name),
                kind=drift.kind.value,
                primary=drift.primary,
                replica=drift.replica,
            )
            for drift in found.drift
        ],
        pending=[_key(name) for name in found.pending],
        next=None if found.last is None else _key(found.last),
    )


def _arn(context: AdminContext, name: KeyName) -> str:
    return context.key_arn(name.key_id, account=name.account)


def _name(key: Key) -> KeyName:
    return KeyName(key.account, key.key_id)


def _key(name: KeyName) -> Key:
    return Key(account=name.account, key_id=name.key_id)

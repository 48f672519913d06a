"""
Proving replicated keys by use, for keys of every account: `KeyferryAdmin.ListReplicatedKeys`,
`MakeKeyProofs` in the primary's Region and `CheckKeyProofs` in the replica's.

What travels between the two through whoever asks is made-up data and what a key made of it.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec

from keyferry.errors import KeyferryError, UnknownReplicationKEKError
from keyferry.service.admin.context import AdminContext
from keyferry.service.admin.region_pairs import find_link
from keyferry.service.errors import ConflictError
from keyferry.service.operation import ADMIN
from keyferry.service.replication.proof.evidence import (
    Evidence,
    Judgement,
    Verdict,
    check_evidence,
    make_evidence,
    refusal,
)
from keyferry.service.replication.proof.seal import is_sealed, seal_of
from keyferry.service.replication.proof.workbench import Workbench
from keyferry.service.store.inspection_records import KeyName
from keyferry.service.store.records import KeyRecord
from keyferry.service.store.replication_records import KEKDirection, RegionPart, ReplicaStatus

MAX_KEYS = 500
MAX_PROOFS = 100

_Region = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_Account = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{12}\Z")]
_KeyId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-zA-Z]{16,64}\Z")]
_Text = Annotated[str, msgspec.Meta(max_length=4096)]
# Nothing else is ever in a proof: digits, hex, and a key block.
_Value = Annotated[str, msgspec.Meta(max_length=4096, pattern=r"^[0-9A-Za-z]*\Z")]


class ReplicatedKey(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """A primary that is replicated to the peer; `Usage` is empty if its row cannot be read."""

    account: _Account
    key_id: _KeyId
    usage: str = ""


class ListReplicatedKeysInput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """The next page behind `After`; of all accounts, or of one."""

    peer: _Region
    account: _Account | None = None
    after: ReplicatedKey | None = None
    max_results: Annotated[int, msgspec.Meta(ge=1, le=MAX_KEYS)] = MAX_KEYS


class ListReplicatedKeysOutput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """In the order of accounts and ids. `Next` is where the next page begins."""

    keys: list[ReplicatedKey]
    next: ReplicatedKey | None = None


class KeyProof(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """
    What a key made, to be checked in another Region.

    `Method` says what it is. `Failed` is why there is nothing: the key could not be used. It is
    `Pending` if the replica is on its way, so that there may be something a moment later. `Seal`
    is a MAC over all of it, which the Regions alone can make: under a key from the KEK `KekId`.
    """

    account: _Account
    key_id: _KeyId
    key_arn: _Text
    usage: _Text = ""
    algorithm: _Text = ""
    method: _Text = ""
    operation: _Text = ""
    reason: _Text = ""
    failed: _Text = ""
    pending: bool = False
    values: Annotated[list[dict[str, _Value]], msgspec.Meta(max_length=8)] = []
    kek_id: Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[0-9a-f]*\Z")] = ""
    seal: Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[0-9A-F]*\Z")] = ""


class MakeKeyProofsInput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """Use these primaries, which are replicated to the peer."""

    peer: _Region
    keys: Annotated[list[ReplicatedKey], msgspec.Meta(min_length=1, max_length=MAX_PROOFS)]


class MakeKeyProofsOutput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """In the order of the keys."""

    proofs: list[KeyProof]


class CheckKeyProofsInput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """Verify with replicas in the Region of the call what their primaries made elsewhere."""

    primary_region: _Region
    proofs: Annotated[list[KeyProof], msgspec.Meta(min_length=1, max_length=MAX_PROOFS)]


class KeyVerdict(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """What became of a proof; `Reason` is why it failed, or why use tells nothing."""

    account: str
    key_id: str
    verdict: str
    operation: str
    reason: str


class CheckKeyProofsOutput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """In the order of the proofs."""

    verdicts: list[KeyVerdict]


@ADMIN.operation("ListReplicatedKeys", read_only=True)
async def list_replicated_keys(
    context: AdminContext, request: ListReplicatedKeysInput
) -> ListReplicatedKeysOutput:
    """Primaries of the Region that have a replica in the peer, or are to have one."""
    find_link(context, request.peer)
    store, account = context.store, request.account
    if request.after is not None:
        start: KeyName | None = KeyName(request.after.account, request.after.key_id)
    else:
        start = None if account is None else KeyName(account, "")

    def read() -> ListReplicatedKeysOutput:
        names = store.replicated_names(request.peer, after=start, limit=request.max_results)
        wanted = [name for name in names if account is None or name.account == account]
        keys = [
            ReplicatedKey(account=name.account, key_id=name.key_id, usage=_usage(context, name))
            for name in wanted
        ]
        more = len(names) == request.max_results and len(wanted) == len(names)
        return ListReplicatedKeysOutput(keys=keys, next=keys[-1] if more else None)

    return await context.offload(read)


@ADMIN.operation("MakeKeyProofs")
async def make_key_proofs(
    context: AdminContext, request: MakeKeyProofsInput
) -> MakeKeyProofsOutput:
    """Compute something under each key, by an operation of the data plane."""
    find_link(context, request.peer)
    benches = _Benches(context)
    keks = context.replication.keks(context.region)
    try:
        kek_id, proof_key = keks.proof_key(KEKDirection.TO, request.peer)
    except UnknownReplicationKEKError:
        raise ConflictError(
            f"{context.region} has agreed on no KEK with {request.peer} yet: send a canary first"
        ) from None
    proofs = []
    with proof_key:
        for key in request.keys:
            proof = await _make(context, benches, request.peer, key)
            seal = seal_of(proof_key, _evidence(proof))
            proofs.append(msgspec.structs.replace(proof, kek_id=kek_id, seal=seal))
            # Other requests are not to wait for all of them.
            await asyncio.sleep(0)
    return MakeKeyProofsOutput(proofs=proofs)


@ADMIN.operation("CheckKeyProofs")
async def check_key_proofs(
    context: AdminContext, request: CheckKeyProofsInput
) -> CheckKeyProofsOutput:
    """Verify each proof with the replica alone, by an operation of the data plane."""
    benches = _Benches(context)
    verdicts = []
    for proof in request.proofs:
        found = await _check(context, benches, request.primary_region, proof)
        verdicts.append(
            KeyVerdict(
                account=proof.account,
                key_id=proof.key_id,
                verdict=found.verdict.value,
                operation=found.operation,
                reason=found.reason,
            )
        )
        await asyncio.sleep(0)
    return CheckKeyProofsOutput(verdicts=verdicts)


class _Benches:
    """A workbench for each account, made when its first key is used."""

    def __init__(self, context: AdminContext) -> None:
        self._context = context
        self._benches: dict[str, Workbench] = {}

    def of(self, account: str) -> Workbench:
        bench = self._benches.get(account)
        if bench is None:
            bench = self._benches[account] = Workbench(
                account,
                region=self._context.region,
                store=self._context.store,
                vault=self._context.vault,
                offload=self._context.offload,
                now=self._context.now,
            )
        return bench


async def _make(
    context: AdminContext, benches: _Benches, peer: str, key: ReplicatedKey
) -> KeyProof:
    nothing = KeyProof(
        account=key.account,
        key_id=key.key_id,
        key_arn=context.key_arn(key.key_id, account=key.account),
    )
    try:
        record = context.store.key(key.account, key.key_id)
        replica = context.store.replica(key.account, key.key_id, peer)
        if record is None or replica is None:
            return msgspec.structs.replace(nothing, failed=f"is not replicated to {peer}")
        nothing = msgspec.structs.replace(
            nothing,
            usage=record.attributes.key_usage.code,
            algorithm=record.attributes.key_algorithm.value,
        )
        if replica.status is not ReplicaStatus.SYNCHRONIZED:
            words = f"its replica is {replica.status}"
            if replica.message is not None:
                words = f"{words}: {replica.message}"
            pending = replica.status is ReplicaStatus.IN_PROGRESS
            return msgspec.structs.replace(nothing, failed=words, pending=pending)
        made = await make_evidence(benches.of(key.account), record)
    except KeyferryError as error:
        failed = f"cannot be used in {context.region}: {refusal(error)}"
        return msgspec.structs.replace(nothing, failed=failed)
    return msgspec.structs.replace(
        nothing,
        method=made.method,
        operation=made.operation,
        reason=made.reason,
        values=list(made.values),
    )


async def _check(
    context: AdminContext, benches: _Benches, primary_region: str, proof: KeyProof
) -> Judgement:
    if proof.failed:
        return _failed(proof.failed)
    evidence = _evidence(proof)
    keks = context.replication.keks(context.region)
    try:
        _, proof_key = keks.proof_key(KEKDirection.FROM, primary_region, proof.kek_id)
        with proof_key:
            if not is_sealed(proof_key, evidence, proof.seal):
                return _failed(f"the proof was not made in {primary_region}, or changed since")
        record = _replica(context, primary_region, proof)
    except UnknownReplicationKEKError:
        return _failed(f"the proof is sealed with a KEK {context.region} does not know")
    except KeyferryError as error:
        return _failed(f"cannot be used in {context.region}: {refusal(error)}")
    if record is None:
        return _failed(f"is no replica of {primary_region} in {context.region}")
    return await check_evidence(benches.of(proof.account), record, evidence)


def _evidence(proof: KeyProof) -> Evidence:
    return Evidence(
        account=proof.account,
        key_id=proof.key_id,
        usage=proof.usage,
        algorithm=proof.algorithm,
        method=proof.method,
        operation=proof.operation,
        reason=proof.reason,
        values=tuple(proof.values),
    )


def _replica(context: AdminContext, primary_region: str, proof: KeyProof) -> KeyRecord | None:
    part = context.store.multi_region(proof.account, proof.key_id)
    if part is None or part.part is not RegionPart.REPLICA or part.primary_region != primary_region:
        return None
    return context.store.key(proof.account, proof.key_id)


def _usage(context: AdminContext, name: KeyName) -> str:
    try:
        record = context.store.key(name.account, name.key_id)
    except KeyferryError:
        return ""
    return "" if record is None else record.attributes.key_usage.code


def _failed(reason: str) -> Judgement:
    return Judgement(verdict=Verdict.FAILED, operation="", reason=reason)

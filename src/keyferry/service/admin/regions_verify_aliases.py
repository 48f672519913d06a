"""
Comparing a Region's aliases with those of a peer they follow to: `KeyferryAdmin.VerifyAliases`,
and `RepairAliases`, which sends them again.

Whoever asks goes from page to page, as for keys.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import msgspec

from keyferry.errors import StoreIntegrityError
from keyferry.service.admin.context import AdminContext
from keyferry.service.admin.region_pairs import find_link, sender_of
from keyferry.service.errors import InvalidRequestError
from keyferry.service.operation import ADMIN
from keyferry.service.replication import messages as m
from keyferry.service.replication.aliases.state import enqueue_alias, own_alias
from keyferry.service.replication.aliases.verification import AliasVerifier
from keyferry.service.replication.state import Sender
from keyferry.service.store.inspection_records import AliasName
from keyferry.service.store.interface import Transaction

MAX_REPAIRED = 100

_Region = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Alias(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """An alias of an account, and a place in the order of all."""

    account: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{12}$")]
    alias_name: Annotated[str, msgspec.Meta(max_length=256, pattern=r"^alias/[a-zA-Z0-9/_-]+\Z")]


class VerifyAliasesInput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """The next page behind `After`, or the aliases of `Aliases`."""

    peer: _Region
    after: Alias | None = None
    aliases: Annotated[list[Alias], msgspec.Meta(max_length=m.MAX_DESCRIBED)] | None = None
    max_results: Annotated[int, msgspec.Meta(ge=1, le=m.MAX_DESCRIBED)] = m.MAX_DESCRIBED


class AliasDriftItem(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """One difference, with what either Region says."""

    account: str
    alias_name: str
    alias_arn: str  # in the Region that was asked
    kind: str
    primary: str
    replica: str


class VerifyAliasesOutput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """
    What differs, and what cannot be told yet. `Next` is where the next page begins.

    Where aliases do not `Follow` nothing is compared: Regions have their own.
    """

    follow: bool
    compared: int = 0
    drift: list[AliasDriftItem] = msgspec.field(default_factory=list)
    pending: list[Alias] = msgspec.field(default_factory=list)
    next: Alias | None = None


class RepairAliasesInput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """Send these aliases again."""

    peer: _Region
    aliases: Annotated[list[Alias], msgspec.Meta(min_length=1, max_length=MAX_REPAIRED)]


class AliasRepairItem(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """What was done about an alias, or why nothing was."""

    account: str
    alias_name: str
    alias_arn: str
    done: bool
    message: str


class RepairAliasesOutput(msgspec.Struct, kw_only=True, frozen=True, rename="pascal"):
    """In the order of the aliases."""

    repairs: list[AliasRepairItem]


@ADMIN.operation("VerifyAliases", read_only=True)
async def verify_aliases(context: AdminContext, request: VerifyAliasesInput) -> VerifyAliasesOutput:
    """Compare some aliases of all accounts with what has their names in the peer."""
    link = find_link(context, request.peer)
    if request.aliases is not None and request.after is not None:
        raise InvalidRequestError("After and Aliases exclude each other")
    if request.peer not in context.peers.aliases:
        return VerifyAliasesOutput(follow=False)
    verifier = AliasVerifier(
        region=context.region,
        peer=request.peer,
        store=context.store,
        transport=link.transport,
        offload=context.offload,
    )
    if request.aliases is not None:
        found = await verifier.aliases([_name(alias) for alias in request.aliases])
    else:
        after = None if request.after is None else _name(request.after)
        found = await verifier.page(after, limit=request.max_results)
    return VerifyAliasesOutput(
        follow=True,
        compared=found.compared,
        drift=[
            AliasDriftItem(
                account=drift.name.account,
                alias_name=drift.name.name,
                alias_arn=_arn(context, drift.name),
                kind=drift.kind.value,
                primary=drift.primary,
                replica=drift.replica,
            )
            for drift in found.drift
        ],
        pending=[_alias(name) for name in found.pending],
        next=None if found.last is None else _alias(found.last),
    )


@ADMIN.operation("RepairAliases")
async def repair_aliases(context: AdminContext, request: RepairAliasesInput) -> RepairAliasesOutput:
    """Bring the peer's aliases to what this Region's are now."""
    find_link(context, request.peer)
    if request.peer not in context.peers.aliases:
        raise InvalidRequestError(
            f"aliases of {context.region} do not follow their keys to {request.peer}"
        )
    repairs = []
    for alias in request.aliases:
        name = _name(alias)
        done = await context.write(
            partial(_send_again, name=name, peer=request.peer, sender=sender_of(context))
        )
        message = f"sent again to {request.peer}" if done else _unreadable(context.region)
        repairs.append(
            AliasRepairItem(
                account=name.account,
                alias_name=name.name,
                alias_arn=_arn(context, name),
                done=done,
                message=message,
            )
        )
    return RepairAliasesOutput(repairs=repairs)


def _send_again(tx: Transaction, name: AliasName, peer: str, sender: Sender) -> bool:
    """Enqueue an alias as it is, or is no more; False if that cannot be read."""
    try:
        own_alias(tx, name.account, name.name)
        enqueue_alias(tx, name.account, name.name, peer, sender=sender)
    except StoreIntegrityError:
        return False
    return True


def _unreadable(region: str) -> str:
    return f"the alias in {region} cannot be read; restore the store of {region} from a backup"


def _arn(context: AdminContext, name: AliasName) -> str:
    return f"arn:aws:payment-cryptography:{context.region}:{name.account}:{name.name}"


def _name(alias: Alias) -> AliasName:
    return AliasName(alias.account, alias.alias_name)


def _alias(name: AliasName) -> Alias:
    return Alias(account=name.account, alias_name=name.name)

"""CreateAlias, GetAlias, UpdateAlias, DeleteAlias, ListAliases."""

from __future__ import annotations

from dataclasses import replace

from keyferry.service.context import Context
from keyferry.service.control.identifiers import find_key
from keyferry.service.control.pages import decode_token, encode_token, page_size
from keyferry.service.control.replication_regions import sender_of
from keyferry.service.control.states import require_state
from keyferry.service.errors import ConflictError, QuotaExceededError, ResourceNotFoundError
from keyferry.service.operation import CONTROL
from keyferry.service.replication.aliases.state import follow_alias
from keyferry.service.store.interface import StoreView, Transaction
from keyferry.service.store.records import AliasRecord, KeyState
from keyferry.service.wire import control_types as t


def _answer(context: Context, alias: AliasRecord) -> t.Alias:
    """Show an alias; one without a target has no KeyArn, which clients test for."""
    arn = None if alias.key_id is None else context.key_arn(alias.key_id, alias.account)
    return t.Alias(alias_name=alias.name, key_arn=arn)


def _existing(view: StoreView, context: Context, name: str) -> AliasRecord:
    alias = view.alias(context.account, name)
    if alias is None:
        raise ResourceNotFoundError(name)
    return alias


def _target(context: Context, view: StoreView, key_arn: str | None, *, action: str) -> str | None:
    """The id of the key an alias is to point to: of this account and Region, CREATE_COMPLETE."""
    if key_arn is None:
        return None
    record = find_key(context, key_arn, action=action, view=view)
    require_state(context, record, KeyState.CREATE_COMPLETE)
    return record.key_id


@CONTROL.operation("CreateAlias")
async def create_alias(context: Context, request: t.CreateAliasInput) -> t.CreateAliasOutput:
    """Make an alias, with or without a target. An existing name is a conflict, always."""

    def change(tx: Transaction) -> t.CreateAliasOutput:
        key_id = _target(context, tx, request.key_arn, action="CreateAlias")
        if tx.alias(context.account, request.alias_name) is not None:
            raise ConflictError(f"{request.alias_name} exists already")
        limit = context.limits.aliases
        if limit is not None and tx.count_aliases(context.account) >= limit:
            raise QuotaExceededError(f"the account has {limit} aliases in this Region already")
        alias = AliasRecord(account=context.account, name=request.alias_name, key_id=key_id)
        tx.insert_alias(alias)
        follow_alias(tx, alias.account, alias.name, sender=sender_of(context))
        return t.CreateAliasOutput(alias=_answer(context, alias))

    return await context.write(change)


@CONTROL.operation("GetAlias", read_only=True)
async def get_alias(context: Context, request: t.GetAliasInput) -> t.GetAliasOutput:
    """Show an alias."""
    alias = _existing(context.store, context, request.alias_name)
    return t.GetAliasOutput(alias=_answer(context, alias))


@CONTROL.operation("UpdateAlias")
async def update_alias(context: Context, request: t.UpdateAliasInput) -> t.UpdateAliasOutput:
    """Point an alias to another key, or to none without KeyArn."""

    def change(tx: Transaction) -> t.UpdateAliasOutput:
        alias = _existing(tx, context, request.alias_name)
        key_id = _target(context, tx, request.key_arn, action="UpdateAlias")
        updated = replace(alias, key_id=key_id, revision=alias.revision + 1)
        tx.update_alias(updated, replacing=alias.revision)
        follow_alias(tx, alias.account, alias.name, sender=sender_of(context))
        return t.UpdateAliasOutput(alias=_answer(context, updated))

    return await context.write(change)


@CONTROL.operation("DeleteAlias")
async def delete_alias(context: Context, request: t.DeleteAliasInput) -> t.DeleteAliasOutput:
    """Remove an alias; its key is not touched, in whatever state it is."""

    def change(tx: Transaction) -> t.DeleteAliasOutput:
        alias = _existing(tx, context, request.alias_name)
        tx.delete_alias(alias.account, alias.name)
        follow_alias(tx, alias.account, alias.name, sender=sender_of(context))
        return t.DeleteAliasOutput()

    return await context.write(change)


@CONTROL.operation("ListAliases", read_only=True)
async def list_aliases(context: Context, request: t.ListAliasesInput) -> t.ListAliasesOutput:
    """List aliases by name, all or those of one key."""
    key_id = None
    if request.key_arn is not None:
        key_id = find_key(context, request.key_arn, action="ListAliases").key_id
    filters = {"key": key_id}
    after = decode_token(context, "ListAliases", filters, request.next_token, first="")
    size = page_size(request.max_results)
    found = context.store.aliases(context.account, key_id=key_id, after=after, limit=size + 1)
    token = None
    if len(found) > size:
        token = encode_token(context, "ListAliases", filters, found[size - 1].name)
    return t.ListAliasesOutput(
        aliases=[_answer(context, alias) for alias in found[:size]], next_token=token
    )

"""TagResource, UntagResource, ListTagsForResource."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from keyferry.service.context import Context
from keyferry.service.control.identifiers import find_key, same_key
from keyferry.service.control.pages import decode_token, encode_token, page_size
from keyferry.service.control.replication_regions import sender_of
from keyferry.service.errors import InvalidRequestError, QuotaExceededError
from keyferry.service.operation import CONTROL
from keyferry.service.replication.state import follow_tags
from keyferry.service.store.interface import Transaction
from keyferry.service.store.records import KeyState
from keyferry.service.wire import control_types as t

MAXIMUM_TAGS = 200


def check_tags(tags: Sequence[t.Tag] | None) -> list[tuple[str, str]]:
    """
    Return tags as pairs of key and value.

    Raises:
        InvalidRequestError: a tag key twice, or in the reserved `aws:` name space; a NUL.
    """
    pairs = [(tag.key, tag.value) for tag in tags or ()]
    _refuse_nul(text for pair in pairs for text in pair)
    keys = [key for key, _ in pairs]
    if any(key.lower().startswith("aws:") for key in keys):
        raise InvalidRequestError("Tags: the prefix aws: is reserved")
    if len(set(keys)) != len(keys):
        raise InvalidRequestError("Tags: a tag key stands more than once")
    return pairs


def _refuse_nul(texts: Iterable[str]) -> None:
    """The one character PostgreSQL cannot keep is in no tag, whatever the store."""
    if any("\0" in text for text in texts):
        raise InvalidRequestError("Tags: the character U+0000 is not allowed")


@CONTROL.operation("TagResource")
async def tag_resource(context: Context, request: t.TagResourceInput) -> t.TagResourceOutput:
    """Add tags, or replace those of the same key; any state but DELETE_COMPLETE."""
    record = find_key(context, request.resource_arn, action="TagResource")
    pairs = check_tags(request.tags)

    def change(tx: Transaction) -> t.TagResourceOutput:
        current = same_key(tx, record, identifier=request.resource_arn)
        if current.state is KeyState.DELETE_COMPLETE:
            raise InvalidRequestError(f"Key {request.resource_arn} is in DELETE_COMPLETE state.")
        kept = dict(tx.tags(current.account, current.key_id))
        wanted = kept | dict(pairs)
        if len(wanted) > MAXIMUM_TAGS:
            raise QuotaExceededError(f"a key has at most {MAXIMUM_TAGS} tags")
        tx.put_tags(current.account, current.key_id, pairs)
        if wanted != kept:
            follow_tags(tx, current, sender=sender_of(context))
        return t.TagResourceOutput()

    return await context.write(change)


@CONTROL.operation("UntagResource")
async def untag_resource(context: Context, request: t.UntagResourceInput) -> t.UntagResourceOutput:
    """Remove tags by key; keys that are not there are passed over."""
    record = find_key(context, request.resource_arn, action="UntagResource")
    _refuse_nul(request.tag_keys)

    def change(tx: Transaction) -> t.UntagResourceOutput:
        current = same_key(tx, record, identifier=request.resource_arn)
        kept = dict(tx.tags(current.account, current.key_id))
        tx.remove_tags(current.account, current.key_id, request.tag_keys)
        if not kept.keys().isdisjoint(request.tag_keys):
            follow_tags(tx, current, sender=sender_of(context))
        return t.UntagResourceOutput()

    return await context.write(change)


@CONTROL.operation("ListTagsForResource", read_only=True)
async def list_tags_for_resource(
    context: Context, request: t.ListTagsForResourceInput
) -> t.ListTagsForResourceOutput:
    """List the tags of a key by tag key."""
    record = find_key(context, request.resource_arn, action="ListTagsForResource")
    filters: dict[str, str | None] = {"key": record.key_id}
    operation = "ListTagsForResource"
    after = decode_token(context, operation, filters, request.next_token, first="")
    size = page_size(request.max_results)
    found = context.store.tags(record.account, record.key_id, after=after, limit=size + 1)
    token = (
        encode_token(context, operation, filters, found[size - 1][0]) if len(found) > size else None
    )
    return t.ListTagsForResourceOutput(
        tags=[t.Tag(key=key, value=value) for key, value in found[:size]], next_token=token
    )

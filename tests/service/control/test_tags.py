"""Tags of keys."""

from __future__ import annotations

from typing import Any

import pytest

from keyferry.service.errors import (
    InvalidRequestError,
    QuotaExceededError,
    ResourceNotFoundError,
)

UNKNOWN = "arn:aws:payment-cryptography:us-east-1:111122223333:key/aaaaaaaaaaaaaaaa"


def tags(**pairs: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


async def test_tags_are_added_replaced_and_removed(service: Any) -> None:
    """Others stay untouched, unknown tag keys are passed over, the list is sorted."""
    arn = (await service.create("P0", "AES_128", "B", Tags=tags(b="1", c="2")))["KeyArn"]
    assert await service.call("TagResource", ResourceArn=arn, Tags=tags(a="3", b="4")) == {}
    listed = await service.call("ListTagsForResource", ResourceArn=arn)
    assert listed == {"Tags": tags(a="3", b="4", c="2")}
    removed = await service.call("UntagResource", ResourceArn=arn, TagKeys=["b", "zzz"])
    assert removed == {}
    listed = await service.call("ListTagsForResource", ResourceArn=arn)
    assert listed == {"Tags": tags(a="3", c="2")}


async def test_tag_keys_are_case_sensitive(service: Any) -> None:
    """a and A are two tags."""
    arn = (await service.create("P0", "AES_128", "B", Tags=tags(a="1", A="2")))["KeyArn"]
    listed = await service.call("ListTagsForResource", ResourceArn=arn)
    assert listed == {"Tags": tags(A="2", a="1")}


async def test_a_list_of_tags_pages(service: Any) -> None:
    """Every tag once, in order."""
    pairs = {f"tag{number:02}": str(number) for number in range(7)}
    arn = (await service.create("P0", "AES_128", "B", Tags=tags(**pairs)))["KeyArn"]
    seen: list[dict[str, str]] = []
    token: dict[str, str] = {}
    while True:
        page = await service.call("ListTagsForResource", ResourceArn=arn, MaxResults=3, **token)
        seen += page["Tags"]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert seen == tags(**pairs)


async def test_a_key_has_at_most_200_tags(service: Any) -> None:
    """Replacing counts as one; the one too many changes nothing."""
    pairs = {f"tag{number:03}": "x" for number in range(200)}
    arn = (await service.create("P0", "AES_128", "B", Tags=tags(**pairs)))["KeyArn"]
    await service.call("TagResource", ResourceArn=arn, Tags=tags(tag000="y"))
    with pytest.raises(QuotaExceededError):
        await service.call("TagResource", ResourceArn=arn, Tags=tags(tag001="y", new="y"))
    page = await service.call("ListTagsForResource", ResourceArn=arn, MaxResults=2)
    assert page["Tags"] == tags(tag000="y", tag001="x")


async def test_pending_keys_can_be_tagged(service: Any) -> None:
    """Tags may change in every state but DELETE_COMPLETE."""
    arn = (await service.create("P0", "AES_128", "B"))["KeyArn"]
    await service.call("DeleteKey", KeyIdentifier=arn)
    await service.call("TagResource", ResourceArn=arn, Tags=tags(a="1"))
    assert (await service.call("ListTagsForResource", ResourceArn=arn))["Tags"] == tags(a="1")


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("TagResource", {"Tags": tags(a="1")}),
        ("UntagResource", {"TagKeys": ["a"]}),
        ("ListTagsForResource", {}),
    ],
)
async def test_unknown_keys_have_no_tags(
    service: Any, operation: str, members: dict[str, Any]
) -> None:
    """Not found, for each of the three; and an alias is not an ARN."""
    with pytest.raises(ResourceNotFoundError):
        await service.call(operation, ResourceArn=UNKNOWN, **members)
    with pytest.raises(InvalidRequestError, match="resourceArn"):
        await service.call(operation, ResourceArn="alias/a", **members)


async def test_reserved_tags_are_refused(service: Any) -> None:
    """The prefix aws: belongs to the service; nothing of the request is stored."""
    arn = (await service.create("P0", "AES_128", "B"))["KeyArn"]
    refused = [*tags(a="1"), {"Key": "aws:b", "Value": "2"}]
    with pytest.raises(InvalidRequestError, match="aws:"):
        await service.call("TagResource", ResourceArn=arn, Tags=refused)
    assert (await service.call("ListTagsForResource", ResourceArn=arn))["Tags"] == []


@pytest.mark.parametrize("tag", [("a", "x\0y"), ("a\0b", "x")])
async def test_no_store_has_to_keep_a_nul(service: Any, tag: tuple[str, str]) -> None:
    """PostgreSQL cannot keep the character, so it is refused wherever a tag is named."""
    pair = {"Key": tag[0], "Value": tag[1]}
    arn = (await service.create("P0", "AES_128", "B", Tags=tags(a="1")))["KeyArn"]
    with pytest.raises(InvalidRequestError, match=r"U\+0000"):
        await service.create("P0", "AES_128", "B", Tags=[pair])
    with pytest.raises(InvalidRequestError, match=r"U\+0000"):
        await service.call("TagResource", ResourceArn=arn, Tags=[pair])
    with pytest.raises(InvalidRequestError, match=r"U\+0000"):
        await service.call("UntagResource", ResourceArn=arn, TagKeys=["a\0b"])
    assert await service.call("ListTagsForResource", ResourceArn=arn) == {"Tags": tags(a="1")}

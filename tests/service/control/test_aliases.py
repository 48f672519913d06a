"""Aliases: with and without a target, and what happens to them."""

from __future__ import annotations

from typing import Any

import pytest

from keyferry.service.context import Limits
from keyferry.service.errors import (
    AccessDeniedError,
    ConflictError,
    InvalidRequestError,
    QuotaExceededError,
    ResourceNotFoundError,
)

UNKNOWN = "arn:aws:payment-cryptography:us-east-1:111122223333:key/aaaaaaaaaaaaaaaa"
FOREIGN = "arn:aws:payment-cryptography:us-east-1:444455556666:key/aaaaaaaaaaaaaaaa"


async def test_an_alias_lives_without_a_target(service: Any) -> None:
    """KeyArn is left out, which clients test for."""
    created = await service.call("CreateAlias", AliasName="alias/free")
    assert created == {"Alias": {"AliasName": "alias/free"}}
    assert await service.call("GetAlias", AliasName="alias/free") == created


async def test_an_alias_moves_and_detaches(service: Any) -> None:
    """UpdateAlias with a key retargets, without one detaches."""
    one = (await service.create("P0", "AES_128", "B"))["KeyArn"]
    two = (await service.create("P0", "AES_128", "B"))["KeyArn"]
    await service.call("CreateAlias", AliasName="alias/a", KeyArn=one)
    moved = await service.call("UpdateAlias", AliasName="alias/a", KeyArn=two)
    assert moved["Alias"] == {"AliasName": "alias/a", "KeyArn": two}
    assert (await service.call("GetKey", KeyIdentifier="alias/a"))["Key"]["KeyArn"] == two
    detached = await service.call("UpdateAlias", AliasName="alias/a")
    assert detached["Alias"] == {"AliasName": "alias/a"}
    with pytest.raises(ResourceNotFoundError):
        await service.call("GetKey", KeyIdentifier="alias/a")


async def test_a_taken_name_is_a_conflict_even_for_the_same_key(service: Any) -> None:
    """CreateAlias is documented as not idempotent."""
    arn = (await service.create("P0", "AES_128", "B"))["KeyArn"]
    await service.call("CreateAlias", AliasName="alias/a", KeyArn=arn)
    with pytest.raises(ConflictError):
        await service.call("CreateAlias", AliasName="alias/a", KeyArn=arn)


async def test_names_are_case_sensitive(service: Any) -> None:
    """alias/a and alias/A are two aliases."""
    await service.call("CreateAlias", AliasName="alias/a")
    await service.call("CreateAlias", AliasName="alias/A")
    page = await service.call("ListAliases")
    assert [alias["AliasName"] for alias in page["Aliases"]] == ["alias/A", "alias/a"]


@pytest.mark.parametrize(
    ("key_arn", "error"), [(UNKNOWN, ResourceNotFoundError), (FOREIGN, AccessDeniedError)]
)
async def test_targets_are_keys_of_this_account(
    service: Any, key_arn: str, error: type[Exception]
) -> None:
    """An alias never points at what is not there or not ours."""
    await service.call("CreateAlias", AliasName="alias/b")
    for operation, name in (("CreateAlias", "alias/a"), ("UpdateAlias", "alias/b")):
        with pytest.raises(error):
            await service.call(operation, AliasName=name, KeyArn=key_arn)
    with pytest.raises(error):
        await service.call("ListAliases", KeyArn=key_arn)
    with pytest.raises(ResourceNotFoundError):
        await service.call("GetAlias", AliasName="alias/a")


async def test_pending_keys_get_no_new_alias_but_keep_theirs(service: Any) -> None:
    """During the waiting period an alias stays, and names the pending key."""
    arn = (await service.create("P0", "AES_128", "B"))["KeyArn"]
    await service.call("CreateAlias", AliasName="alias/old", KeyArn=arn)
    await service.call("DeleteKey", KeyIdentifier=arn)
    with pytest.raises(InvalidRequestError, match=r"not in CREATE_COMPLETE state\.$"):
        await service.call("CreateAlias", AliasName="alias/new", KeyArn=arn)
    assert (await service.call("GetKey", KeyIdentifier="alias/old"))["Key"]["KeyArn"] == arn


@pytest.mark.parametrize("operation", ["GetAlias", "UpdateAlias", "DeleteAlias"])
async def test_unknown_aliases_are_not_found(service: Any, operation: str) -> None:
    """The branch every client uses to decide to create one."""
    with pytest.raises(ResourceNotFoundError) as refusal:
        await service.call(operation, AliasName="alias/none")
    assert refusal.value.resource_id == "alias/none"


async def test_a_deleted_alias_is_gone_and_its_key_is_not(service: Any) -> None:
    """The answer is empty, the name is free again."""
    arn = (await service.create("P0", "AES_128", "B"))["KeyArn"]
    await service.call("CreateAlias", AliasName="alias/a", KeyArn=arn)
    assert await service.call("DeleteAlias", AliasName="alias/a") == {}
    await service.call("GetKey", KeyIdentifier=arn)
    await service.call("CreateAlias", AliasName="alias/a")


async def test_lists_page_by_name_and_filter_by_key(service: Any) -> None:
    """Unassigned aliases are listed too; the filter names one key."""
    arn = (await service.create("P0", "AES_128", "B"))["KeyArn"]
    names = [f"alias/{letter}" for letter in "edcba"]
    for index, name in enumerate(names):
        target = {"KeyArn": arn} if index % 2 else {}
        await service.call("CreateAlias", AliasName=name, **target)

    async def walk(**filters: str) -> list[str]:
        seen: list[str] = []
        token: dict[str, str] = {}
        while True:
            page = await service.call("ListAliases", MaxResults=2, **filters, **token)
            seen += [alias["AliasName"] for alias in page["Aliases"]]
            if "NextToken" not in page:
                return seen
            token = {"NextToken": page["NextToken"]}

    assert await walk() == sorted(names)
    assert await walk(KeyArn=arn) == ["alias/b", "alias/d"]


async def test_the_quota_of_aliases(tools: Any) -> None:
    """A taken name is told before a full account."""
    service = tools.service(limits=Limits(aliases=1))
    await service.call("CreateAlias", AliasName="alias/a")
    with pytest.raises(ConflictError):
        await service.call("CreateAlias", AliasName="alias/a")
    with pytest.raises(QuotaExceededError):
        await service.call("CreateAlias", AliasName="alias/b")
    await service.call("DeleteAlias", AliasName="alias/a")
    await service.call("CreateAlias", AliasName="alias/b")
    service.store.close()


@pytest.mark.parametrize("name", ["alias/", "pin", "alias/a b", "alias/a:b", "alias/" + "a" * 251])
async def test_names_have_a_shape(service: Any, name: str) -> None:
    """Refused by pattern or length before anything else."""
    with pytest.raises(InvalidRequestError):
        await service.call("CreateAlias", AliasName=name)

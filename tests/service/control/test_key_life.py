"""A key's life: get, list, stop, start, delete, restore, and its end."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from keyferry.service.control.destruction import destroy_due_keys
from keyferry.service.errors import (
    AccessDeniedError,
    InvalidRequestError,
    ResourceNotFoundError,
)


async def test_a_key_answers_by_all_its_names(service: Any) -> None:
    """ARN, alias and alias ARN name the same key; the answer always has the key ARN."""
    key = await service.create("P0", "AES_128", "B")
    await service.call("CreateAlias", AliasName="alias/pin", KeyArn=key["KeyArn"])
    for identifier in (
        key["KeyArn"],
        "alias/pin",
        "arn:aws:payment-cryptography:us-east-1:111122223333:alias/pin",
    ):
        assert (await service.call("GetKey", KeyIdentifier=identifier))["Key"] == key


@pytest.mark.parametrize(
    "identifier",
    [
        "arn:aws:payment-cryptography:us-east-1:111122223333:key/aaaaaaaaaaaaaaaa",
        "alias/unknown",
        "arn:aws:payment-cryptography:us-east-1:111122223333:alias/unknown",
        "alias/free",
    ],
)
async def test_unknown_keys_are_not_found(service: Any, identifier: str) -> None:
    """The refusal carries the identifier as the caller sent it; an alias without target too."""
    await service.call("CreateAlias", AliasName="alias/free")
    with pytest.raises(ResourceNotFoundError) as refusal:
        await service.call("GetKey", KeyIdentifier=identifier)
    assert refusal.value.resource_id == identifier


async def test_another_region_has_other_keys(service: Any) -> None:
    """An ARN of another Region is not found here, even if the id exists here."""
    key = await service.create("P0", "AES_128", "B")
    elsewhere = key["KeyArn"].replace("us-east-1", "us-west-2")
    with pytest.raises(ResourceNotFoundError):
        await service.call("GetKey", KeyIdentifier=elsewhere)


@pytest.mark.parametrize("resource", ["key/aaaaaaaaaaaaaaaa", "alias/x"])
async def test_other_accounts_are_denied_without_telling_what_exists(
    service: Any, tools: Any, resource: str
) -> None:
    """A foreign ARN is denied whether or not the key exists there, naming action and resource."""
    other = tools.service(account="444455556666", store=service.store)
    existing = (await other.create("P0", "AES_128", "B"))["KeyArn"]
    unknown = f"arn:aws:payment-cryptography:us-east-1:444455556666:{resource}"
    texts = []
    for identifier in (existing, unknown):
        with pytest.raises(AccessDeniedError) as refusal:
            await service.call("GetKey", KeyIdentifier=identifier)
        texts.append(str(refusal.value).replace(identifier, "ARN"))
    assert texts[0] == texts[1]
    assert texts[0].startswith(
        "User: arn:aws:iam::111122223333:user/tester is not authorized to perform:"
        " payment-cryptography:GetKey on resource: ARN because"
    )


async def test_lists_go_in_creation_order_and_page(service: Any) -> None:
    """Every key appears once whatever the page size, and keys made meanwhile do not disturb."""
    arns = [(await service.create("P0", "AES_128", "B"))["KeyArn"] for _ in range(7)]
    for size in (1, 2, 3, 7, 100):
        seen: list[str] = []
        token: dict[str, str] = {}
        while True:
            page = await service.call("ListKeys", MaxResults=size, **token)
            assert len(page["Keys"]) <= size
            seen += [summary["KeyArn"] for summary in page["Keys"]]
            if "NextToken" not in page:
                break
            token = {"NextToken": page["NextToken"]}
        assert seen == arns
    first = await service.call("ListKeys", MaxResults=3)
    arns.append((await service.create("P0", "AES_128", "B"))["KeyArn"])
    rest = await service.call("ListKeys", NextToken=first["NextToken"])
    assert [key["KeyArn"] for key in first["Keys"] + rest["Keys"]] == arns


async def test_summaries_carry_the_check_value(service: Any) -> None:
    """Clients compare keys by the check values of a list."""
    key = await service.create("P0", "AES_128", "B")
    page = await service.call("ListKeys")
    members = ("KeyArn", "KeyState", "KeyAttributes", "KeyCheckValue", "Exportable", "Enabled")
    assert page == {"Keys": [{member: key[member] for member in members}]}


async def test_lists_filter_by_state(service: Any) -> None:
    """Without a filter all states are listed."""
    kept = await service.create("P0", "AES_128", "B")
    gone = await service.create("P0", "AES_128", "B")
    await service.call("DeleteKey", KeyIdentifier=gone["KeyArn"])

    async def listed(**filters: str) -> list[str]:
        page = await service.call("ListKeys", **filters)
        return [key["KeyArn"] for key in page["Keys"]]

    assert await listed() == [kept["KeyArn"], gone["KeyArn"]]
    assert await listed(KeyState="CREATE_COMPLETE") == [kept["KeyArn"]]
    assert await listed(KeyState="DELETE_PENDING") == [gone["KeyArn"]]
    assert await listed(KeyState="DELETE_COMPLETE") == []


async def test_a_token_works_only_where_it_was_made(service: Any, tools: Any) -> None:
    """Another filter, list, account, a changed or an invented token: all refused alike."""
    for _ in range(3):
        await service.create("P0", "AES_128", "B")
        other_alias = f"alias/{_}"
        await service.call("CreateAlias", AliasName=other_alias)
    token = (await service.call("ListKeys", MaxResults=1))["NextToken"]
    alias_token = (await service.call("ListAliases", MaxResults=1))["NextToken"]
    other = tools.service(account="444455556666", store=service.store)
    flipped = ("B" if token[9] != "B" else "C").join((token[:9], token[10:]))
    attempts = [
        (service, "ListKeys", {"NextToken": token, "KeyState": "CREATE_COMPLETE"}),
        (service, "ListAliases", {"NextToken": token}),
        (service, "ListKeys", {"NextToken": alias_token}),
        (other, "ListKeys", {"NextToken": token}),
        (service, "ListKeys", {"NextToken": flipped}),
        (service, "ListKeys", {"NextToken": token[:-8]}),
        (service, "ListKeys", {"NextToken": token.replace(".", "")}),
        (service, "ListKeys", {"NextToken": "é"}),
        (service, "ListKeys", {"NextToken": "AAAA.AAAA"}),
        (service, "ListKeys", {"NextToken": "1"}),
    ]
    for caller, operation, members in attempts:
        with pytest.raises(InvalidRequestError, match="NextToken"):
            await caller.call(operation, **members)


async def test_stop_and_start_swap_the_timestamps(service: Any) -> None:
    """Each shows one of the two; asked twice, nothing changes."""
    key = await service.create("P0", "AES_128", "B")
    arn = key["KeyArn"]
    service.now += timedelta(minutes=1)
    stopped = (await service.call("StopKeyUsage", KeyIdentifier=arn))["Key"]
    assert (stopped["Enabled"], stopped["UsageStopTimestamp"]) == (False, service.now.timestamp())
    assert "UsageStartTimestamp" not in stopped
    service.now += timedelta(minutes=1)
    assert (await service.call("StopKeyUsage", KeyIdentifier=arn))["Key"] == stopped
    started = (await service.call("StartKeyUsage", KeyIdentifier=arn))["Key"]
    assert (started["Enabled"], started["UsageStartTimestamp"]) == (True, service.now.timestamp())
    assert "UsageStopTimestamp" not in started
    service.now += timedelta(minutes=1)
    assert (await service.call("StartKeyUsage", KeyIdentifier=arn))["Key"] == started


@pytest.mark.parametrize(("days", "expected"), [({}, 7), ({"DeleteKeyInDays": 3}, 3)])
async def test_deletion_waits(service: Any, days: dict[str, int], expected: int) -> None:
    """A deleted key is disabled, keeps its check value and says when it will be destroyed."""
    key = await service.create("P0", "AES_128", "B")
    service.now += timedelta(hours=1)
    deleted = (await service.call("DeleteKey", KeyIdentifier=key["KeyArn"], **days))["Key"]
    assert deleted["KeyState"] == "DELETE_PENDING"
    assert deleted["Enabled"] is False
    assert deleted["KeyCheckValue"] == key["KeyCheckValue"]
    assert deleted["UsageStopTimestamp"] == service.now.timestamp()
    assert deleted["DeletePendingTimestamp"] == service.now.timestamp() + expected * 86_400
    assert "DeleteTimestamp" not in deleted
    assert (await service.call("GetKey", KeyIdentifier=key["KeyArn"]))["Key"] == deleted


async def test_deletion_keeps_an_earlier_stop(service: Any) -> None:
    """The date at which a key was stopped survives its deletion and restoration."""
    arn = (await service.create("P0", "AES_128", "B"))["KeyArn"]
    stopped = (await service.call("StopKeyUsage", KeyIdentifier=arn))["Key"]
    service.now += timedelta(hours=1)
    deleted = (await service.call("DeleteKey", KeyIdentifier=arn))["Key"]
    assert deleted["UsageStopTimestamp"] == stopped["UsageStopTimestamp"]


async def test_a_second_deletion_has_the_text_clients_match(service: Any) -> None:
    """Two published clients look for the end of this sentence, full stop included."""
    arn = (await service.create("P0", "AES_128", "B"))["KeyArn"]
    deleted = (await service.call("DeleteKey", KeyIdentifier=arn))["Key"]
    with pytest.raises(InvalidRequestError, match=r"not in CREATE_COMPLETE state\.$"):
        await service.call("DeleteKey", KeyIdentifier=arn, DeleteKeyInDays=3)
    assert (await service.call("GetKey", KeyIdentifier=arn))["Key"] == deleted


async def test_a_restored_key_stays_disabled(service: Any) -> None:
    """RestoreKey takes back the deletion, StartKeyUsage the stop."""
    key = await service.create("P0", "AES_128", "B")
    arn = key["KeyArn"]
    await service.call("DeleteKey", KeyIdentifier=arn)
    restored = (await service.call("RestoreKey", KeyIdentifier=arn))["Key"]
    assert restored["KeyState"] == "CREATE_COMPLETE"
    assert restored["Enabled"] is False
    assert "DeletePendingTimestamp" not in restored
    assert (await service.call("StartKeyUsage", KeyIdentifier=arn))["Key"] == key


@pytest.mark.parametrize("operation", ["StartKeyUsage", "StopKeyUsage", "DeleteKey"])
async def test_pending_keys_only_come_back(service: Any, operation: str) -> None:
    """Nothing but RestoreKey changes a key in its waiting period."""
    arn = (await service.create("P0", "AES_128", "B"))["KeyArn"]
    await service.call("DeleteKey", KeyIdentifier=arn)
    with pytest.raises(InvalidRequestError, match=r"not in CREATE_COMPLETE state\.$"):
        await service.call(operation, KeyIdentifier=arn)


async def test_only_pending_keys_are_restored(service: Any) -> None:
    """The text names the state that was needed."""
    arn = (await service.create("P0", "AES_128", "B"))["KeyArn"]
    with pytest.raises(InvalidRequestError, match=r"not in DELETE_PENDING state\.$"):
        await service.call("RestoreKey", KeyIdentifier=arn)


@pytest.mark.parametrize("days", [2, 181, 0, -1])
async def test_waiting_periods_have_limits(service: Any, days: int) -> None:
    """3 to 180 days; anything else changes nothing."""
    arn = (await service.create("P0", "AES_128", "B"))["KeyArn"]
    with pytest.raises(InvalidRequestError, match="deleteKeyInDays"):
        await service.call("DeleteKey", KeyIdentifier=arn, DeleteKeyInDays=days)
    assert (await service.call("GetKey", KeyIdentifier=arn))["Key"]["KeyState"] == (
        "CREATE_COMPLETE"
    )


async def test_due_keys_are_really_destroyed(service: Any) -> None:
    """Material and tags are gone, aliases point nowhere, a tombstone and an event remain."""
    key = await service.create("P0", "AES_128", "B", Tags=[{"Key": "a", "Value": "1"}])
    arn = key["KeyArn"]
    await service.call("CreateAlias", AliasName="alias/pin", KeyArn=arn)
    await service.call("DeleteKey", KeyIdentifier=arn, DeleteKeyInDays=3)
    due = service.now + timedelta(days=3)
    assert (
        await destroy_due_keys(
            service.store, region=service.region, now=due - timedelta(milliseconds=1)
        )
        == 0
    )
    assert (await service.call("GetAlias", AliasName="alias/pin"))["Alias"]["KeyArn"] == arn

    assert await destroy_due_keys(service.store, region=service.region, now=due) == 1
    tombstone = (await service.call("GetKey", KeyIdentifier=arn))["Key"]
    assert tombstone["KeyState"] == "DELETE_COMPLETE"
    assert tombstone["DeleteTimestamp"] == due.timestamp()
    assert "DeletePendingTimestamp" not in tombstone
    assert tombstone["KeyCheckValue"] == key["KeyCheckValue"]
    record = service.store.key(service.account, arn.rpartition("/")[2])
    assert record.sealed is None
    assert service.store.tags(service.account, record.key_id) == []
    alias = (await service.call("GetAlias", AliasName="alias/pin"))["Alias"]
    assert alias == {"AliasName": "alias/pin"}
    assert service.count() == 0

    events = [json.loads(event.body) for _, event in _events(service)]
    (event,) = [e for e in events if e["eventType"] == "AwsServiceEvent"]
    assert (event["eventName"], event["serviceEventDetails"]) == ("DeleteKey", {"keyArn": arn})
    assert await destroy_due_keys(service.store, region=service.region, now=due) == 0


def _events(service: Any) -> Any:
    return service.store.audit_events(service.account, limit=100)


@pytest.mark.parametrize("operation", ["DeleteKey", "RestoreKey", "StartKeyUsage", "StopKeyUsage"])
async def test_destroyed_keys_do_not_come_back(service: Any, operation: str) -> None:
    """A tombstone answers GetKey and nothing else."""
    arn = (await service.create("P0", "AES_128", "B"))["KeyArn"]
    await service.call("DeleteKey", KeyIdentifier=arn, DeleteKeyInDays=3)
    service.now += timedelta(days=3)
    await destroy_due_keys(service.store, region=service.region, now=service.now)
    with pytest.raises(InvalidRequestError, match=r"not in [A-Z_]+ state\.$"):
        await service.call(operation, KeyIdentifier=arn)
    with pytest.raises(InvalidRequestError, match="DELETE_COMPLETE"):
        await service.call("TagResource", ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}])


async def test_restored_keys_are_not_destroyed(service: Any) -> None:
    """The sweep looks at each key again inside its change."""
    kept = (await service.create("P0", "AES_128", "B"))["KeyArn"]
    await service.call("DeleteKey", KeyIdentifier=kept, DeleteKeyInDays=3)
    stale = service.store.keys_due_for_destruction(service.now + timedelta(days=3), limit=10)
    await service.call("RestoreKey", KeyIdentifier=kept)

    class Stale:
        """A store whose first look at what is due is out of date."""

        def __init__(self) -> None:
            self.write = service.store.write

        def keys_due_for_destruction(self, now: Any, *, limit: int) -> Any:
            return stale

    late = service.now + timedelta(days=3)
    assert await destroy_due_keys(Stale(), region="us-east-1", now=late) == 0  # type: ignore[arg-type]
    assert (await service.call("GetKey", KeyIdentifier=kept))["Key"]["KeyState"] == (
        "CREATE_COMPLETE"
    )


async def test_many_due_keys_are_destroyed_in_batches(
    service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep goes on until nothing is due, of any account."""
    monkeypatch.setattr("keyferry.service.control.destruction.BATCH", 4)
    for _ in range(10):
        arn = (await service.create("P0", "AES_128", "B"))["KeyArn"]
        await service.call("DeleteKey", KeyIdentifier=arn, DeleteKeyInDays=3)
    late = service.now + timedelta(days=4)
    assert await destroy_due_keys(service.store, region="us-east-1", now=late) == 10

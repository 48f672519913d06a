"""`keyferry regions verify` where tags follow their keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from keyferry.service.replication.following import Following

EAST, WEST, ACCOUNT = "us-east-1", "us-west-2", "111122223333"
TAGS = [{"Key": "owner", "Value": "issuing"}, {"Key": "stage", "Value": "test"}]
KEPT = {"owner": "issuing", "stage": "test"}


@pytest.fixture
def service(store_url: str, start: Callable[..., Any]) -> Any:
    """On either engine; tags of the east follow to the west."""
    return start(store_url, following=Following(tags=frozenset({(EAST, WEST)})))


def tags_of(service: Any, region: str, key_id: str) -> dict[str, str]:
    return dict(service.stores[region].tags(ACCOUNT, key_id))


def drift(outcome: Any) -> dict[str, str]:
    """Kind of the difference, by key id."""
    (pair,) = (pair for pair in outcome.document["pairs"] if pair["region"] == EAST)
    return {item["key_arn"].rpartition("/")[2]: item["kind"] for item in pair["drift"]}


def test_tags_are_compared_and_sent_again(service: Any) -> None:
    """Another value, one too few, one too many, one that was edited in the database."""
    keys = service.create(5, Tags=TAGS)
    whole, other, missing, surplus, edited = keys
    service.write(WEST, lambda tx: tx.put_tags(ACCOUNT, other, [("owner", "acquiring")]))
    service.write(WEST, lambda tx: tx.remove_tags(ACCOUNT, missing, ["stage"]))
    service.write(WEST, lambda tx: tx.put_tags(ACCOUNT, surplus, [("by", "hand")]))
    service.sql(
        WEST,
        "UPDATE tags SET tag_value = 'x' WHERE key_id = ? AND tag_key = 'stage'",
        edited,
    )
    outcome = service.cli("verify", "--output", "json")
    assert outcome.code == 1
    assert drift(outcome) == dict.fromkeys([other, missing, surplus, edited], "TAGS")
    shown = service.cli("verify", "--region", EAST).out
    assert "primary  tags owner, stage (SHA-256 " in shown
    assert "replica  tags by, owner, stage (SHA-256 " in shown
    assert "replica  a tag whose row does not verify" in shown
    assert "issuing" not in shown

    outcome = service.cli("verify", "--repair", "--output", "json")
    assert (outcome.code, drift(outcome)) == (0, {})
    for key_id in keys:
        assert tags_of(service, WEST, key_id) == KEPT
    assert tags_of(service, EAST, whole) == KEPT


def test_a_tag_of_a_primary_that_was_edited_is_left_to_a_person(service: Any) -> None:
    """Nobody knows what it was; the replica keeps its own."""
    (key_id,) = service.create(Tags=TAGS)
    service.sql(
        EAST,
        "UPDATE tags SET tag_value = 'x' WHERE key_id = ? AND tag_key = 'stage'",
        key_id,
    )
    outcome = service.cli("verify", "--output", "json")
    assert (outcome.code, drift(outcome)) == (1, {key_id: "PRIMARY_UNREADABLE"})
    assert tags_of(service, WEST, key_id) == KEPT


def test_tags_that_do_not_follow_are_nobodys_business(start: Callable[..., Any]) -> None:
    """Without the option, and in the direction it is not for, Regions have their own."""
    service = start(following=Following(tags=frozenset({(WEST, EAST)})))
    (key_id,) = service.create(Tags=TAGS)
    assert tags_of(service, WEST, key_id) == {}
    outcome = service.cli("verify", "--output", "json")
    assert (outcome.code, drift(outcome)) == (0, {})

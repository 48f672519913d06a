"""`keyferry regions replay`: what was given up, listed and tried again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

EAST, WEST, ACCOUNT = "us-east-1", "us-west-2", "111122223333"


def given_up(service: Any, count: int) -> list[str]:
    """Keys whose id somebody has in the west, so that they are refused there."""
    keys = service.create(count, ReplicationRegions=[])
    client = service.client(EAST)
    for key_id in keys:
        taken = replace(service.record(EAST, key_id), sealed=None)
        service.write(WEST, lambda tx, taken=taken: tx.insert_key(taken))
        client.add_key_replication_regions(
            KeyIdentifier=service.arn(key_id), ReplicationRegions=[WEST]
        )
        key = service.synchronized(service.arn(key_id))
        assert key["ReplicationStatus"][WEST]["Status"] == "FAILED"
    return keys


def make_room(service: Any, key_id: str) -> None:
    service.write(WEST, lambda tx: tx.erase_key(ACCOUNT, key_id))


def test_what_was_given_up_is_listed_and_tried_again(on_any_store: Any) -> None:
    """One by its id, the rest all together; what is refused again is given up again."""
    service = on_any_store
    first, second, third = given_up(service, 3)
    listed = service.cli("replay", "--list", "--output", "json")
    assert listed.code == 0
    letters = listed.document["dead_letters"]
    assert {letter["subject"] for letter in letters} == {first, second, third}
    assert {letter["message"] for letter in letters} == {
        "the key id is in use in us-west-2 by another key"
    }
    assert {(letter["region"], letter["peer"]) for letter in letters} == {(EAST, WEST)}

    make_room(service, first)
    outcome = service.cli("replay", "--key", service.arn(first), "--output", "json")
    assert (outcome.code, outcome.document["replayed"]) == (0, 1)
    assert service.synchronized(service.arn(first))["ReplicationStatus"] == {
        WEST: {"Status": "SYNCHRONIZED"}
    }
    assert service.cvv(first, WEST) == service.cvv(first, EAST)

    make_room(service, second)
    outcome = service.cli("replay", "--peer", WEST)
    assert outcome.code == 0
    assert outcome.out == "us-east-1 -> us-west-2  2 tried again\n2 tried again\n"
    service.synchronized(service.arn(second))
    left = service.cli("replay", "--list", "--key", third)
    assert third in left.out
    assert "in use in us-west-2" in left.out
    status = service.cli("status", "--region", EAST, "--output", "json").document["pairs"][0]
    assert (status["held"], status["given_up"][0]["count"]) == (1, 1)


def test_nothing_to_replay_is_said(service: Any) -> None:
    """An empty list is no error, and no silence either."""
    outcome = service.cli("replay", "--list")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "nothing was given up\n")
    assert service.cli("replay", "--key", "alias/none").out == "0 tried again\n"


def test_lists_go_on_from_page_to_page(service: Any, monkeypatch: Any) -> None:
    """Each row once, however small the pages are."""
    keys = given_up(service, 3)
    client_call = "keyferry.cli.admin_client.AdminClient.call"
    from keyferry.cli.admin_client import AdminClient

    original = AdminClient.call
    asked: list[Any] = []

    def small(self: Any, operation: str, parameters: Any) -> Any:
        if operation == "ListDeadLetters":
            asked.append(parameters["After"])
            parameters = {**parameters, "MaxResults": 1}
        return original(self, operation, parameters)

    monkeypatch.setattr(client_call, small)
    outcome = service.cli("replay", "--list", "--region", EAST, "--output", "json")
    assert [letter["subject"] for letter in outcome.document["dead_letters"]] == sorted(keys)
    assert len(asked) == 4

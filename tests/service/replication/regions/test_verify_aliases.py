"""`keyferry regions verify` where aliases follow their keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from keyferry.service.replication.following import Following
from keyferry.service.store.records import AliasRecord

EAST, WEST, ACCOUNT = "us-east-1", "us-west-2", "111122223333"

# Each makes one alias, which was brought, differ.
EDITS: dict[str, Callable[[Any, str, str], None]] = {}


def edit(kind: str) -> Callable[[Any], Any]:
    def register(function: Any) -> Any:
        EDITS[kind] = function
        return function

    return register


@edit("MISSING_ALIAS")
def lose(service: Any, name: str, other_key: str) -> None:
    service.write(WEST, lambda tx: tx.delete_alias(ACCOUNT, name))


@edit("ALIAS_TARGET")
def point_elsewhere(service: Any, name: str, other_key: str) -> None:
    alias = service.stores[WEST].alias(ACCOUNT, name)
    moved = replace(alias, key_id=other_key, revision=alias.revision + 1)
    service.write(WEST, lambda tx: tx.update_alias(moved, replacing=alias.revision))


@edit("ORPHANED_ALIAS")
def lose_the_first(service: Any, name: str, other_key: str) -> None:
    service.write(EAST, lambda tx: tx.delete_alias(ACCOUNT, name))


@edit("ALIAS_UNREADABLE")
def edit_row(service: Any, name: str, other_key: str) -> None:
    service.sql(WEST, "UPDATE aliases SET revision = 7 WHERE name = ?", name)


@pytest.fixture
def service(store_url: str, start: Callable[..., Any]) -> Any:
    """On either engine; aliases of the east follow to the west."""
    return start(store_url, following=Following(aliases=frozenset({(EAST, WEST)})))


def name_of(kind: str) -> str:
    return f"alias/{kind.lower()}"


def alias(service: Any, name: str, key_id: str) -> None:
    """Made in the east, and brought to the west."""
    service.client(EAST).create_alias(AliasName=name, KeyArn=service.arn(key_id))
    service.until(
        lambda: (
            service.stores[WEST].alias(ACCOUNT, name) is not None
            and service.stores[EAST].outbox(ACCOUNT, name, WEST) is None
        )
    )


def drift(outcome: Any) -> dict[str, str]:
    """Kind of the difference, by name."""
    (pair,) = (pair for pair in outcome.document["pairs"] if pair["region"] == EAST)
    return {item["alias_arn"].split(":", 5)[5]: item["kind"] for item in pair["drift"]}


def test_every_difference_is_found_and_repaired(service: Any) -> None:
    """Each named with its kind; repaired, the west has exactly what the east has."""
    key_id, other_key = service.create(2)
    alias(service, "alias/whole", key_id)
    for kind in EDITS:
        alias(service, name_of(kind), key_id)
    for kind, break_it in EDITS.items():
        break_it(service, name_of(kind), other_key)
    outcome = service.cli("verify", "--output", "json")
    assert outcome.code == 1
    assert drift(outcome) == {name_of(kind): kind for kind in EDITS}
    there, back = outcome.document["pairs"]
    assert (there["compared"], there["aliases_compared"]) == (2, len(EDITS) + 1)
    assert back["aliases_compared"] is None
    shown = service.cli("verify", "--region", EAST).out
    arn = f"arn:aws:payment-cryptography:{EAST}:{ACCOUNT}:{name_of('ALIAS_TARGET')}"
    assert f"  ALIAS_TARGET        {arn}\n" in shown
    assert f"    primary  points to {key_id}\n    replica  points to {other_key}\n" in shown

    outcome = service.cli("verify", "--repair", "--output", "json")
    assert (outcome.code, drift(outcome)) == (0, {})
    assert len(outcome.document["pairs"][0]["repairs"]) == len(EDITS)
    there = service.stores[WEST].aliases(ACCOUNT, limit=100)
    gone = name_of("ORPHANED_ALIAS")
    expected = {"alias/whole", *map(name_of, EDITS)} - {gone}
    assert {(one.name, one.key_id) for one in there} == {(name, key_id) for name in expected}


def test_a_name_that_is_somebody_elses_stays_a_difference(service: Any) -> None:
    """A user of the west took the alias over, or had one before: nothing is taken from them."""
    key_id, other_key = service.create(2)
    alias(service, "alias/taken", key_id)
    west = service.client(WEST)
    west.update_alias(AliasName="alias/taken", KeyArn=service.arn(other_key, WEST))
    west.create_alias(AliasName="alias/before", KeyArn=service.arn(other_key, WEST))
    service.client(EAST).create_alias(AliasName="alias/before", KeyArn=service.arn(key_id))
    service.until(
        lambda: (
            (row := service.stores[EAST].outbox(ACCOUNT, "alias/before", WEST)) is not None
            and row.held
        )
    )
    outcome = service.cli("verify", "--output", "json")
    assert outcome.code == 1
    assert drift(outcome) == {"alias/taken": "ALIAS_IN_USE", "alias/before": "GIVEN_UP"}
    outcome = service.cli("verify", "--repair", "--output", "json")
    assert (outcome.code, drift(outcome)) == (
        1,
        {"alias/taken": "GIVEN_UP", "alias/before": "GIVEN_UP"},
    )
    words = {item["primary"] for item in outcome.document["pairs"][0]["drift"]}
    assert words == {f"the alias is in use in {WEST} by a user of that Region"}
    for name in ("alias/taken", "alias/before"):
        assert service.stores[WEST].alias(ACCOUNT, name).key_id == other_key


def test_rows_nobody_may_replace_are_told_of(service: Any) -> None:
    """The alias itself in its own Region, and the record of what was brought in the other."""
    (key_id,) = service.create()
    for name in ("alias/first", "alias/arrived"):
        alias(service, name, key_id)
    service.sql(EAST, "UPDATE aliases SET revision = 7 WHERE name = 'alias/first'")
    service.sql(WEST, "UPDATE arrived_aliases SET change_number = 7 WHERE name = 'alias/arrived'")
    outcome = service.cli("verify", "--output", "json")
    assert (outcome.code, drift(outcome)) == (
        1,
        {"alias/first": "PRIMARY_UNREADABLE", "alias/arrived": "ALIAS_UNREADABLE"},
    )
    outcome = service.cli("verify", "--repair", "--output", "json")
    assert (outcome.code, drift(outcome)) == (
        1,
        {"alias/first": "PRIMARY_UNREADABLE", "alias/arrived": "GIVEN_UP"},
    )
    pair = outcome.document["pairs"][0]
    words = {item["alias_arn"].split(":", 5)[5]: item["primary"] for item in pair["drift"]}
    assert words["alias/arrived"] == f"what {WEST} keeps of the alias does not verify"
    (refused,) = [repair for repair in pair["repairs"] if not repair["done"]]
    assert f"restore the store of {EAST} from a backup" in refused["message"]


def test_pages_meet_in_the_middle(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However aliases and pages fall, each is compared once: gaps and orphans on either side."""
    service = start(following=Following(aliases=frozenset({(EAST, WEST)})))
    (key_id,) = service.create()
    names = [f"alias/{number}" for number in range(9)]
    for name in names:
        alias(service, name, key_id)
    for name in names[:4]:
        lose_the_first(service, name, "")
    for name in names[6:]:
        lose(service, name, "")
    own = AliasRecord(account=ACCOUNT, name="alias/4x", key_id=None)
    service.write(WEST, lambda tx: tx.insert_alias(own))
    expected = dict.fromkeys(names[:4], "ORPHANED_ALIAS")
    expected |= dict.fromkeys(names[6:], "MISSING_ALIAS")
    for size in (1, 2, 3, 4, 500):
        monkeypatch.setattr("keyferry.cli.regions_verification.NAMES_A_CALL", size)
        outcome = service.cli("verify", "--region", EAST, "--output", "json")
        assert (outcome.code, drift(outcome)) == (1, expected)
        assert outcome.document["pairs"][0]["aliases_compared"] == 9


def test_aliases_that_do_not_follow_are_not_compared(service: Any) -> None:
    """In the direction the option is not for: nothing to compare, and nothing to send."""
    (key_id,) = service.create()
    alias(service, "alias/one", key_id)
    outcome = service.cli("verify", "--region", WEST, "--output", "json")
    assert outcome.code == 0
    assert outcome.document["pairs"][0]["aliases_compared"] is None


def test_aliases_in_motion_are_no_difference(service: Any) -> None:
    """Moved from key to key all the while; what is on its way does not count."""
    keys = service.create(2)
    alias(service, "alias/moving", keys[0])
    client = service.client(EAST)
    for turn in range(20):
        client.update_alias(AliasName="alias/moving", KeyArn=service.arn(keys[turn % 2]))
        if turn % 5 == 0:
            outcome = service.cli("verify", "--region", EAST, "--wait", "5", "--output", "json")
            assert (outcome.code, drift(outcome)) == (0, {})

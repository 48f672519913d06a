"""`keyferry regions status`, what it says is unsafe, and the metrics beside it."""

from __future__ import annotations

import urllib.request
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from keyferry.service.admin.regions_status import PairStatus, _unsafe_because
from keyferry.service.authz.reserved import CANARY_ACCOUNT
from keyferry.service.replication.measurements import LAGS_KEPT, Measurements, percentile
from keyferry.service.store.rehearsal_records import CanaryRecord
from keyferry.service.store.replication_records import OutboxRecord

EAST, WEST, ACCOUNT = "us-east-1", "us-west-2", "111122223333"


def metrics(service: Any) -> dict[str, dict[tuple[str, str], float]]:
    """Samples with a Region and a peer, by name."""
    with urllib.request.urlopen(f"{service.url}/metrics") as answer:
        text = answer.read().decode()
    found: dict[str, dict[tuple[str, str], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if {"region", "peer"} == set(sample.labels):
                pair = (sample.labels["region"], sample.labels["peer"])
                found.setdefault(sample.name, {})[pair] = sample.value
    return found


def waiting(
    service: Any, *, key_id: str, age: timedelta, held: bool = False, account: str = ACCOUNT
) -> OutboxRecord:
    """A row of the outbox that nobody delivers now."""
    now = datetime.now(UTC)
    row = OutboxRecord(
        account=account,
        key_id=key_id,
        region=WEST,
        change_number=99,
        owner="somebody",
        written_at=now - age,
        due_at=now + timedelta(hours=1),
        held=held,
    )
    service.write(EAST, lambda tx: tx.put_outbox(row))
    return row


def test_lags_are_of_what_was_replicated(service: Any) -> None:
    """Percentiles in the status and a histogram in the metrics, of this direction alone."""
    service.create(5)
    outcome = service.cli("status", "--output", "json")
    assert outcome.code == 0
    there, back = outcome.document["pairs"]
    assert (there["region"], there["peer"]) == (EAST, WEST)
    assert there["lag"]["samples"] == 5
    assert 0 < there["lag"]["p50_s"] <= there["lag"]["p99_s"] < 30
    assert 0 <= there["kek_age_s"] < 60
    assert back["lag"] == {"p50_s": None, "p99_s": None, "samples": 0}
    assert back["kek_age_s"] is None
    counted = metrics(service)
    assert counted["keyferry_replication_lag_seconds_count"] == {(EAST, WEST): 5}
    assert counted["keyferry_replication_backlog"] == {(EAST, WEST): 0, (WEST, EAST): 0}
    # Nobody has verified yet, so nobody knows of drift.
    assert "keyferry_drift_items" not in counted
    assert "safe to fail over yes" in service.cli("status").out


def test_what_waits_long_or_was_given_up_is_not_safe(on_any_store: Any) -> None:
    """Counts and reasons, from the store; --check turns the answer into an exit code."""
    service = on_any_store
    first, second, third = service.create(3)
    assert service.cli("status", "--check").code == 0
    waiting(service, key_id=first, age=timedelta(seconds=3))
    assert service.cli("status", "--check").code == 0  # on its way
    waiting(service, key_id=second, age=timedelta(minutes=5))
    waiting(service, key_id=third, age=timedelta(0), held=True)
    outcome = service.cli("status", "--region", EAST, "--output", "json")
    assert outcome.code == 0
    (pair,) = outcome.document["pairs"]
    assert (pair["safe"], pair["waiting"], pair["held"]) == (False, 2, 1)
    assert pair["given_up"] == [{"message": "no reason is kept", "count": 1}]
    assert 290 < pair["oldest_waiting_age_s"] < 400
    assert [words.split(",")[0] for words in pair["unsafe_because"]] == [
        "changes that wait: 2",
        "changes that were given up: 1",
    ]
    shown = service.cli("status", "--check")
    assert shown.code == 1
    assert "safe to fail over NO" in shown.out
    counted = metrics(service)
    assert counted["keyferry_replication_backlog"][EAST, WEST] == 2
    assert counted["keyferry_replication_held"][EAST, WEST] == 1


def test_canaries_are_in_no_count(on_any_store: Any) -> None:
    """One under way, or given up, is no change of a user's: its own line tells of it."""
    service = on_any_store
    keys = service.create(2)
    for key_id, held in zip(keys, (False, True), strict=True):
        entry = replace(service.stores[EAST].replica(ACCOUNT, key_id, WEST), account=CANARY_ACCOUNT)
        service.write(EAST, lambda tx, entry=entry: tx.put_replica(entry))
        waiting(service, key_id=key_id, age=timedelta(minutes=5), held=held, account=CANARY_ACCOUNT)
    (pair,) = service.cli("status", "--region", EAST, "--output", "json").document["pairs"]
    assert (pair["waiting"], pair["oldest_waiting_age_s"]) == (0, None)
    assert (pair["held"], pair["given_up"], pair["safe"]) == (0, [], True)
    counted = metrics(service)
    assert counted["keyferry_replication_backlog"][EAST, WEST] == 0
    assert counted["keyferry_replication_held"][EAST, WEST] == 0
    listed = service.cli("replay", "--list", "--output", "json")
    assert listed.document["dead_letters"] == []


def test_a_peer_that_is_gone_is_counted_and_shown(service: Any) -> None:
    """Failures in the metrics, an open circuit in the status, until it is back."""
    (key_id,) = service.create()
    with service.no_way():
        client = service.client(EAST)
        client.stop_key_usage(KeyIdentifier=service.arn(key_id))
        service.until(lambda: service.replication.links[EAST, WEST].failures > 0)
        (pair,) = service.cli("status", "--region", EAST, "--output", "json").document["pairs"]
        assert pair["circuit"] == "open"
        assert pair["failures_in_a_row"] >= 1
        assert "us-west-2 did not answer the last message" in pair["unsafe_because"]
        assert metrics(service)["keyferry_replication_failed_total"][EAST, WEST] >= 1
    service.synchronized(service.arn(key_id))
    (pair,) = service.cli("status", "--region", EAST, "--output", "json").document["pairs"]
    assert (pair["circuit"], pair["safe"]) == ("closed", True)


def test_rows_for_a_region_that_is_gone_are_shown(service: Any) -> None:
    """What was written for a peer of before is not forgotten in the status."""
    (key_id,) = service.create()
    now = datetime.now(UTC)
    row = OutboxRecord(
        account=ACCOUNT,
        key_id=key_id,
        region="eu-south-1",
        change_number=1,
        owner="somebody",
        written_at=now,
        due_at=now,
        held=True,
    )
    service.write(EAST, lambda tx: tx.put_outbox(row))
    pairs = service.cli("status", "--region", EAST, "--output", "json").document["pairs"]
    gone = next(pair for pair in pairs if pair["peer"] == "eu-south-1")
    assert (gone["linked"], gone["safe"], gone["held"]) == (False, False, 1)
    assert "eu-south-1 is neither served here nor a peer" in gone["unsafe_because"]


@pytest.mark.parametrize("command", ["status", "verify", "replay", "rotate-kek"])
def test_only_administrators_may_ask(
    service: Any, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Another access key of the same service is refused, and told what it lacks."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "user")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "user")
    outcome = service.cli(command)
    assert outcome.code == 1
    assert "AccessDeniedException" in outcome.err
    assert "user/user is not authorized to perform KeyferryAdmin:" in outcome.err


def test_users_still_read_their_own_trail(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an operation of the admin target says of one account is open to that account."""
    from keyferry.cli.admin_client import AdminClient

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "user")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "user")
    client = AdminClient(endpoint_url=service.url, region=EAST)
    try:
        assert client.call("ListEvents", {})["Position"] >= 0
    finally:
        client.close()


def test_a_canary_from_the_future_says_nothing(service: Any) -> None:
    """A clock was set back: what looks fresh for as long may be old."""
    now = datetime.now(UTC)
    canary = CanaryRecord(
        peer=WEST, key_id="abcdefghijklmnop", owner="somebody", claimed_until=now, succeeded_at=now
    )
    for succeeded_at, known in ((now, True), (now + timedelta(hours=1), False)):
        record = replace(canary, succeeded_at=succeeded_at)
        service.write(EAST, lambda tx, record=record: tx.put_canary(record))
        (pair,) = service.cli("status", "--region", EAST, "--output", "json").document["pairs"]
        assert (pair["canary"]["age_s"] is not None) == known


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--peer", "eu-south-1"), "--peer eu-south-1: no peer of us-east-1 or us-west-2"),
        (("--region", "eu-south-1"), "UnrecognizedClientException"),
    ],
)
def test_what_is_not_there_is_named(service: Any, arguments: tuple[str, ...], words: str) -> None:
    """A Region that is not served and a peer that is none are errors, not empty answers."""
    outcome = service.cli("status", *arguments)
    assert outcome.code in (1, 2)
    assert words in outcome.err
    assert outcome.out == ""


def healthy(**members: Any) -> PairStatus:
    return PairStatus(
        **(
            {
                "peer": WEST,
                "linked": True,
                "circuit": "closed",
                "waiting": 0,
                "held": 0,
                "given_up": [],
                "safe": True,
                "unsafe_because": [],
            }
            | members
        )
    )


def test_a_canary_that_stays_away_is_not_safe() -> None:
    """Only where canaries are sent; some rounds may be missed."""
    assert _unsafe_because(healthy(), canary_s=0) == []
    assert _unsafe_because(healthy(), canary_s=15) == ["no canary has come through yet"]
    assert _unsafe_because(healthy(canary_age=40.0), canary_s=15) == []
    assert _unsafe_because(healthy(canary_age=300.0), canary_s=15) == [
        "no canary has come through for 300 s"
    ]
    assert _unsafe_because(healthy(cut_until=1.0), canary_s=0) == [
        "the Regions are cut off from each other for a drill"
    ]


def test_percentiles_are_of_the_last_lags() -> None:
    """Nearest rank; old ones make room; a clock that is behind gives no negative lag."""
    measured = Measurements()
    assert percentile(measured.lags, 50) is None
    for number in range(LAGS_KEPT + 100):
        measured.arrived(float(number))
    assert len(measured.lags) == LAGS_KEPT
    assert percentile(measured.lags, 100) == LAGS_KEPT + 99
    measured.lags.clear()
    for lag_s in (3.0, 1.0, 2.0, 4.0):
        measured.arrived(lag_s)
    assert [percentile(measured.lags, percent) for percent in (1, 50, 75, 99)] == [1, 2, 3, 4]
    measured.arrived(-1.0)
    assert min(measured.lags) == 0

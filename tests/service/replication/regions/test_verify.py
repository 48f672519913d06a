"""`keyferry regions verify`: every kind of difference is found, told, and repaired if it can be."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keyferry.crypto.keyblock import Exportability
from keyferry.service.authz.reserved import CANARY_ACCOUNT
from keyferry.service.store.replication_records import OutboxRecord, ReplicaStatus
from keyferry.service.vault.binding import key_binding

EAST, WEST, ACCOUNT = "us-east-1", "us-west-2", "111122223333"
OTHER_MATERIAL = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")

# Each edits one key, whose replica is synchronized.
EDITS: dict[str, Callable[[Any, str], None]] = {}


def edit(kind: str) -> Callable[[Callable[[Any, str], None]], Callable[[Any, str], None]]:
    def register(function: Callable[[Any, str], None]) -> Callable[[Any, str], None]:
        EDITS[kind] = function
        return function

    return register


@edit("MISSING_REPLICA")
def lose_replica(service: Any, key_id: str) -> None:
    service.write(WEST, lambda tx: tx.erase_key(ACCOUNT, key_id))


@edit("ORPHANED_REPLICA")
def lose_entry(service: Any, key_id: str) -> None:
    service.write(EAST, lambda tx: tx.delete_replica(ACCOUNT, key_id, WEST))


@edit("MATERIAL")
def change_material(service: Any, key_id: str) -> None:
    other = service.reseal(WEST, service.record(WEST, key_id), material=OTHER_MATERIAL)
    service.write(WEST, lambda tx: tx.replace_key(other))


@edit("ATTRIBUTES")
def change_attributes(service: Any, key_id: str) -> None:
    changed = replace(service.record(WEST, key_id), exportability=Exportability.NONE)
    resealed = service.reseal(WEST, changed)
    service.write(WEST, lambda tx: tx.replace_key(resealed))


@edit("STATE")
def disable_replica(service: Any, key_id: str) -> None:
    record = service.record(WEST, key_id)
    disabled = replace(record, enabled=False, revision=record.revision + 1)
    service.write(WEST, lambda tx: tx.update_key(disabled, replacing=record.revision))


@edit("CHANGE_NUMBER")
def take_primary_back(service: Any, key_id: str) -> None:
    part = service.stores[WEST].multi_region(ACCOUNT, key_id)
    ahead = replace(part, change_number=part.change_number + 100)
    service.write(WEST, lambda tx: tx.put_multi_region(ahead))


@edit("STATUS")
def forget_to_deliver(service: Any, key_id: str) -> None:
    entry = service.stores[EAST].replica(ACCOUNT, key_id, WEST)
    failed = replace(entry, status=ReplicaStatus.FAILED, message="left by a bug")
    service.write(EAST, lambda tx: tx.put_replica(failed))


@edit("REPLICA_UNREADABLE")
def edit_replica(service: Any, key_id: str) -> None:
    service.sql(WEST, "UPDATE keys SET key_usage = 'M3' WHERE key_id = ?", key_id)


@edit("REPLICA_UNREADABLE, its part")
def edit_part(service: Any, key_id: str) -> None:
    statement = "UPDATE multi_region_keys SET change_number = 900 WHERE key_id = ?"
    service.sql(WEST, statement, key_id)


def verified(outcome: Any) -> tuple[int, set[tuple[str, str]]]:
    """The exit code, and each difference as key id and kind."""
    found = {
        (item["key_arn"].rpartition("/")[2], item["kind"])
        for pair in outcome.document["pairs"]
        for item in pair["drift"]
    }
    return outcome.code, found


def test_every_difference_is_found_and_repaired(on_any_store: Any) -> None:
    """Each named with its kind; repaired, keys work in both Regions as if nothing had been."""
    service = on_any_store
    keys = service.create(len(EDITS) + 2)
    cvvs = {key_id: service.cvv(key_id, EAST) for key_id in keys}
    touched = dict(zip(EDITS, keys, strict=False))
    for kind, key_id in touched.items():
        EDITS[kind](service, key_id)
    expected = {(key_id, kind.partition(",")[0]) for kind, key_id in touched.items()}
    assert verified(service.cli("verify", "--output", "json")) == (1, expected)

    outcome = service.cli("verify", "--repair", "--output", "json")
    assert verified(outcome) == (0, set())
    repairs = {r["key_arn"]: r["done"] for r in outcome.document["pairs"][0]["repairs"]}
    assert repairs == {service.arn(key_id): True for key_id in touched.values()}
    assert verified(service.cli("verify", "--output", "json")) == (0, set())
    assert {key_id: service.cvv(key_id, EAST) for key_id in cvvs} == cvvs
    orphan = touched["ORPHANED_REPLICA"]
    assert service.record(WEST, orphan).state.value == "DELETE_COMPLETE"
    del cvvs[orphan]
    assert {key_id: service.cvv(key_id, WEST) for key_id in cvvs} == cvvs


def test_a_replica_that_may_be_anybodys_is_left_to_a_person(on_any_store: Any) -> None:
    """Where part and material are both in doubt, nothing is overwritten; the words say so."""
    service = on_any_store
    keys = service.create(3)
    for key_id in keys:
        edit_part(service, key_id)
    change_material(service, keys[0])
    edit_replica(service, keys[1])
    outcome = service.cli("verify", "--repair", "--output", "json")
    assert verified(outcome) == (1, {(keys[0], "GIVEN_UP"), (keys[1], "GIVEN_UP")})
    for item in outcome.document["pairs"][0]["drift"]:
        assert "what us-west-2 keeps of the key's part" in item["primary"]
    assert (
        service.vaults[WEST].open(
            service.record(WEST, keys[0]).sealed,
            binding=key_binding(WEST, service.record(WEST, keys[0])),
        )
        == OTHER_MATERIAL
    )
    # Nor is it destroyed: the entry says what is in the way, and stays.
    arn = service.arn(keys[0])
    service.client(EAST).remove_key_replication_regions(
        KeyIdentifier=arn, ReplicationRegions=[WEST]
    )
    service.until(lambda: service.stores[EAST].replica(ACCOUNT, keys[0], WEST).message is not None)
    entry = service.stores[EAST].replica(ACCOUNT, keys[0], WEST)
    assert entry.status is ReplicaStatus.DELETE_IN_PROGRESS
    assert "part" in entry.message


def test_a_primary_that_cannot_be_read_is_left_to_a_person(service: Any) -> None:
    """Nothing here can repair it; the words say what can, and the replica goes on working."""
    (key_id,) = service.create()
    cvv = service.cvv(key_id, EAST)
    service.sql(EAST, "UPDATE keys SET enabled = 0 WHERE key_id = ?", key_id)
    assert verified(service.cli("verify", "--output", "json")) == (
        1,
        {(key_id, "PRIMARY_UNREADABLE")},
    )
    outcome = service.cli("verify", "--repair")
    assert outcome.code == 1
    assert f"NOT REPAIRED  {service.arn(key_id)}" in outcome.out
    assert f"restore the store of {EAST} from a backup" in outcome.out
    assert service.cvv(key_id, WEST) == cvv


def test_a_primary_with_other_material_is_not_sent(service: Any) -> None:
    """Its check value is computed, not believed: a replica is not made to match it."""
    (key_id,) = service.create()
    cvv = service.cvv(key_id, WEST)
    other = service.reseal(EAST, service.record(EAST, key_id), material=OTHER_MATERIAL)
    service.write(EAST, lambda tx: tx.replace_key(other))
    outcome = service.cli("verify", "--repair", "--output", "json")
    code, found = verified(outcome)
    assert code == 1
    assert {kind for _, kind in found} <= {"PRIMARY_UNREADABLE", "GIVEN_UP"}
    assert service.cvv(key_id, WEST) == cvv


def test_the_last_copy_is_not_destroyed_for_an_orphan(service: Any) -> None:
    """A key its Region does not know may have been lost there: only a person may say it was not."""
    (key_id,) = service.create()
    service.write(EAST, lambda tx: tx.erase_key(ACCOUNT, key_id))
    service.write(EAST, lambda tx: tx.delete_replica(ACCOUNT, key_id, WEST))
    service.sql(EAST, "DELETE FROM multi_region_keys WHERE key_id = ?", key_id)
    outcome = service.cli("verify", "--repair", "--output", "json")
    assert verified(outcome) == (1, {(key_id, "UNKNOWN_PRIMARY")})
    assert "--destroy-unknown" in outcome.document["pairs"][0]["repairs"][0]["message"]
    assert service.cvv(key_id, WEST)
    outcome = service.cli("verify", "--repair", "--destroy-unknown", "--output", "json")
    assert verified(outcome) == (0, set())
    assert service.record(WEST, key_id).state.value == "DELETE_COMPLETE"


def test_an_orphan_that_cannot_be_read_is_erased(on_any_store: Any) -> None:
    """There is nothing left to make a tombstone of; an alias of it points nowhere afterwards."""
    service = on_any_store
    (key_id,) = service.create()
    west = service.client(WEST)
    west.create_alias(AliasName="alias/orphan", KeyArn=service.arn(key_id, WEST))
    lose_entry(service, key_id)
    edit_replica(service, key_id)
    assert verified(service.cli("verify", "--output", "json"))[0] == 1
    assert verified(service.cli("verify", "--repair", "--output", "json")) == (0, set())
    assert service.stores[WEST].key(ACCOUNT, key_id) is None
    assert "KeyArn" not in west.get_alias(AliasName="alias/orphan")["Alias"]


def test_two_replicas_of_each_other_are_nobodys_to_destroy(service: Any) -> None:
    """Where neither Region has the primary, nothing tells which copy is the right one."""
    (key_id,) = service.create()
    part = service.stores[WEST].multi_region(ACCOUNT, key_id)
    service.write(EAST, lambda tx: tx.put_multi_region(replace(part, primary_region=WEST)))
    service.write(EAST, lambda tx: tx.delete_replica(ACCOUNT, key_id, WEST))
    outcome = service.cli("verify", "--repair", "--output", "json")
    code, found = verified(outcome)
    assert (code, {kind for _, kind in found}) == (1, {"ORPHANED_REPLICA"})
    messages = [r["message"] for pair in outcome.document["pairs"] for r in pair["repairs"]]
    assert all("no primary is left" in message for message in messages)
    assert messages
    for region in (EAST, WEST):
        assert service.record(region, key_id).state.value == "CREATE_COMPLETE"


def test_pages_meet_in_the_middle(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However keys and pages fall, each key is compared once: gaps and orphans on either side."""
    keys = sorted(service.create(9))
    for key_id in keys[:4]:
        lose_entry(service, key_id)
    for key_id in keys[6:]:
        lose_replica(service, key_id)
    expected = {(key_id, "ORPHANED_REPLICA") for key_id in keys[:4]}
    expected |= {(key_id, "MISSING_REPLICA") for key_id in keys[6:]}
    for size in (1, 2, 3, 4, 500):
        monkeypatch.setattr("keyferry.cli.regions_verification.NAMES_A_CALL", size)
        outcome = service.cli("verify", "--region", EAST, "--output", "json")
        assert verified(outcome) == (1, expected)
        (pair,) = outcome.document["pairs"]
        assert pair["compared"] == 9


def test_what_is_under_way_is_no_difference(service: Any) -> None:
    """A row of the outbox is pending: exit code 3 says that not everything could be told."""
    (key_id,) = service.create()
    disable_replica(service, key_id)
    part = service.stores[EAST].multi_region(ACCOUNT, key_id)
    later = datetime.now(UTC) + timedelta(hours=1)
    row = OutboxRecord(
        account=ACCOUNT,
        key_id=key_id,
        region=WEST,
        change_number=part.change_number + 1,
        owner="somebody",
        written_at=later,
        due_at=later,
    )
    service.write(EAST, lambda tx: tx.put_outbox(row))
    outcome = service.cli("verify", "--wait", "0", "--output", "json")
    assert verified(outcome) == (3, set())
    assert outcome.document["pairs"][0]["pending"] == 1


def test_a_busy_service_shows_no_false_difference(service: Any) -> None:
    """Keys are made, stopped and started all the while; what is only on its way does not count."""
    keys = service.create(4)
    done = threading.Event()
    failures: list[BaseException] = []

    def use() -> None:
        client = service.client(EAST)
        try:
            for key_id in itertools.cycle(keys):
                client.stop_key_usage(KeyIdentifier=service.arn(key_id))
                client.start_key_usage(KeyIdentifier=service.arn(key_id))
                if done.is_set():
                    return
        except BaseException as error:
            failures.append(error)
            raise

    users = [threading.Thread(target=use) for _ in range(2)]
    for user in users:
        user.start()
    try:
        outcomes = [
            service.cli("verify", "--region", EAST, "--wait", "5", "--output", "json")
            for _ in range(2)
        ]
    finally:
        done.set()
        for user in users:
            user.join(30)
    assert not failures
    assert [verified(outcome)[1] for outcome in outcomes] == [set()] * 2
    assert verified(service.cli("verify", "--output", "json")) == (0, set())


def test_the_service_remembers_the_last_verification(service: Any) -> None:
    """In the status and the metrics; keys of the service's own are not among those compared."""
    from keyferry.service.store.inspection_records import KeyName

    keys = service.create(2)
    canary = replace(service.stores[EAST].replica(ACCOUNT, keys[0], WEST), account=CANARY_ACCOUNT)
    service.write(EAST, lambda tx: tx.put_replica(canary))
    lose_replica(service, keys[0])
    outcome = service.cli("verify", "--output", "json")
    assert verified(outcome) == (1, {(keys[0], "MISSING_REPLICA")})
    assert outcome.document["pairs"][0]["compared"] == 2
    names = service.stores[EAST].replicated_names(WEST, after=None, limit=10)
    assert names == sorted(KeyName(ACCOUNT, key_id) for key_id in keys)
    status = service.cli("status", "--region", EAST, "--check", "--output", "json")
    assert status.code == 1
    (pair,) = status.document["pairs"]
    assert (pair["verified"]["keys"], pair["verified"]["drift"]) == (2, 1)
    assert pair["unsafe_because"] == ["differences the last verification left: 1"]


def test_a_peer_that_does_not_answer_is_an_error(service: Any) -> None:
    """Not told is not equal: exit code 1, and the reason."""
    service.create()
    with service.no_way():
        outcome = service.cli("verify", "--region", EAST)
    assert outcome.code == 1
    assert "us-west-2 cannot be reached" in outcome.err
    assert outcome.out == ""


def test_destroying_the_unknown_needs_repair(service: Any) -> None:
    """An option that would do nothing is refused."""
    outcome = service.cli("verify", "--destroy-unknown")
    assert outcome.code == 2
    assert "--destroy-unknown goes with --repair" in outcome.err

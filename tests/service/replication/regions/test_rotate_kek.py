"""`keyferry regions rotate-kek`: new KEKs without a gap, and the end of the old ones."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keyferry.errors import PeerUnreachableError
from keyferry.service.replication.keks import REPLACED_KEK_LIFETIME
from keyferry.service.store.replication_records import KEKDirection

EAST, WEST = "us-east-1", "us-west-2"


def keks(service: Any, region: str, direction: KEKDirection) -> list[str]:
    return [
        kek.kek_id
        for kek in service.stores[region].replication_keks()
        if kek.direction is direction
    ]


def test_keys_go_on_while_keks_are_rotated(on_any_store: Any) -> None:
    """No delivery fails, every key arrives, and both Regions have the same KEKs."""
    service = on_any_store
    service.create()
    done = threading.Event()
    made: list[str] = []

    def use() -> None:
        while not done.is_set():
            made.extend(service.create(2))

    user = threading.Thread(target=use)
    user.start()
    try:
        outcomes = [
            service.cli("rotate-kek", "--region", EAST, "--output", "json") for _ in range(4)
        ]
    finally:
        done.set()
        user.join(60)
    made += service.create(2)
    assert [outcome.code for outcome in outcomes] == [0] * 4
    rotated = [outcome.document["rotated"][0] for outcome in outcomes]
    chain = [one["kek_id"] for one in rotated]
    assert [one["replaced_kek_id"] for one in rotated[1:]] == chain[:-1]
    assert sorted(keks(service, EAST, KEKDirection.TO)) == sorted(
        keks(service, WEST, KEKDirection.FROM)
    )
    measured = service.replication.links[EAST, WEST].measurements
    assert measured.failures == 0
    assert {service.key(key_id)["ReplicationStatus"][WEST]["Status"] for key_id in made} == {
        "SYNCHRONIZED"
    }
    assert service.cli("verify", "--region", EAST).code == 0


def test_replaced_keks_are_erased_on_both_sides(on_any_store: Any) -> None:
    """After their time, not before; the newest stays however old, and keys go on."""
    service = on_any_store
    service.create()
    for _ in range(2):
        assert service.cli("rotate-kek", "--region", EAST).code == 0
    now = datetime.now(UTC)
    newest = service.stores[EAST].replication_kek(KEKDirection.TO, WEST).kek_id
    service.await_(service.application.sweep(now))
    service.await_(service.replication.sweep(now, erase=True))
    assert len(keks(service, EAST, KEKDirection.TO)) == 3
    later = now + REPLACED_KEK_LIFETIME + timedelta(seconds=1)
    service.await_(service.replication.sweep(later, erase=False))  # another worker's to do
    assert len(keks(service, WEST, KEKDirection.FROM)) == 3
    for _ in range(2):
        service.await_(service.replication.sweep(later + timedelta(days=365)))
        assert keks(service, EAST, KEKDirection.TO) == [newest]
        assert keks(service, WEST, KEKDirection.FROM) == [newest]
    service.create()
    assert service.replication.links[EAST, WEST].measurements.failures == 0


def test_a_rotation_is_on_the_trail(service: Any) -> None:
    """Who had it done is in the trail of the administrator's account; the KEK's bytes nowhere."""
    service.create()
    assert service.cli("rotate-kek", "--peer", WEST).code == 0

    def told() -> bool:
        events = service.stores[EAST].newest_audit_events(service.account, limit=50)
        return any(record.event_name == "RotateReplicationKEK" for _, record in events)

    service.until(told)


def test_what_could_not_agree_is_told(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One direction of two: exit code 3, and the other has its new KEK; both: 1."""

    async def refuse(_: datetime) -> None:
        raise PeerUnreachableError("us-west-2 does not answer")

    monkeypatch.setattr(service.replication.links[EAST, WEST], "agree", refuse)
    outcome = service.cli("rotate-kek", "--output", "json")
    assert outcome.code == 3
    assert [one["region"] for one in outcome.document["rotated"]] == [WEST]
    assert [one["region"] for one in outcome.document["failed"]] == [EAST]
    assert "us-east-1 -> us-west-2  failed" in outcome.err
    monkeypatch.setattr(service.replication.links[WEST, EAST], "agree", refuse)
    assert service.cli("rotate-kek").code == 1

"""`keyferry regions drill`: the loss of a Region rehearsed, proven key by key, and undone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from keyferry.cli.admin_client import AdminClient
from keyferry.errors import RemoteRefusedError
from keyferry.keys import generate_material
from keyferry.service.store.replication_records import OutboxRecord

TwoRegions = Any  # of conftest.py

EAST, WEST = "us-east-1", "us-west-2"
DRILL = ("drill", "--from", EAST, "--to", WEST)
STEPS = ["status", "prove", "cut", "check", "restore", "converge", "verify"]

BOTH = {"Encrypt": True, "Decrypt": True, "Wrap": True, "Unwrap": True}
VERIFIES = {"Generate": True, "Verify": True}
DERIVES = {"DeriveKey": True}
# Usage, algorithm, modes of use, and what proves it: a key of every symmetric usage.
KEYS = [
    ("TR31_B0_BASE_DERIVATION_KEY", "TDES_2KEY", DERIVES, "DUKPT MAC"),
    ("TR31_B0_BASE_DERIVATION_KEY", "AES_256", DERIVES, "DUKPT MAC"),
    ("TR31_C0_CARD_VERIFICATION_KEY", "TDES_2KEY", VERIFIES, "CVV"),
    ("TR31_C0_CARD_VERIFICATION_KEY", "TDES_3KEY", VERIFIES, "CSC"),
    ("TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY", "AES_128", BOTH, "cryptogram"),
    ("TR31_E0_EMV_MKEY_APP_CRYPTOGRAMS", "TDES_2KEY", DERIVES, "ARQC"),
    ("TR31_E1_EMV_MKEY_CONFIDENTIALITY", "TDES_2KEY", DERIVES, "EMV cryptogram"),
    ("TR31_E2_EMV_MKEY_INTEGRITY", "TDES_2KEY", DERIVES, "EMV script MAC"),
    ("TR31_E4_EMV_MKEY_DYNAMIC_NUMBERS", "TDES_2KEY", DERIVES, "dynamic CVC"),
    ("TR31_E5_EMV_MKEY_CARD_PERSONALIZATION", "TDES_2KEY", DERIVES, "check value"),
    ("TR31_E6_EMV_MKEY_OTHER", "TDES_2KEY", DERIVES, "EMV cryptogram"),
    ("TR31_K0_KEY_ENCRYPTION_KEY", "TDES_3KEY", BOTH, "wrapped key"),
    ("TR31_K1_KEY_BLOCK_PROTECTION_KEY", "AES_256", BOTH, "wrapped key"),
    ("TR31_M0_ISO_16609_MAC_KEY", "TDES_2KEY", VERIFIES, "MAC"),
    ("TR31_M1_ISO_9797_1_MAC_KEY", "TDES_3KEY", VERIFIES, "MAC"),
    ("TR31_M3_ISO_9797_3_MAC_KEY", "TDES_2KEY", VERIFIES, "MAC"),
    ("TR31_M6_ISO_9797_5_CMAC_KEY", "AES_192", VERIFIES, "CMAC"),
    ("TR31_M7_HMAC_KEY", "HMAC_SHA256", VERIFIES, "HMAC"),
    ("TR31_P0_PIN_ENCRYPTION_KEY", "TDES_2KEY", BOTH, "PIN block"),
    ("TR31_P0_PIN_ENCRYPTION_KEY", "AES_128", BOTH, "PIN block"),
    ("TR31_P1_PIN_GENERATION_KEY", "TDES_2KEY", VERIFIES, "check value"),
    ("TR31_V1_IBM3624_PIN_VERIFICATION_KEY", "TDES_2KEY", VERIFIES, "IBM 3624 PIN"),
    ("TR31_V2_VISA_PIN_VERIFICATION_KEY", "TDES_3KEY", VERIFIES, "PVV"),
]


def attributes(usage: str, algorithm: str, modes: dict[str, bool]) -> dict[str, Any]:
    return {
        "KeyUsage": usage,
        "KeyClass": "SYMMETRIC_KEY",
        "KeyAlgorithm": algorithm,
        "KeyModesOfUse": modes,
    }


def spoil(service: TwoRegions, key_id: str) -> None:
    """Another key in the place of a replica, in a row that is right in everything else."""
    record = service.record(WEST, key_id)
    material = generate_material(record.attributes.key_algorithm)
    changed = replace(service.reseal(WEST, record, material), revision=record.revision + 1)
    service.write(WEST, lambda tx: tx.update_key(changed, replacing=record.revision))


def events(service: TwoRegions, region: str) -> list[str]:
    """The names of what is on the trail of the account."""
    found = service.stores[region].audit_events(service.account, limit=10_000)
    return [json.loads(record.body)["eventName"] for _, record in found]


def cut_holds(service: TwoRegions, region: str, peer: str) -> bool:
    return service.replication.cuts.between(region, peer) is not None


def test_every_usage_is_proven(service: TwoRegions, tmp_path: Path) -> None:
    """A key of every usage is proven, the Regions converge, and nothing of a user's changed."""
    expected = {}
    for usage, algorithm, modes, proof in KEYS:
        (key_id,) = service.create(KeyAttributes=attributes(usage, algorithm, modes))
        expected[service.arn(key_id)] = proof
    (stopped,) = service.create()
    service.client(EAST).stop_key_usage(KeyIdentifier=service.arn(stopped))
    service.synchronized(service.arn(stopped))
    expected[service.arn(stopped)] = "check value"
    before = {arn: service.key(arn.rpartition("/")[2]) for arn in expected}

    kept = tmp_path / "report.json"
    done = service.cli(*DRILL, "--output", "json", "--report", str(kept))

    assert done.code == 0, done.out + done.err
    report = done.document
    assert report["verdict"] == "PROVEN"
    assert report["problems"] == []
    assert {key["key_arn"]: key["proof"] for key in report["keys"]} == expected
    for key in report["keys"]:
        by_use = key["proof"] != "check value"
        assert key["verdict"] == ("PROVEN_BY_USE" if by_use else "PROVEN_BY_CHECK_VALUE")
        assert (key["made_by"] is not None) == (key["checked_by"] is not None) == by_use
        assert (key["reason"] is None) == by_use
    assert [step["name"] for step in report["steps"]] == STEPS
    assert report["totals"] == {
        "replicated": len(expected),
        "keys": len(expected),
        "proven_by_use": len(KEYS) - 2,
        "proven_by_check_value": 3,
        "failed": 0,
    }
    assert json.loads(kept.read_text()) == report
    assert {arn: service.key(arn.rpartition("/")[2]) for arn in expected} == before
    for region, peer in ((EAST, WEST), (WEST, EAST)):
        assert not cut_holds(service, region, peer)
        assert events(service, region).count("CutMultiRegionReplication") == 1
        assert events(service, region).count("RestoreMultiRegionReplication") == 1


def test_on_either_engine(on_any_store: TwoRegions) -> None:
    """Cuts, canaries and proofs are the same on SQLite and on PostgreSQL."""
    on_any_store.create(2)
    done = on_any_store.cli(*DRILL)
    assert done.code == 0, done.out + done.err


def test_a_table_for_people(service: TwoRegions) -> None:
    """Each key with what proved it, each step with its time, and the verdict in the last line."""
    (key_id,) = service.create()
    done = service.cli(*DRILL)
    assert done.code == 0, done.out + done.err
    lines = done.out.splitlines()
    operations = "CVV: GenerateCardValidationData, VerifyCardValidationData"
    assert lines[0] == f"proven            C0  {service.arn(key_id)}  {operations}"
    assert [line.split()[2] for line in lines[2:9]] == STEPS
    assert lines[-2] == "1 keys: 1 proven by use, 0 by check value, 0 failed"
    assert lines[-1] == f"PROVEN: {WEST} can stand in for {EAST}"
    assert [line.split()[0] for line in done.err.splitlines()] == STEPS


def test_a_replica_that_holds_another_key_is_named(service: TwoRegions) -> None:
    """A broken replica fails the drill, by name; the Regions are whole again afterwards."""
    good, bad = service.create(2)
    spoil(service, bad)
    done = service.cli(*DRILL, "--output", "json")
    assert done.code == 1
    report = done.document
    assert report["verdict"] == "FAILED"
    verdicts = {key["key_arn"]: key for key in report["keys"]}
    assert verdicts[service.arn(good)]["verdict"] == "PROVEN_BY_USE"
    assert verdicts[service.arn(bad)]["verdict"] == "FAILED"
    assert "VerificationFailedException" in verdicts[service.arn(bad)]["reason"]
    # The comparison at the end finds it too.
    assert any(service.arn(bad) in problem for problem in report["problems"])
    assert not cut_holds(service, EAST, WEST)
    # Sent again it is whole, and the next drill proves it.
    assert service.cli("verify", "--repair", "--region", EAST).code == 0
    assert service.cli(*DRILL).code == 0


def test_a_replica_that_does_not_open_is_named(service: TwoRegions) -> None:
    """A row that was edited in the database fails the drill, and is not taken for absent."""
    (bad,) = service.create()
    service.sql(WEST, "UPDATE keys SET check_value = '000000' WHERE key_id = ?", bad)
    done = service.cli(*DRILL)
    assert done.code == 1
    assert f"FAILED            C0  {service.arn(bad)}" in done.out
    assert "its row or its material does not open" in done.out
    assert done.out.splitlines()[-1] == f"FAILED: do not rely on {WEST} for {EAST}"


def test_nothing_to_prove_is_no_proof(service: TwoRegions) -> None:
    """Without a replicated key the drill refuses, and cuts nothing off."""
    done = service.cli(*DRILL)
    assert done.code == 1
    assert "so there is nothing to prove" in done.err
    assert "regions backfill" in done.err
    assert "CutMultiRegionReplication" not in events(service, EAST)


def test_what_is_not_whole_is_not_cut(service: TwoRegions) -> None:
    """What was given up must be tried again first; the error says how."""
    (key_id,) = service.create()

    def hold(tx: Any) -> None:
        store = service.stores[EAST]
        part = store.multi_region(service.account, key_id)
        now = datetime.now(UTC)
        tx.put_outbox(
            OutboxRecord(
                account=service.account,
                key_id=key_id,
                region=WEST,
                change_number=part.change_number,
                owner="nobody",
                written_at=now,
                due_at=now,
                held=True,
            )
        )

    service.write(EAST, hold)
    done = service.cli(*DRILL, "--wait", "0")
    assert done.code == 1
    assert "not cut off: 1 changes were given up" in done.err
    assert "keyferry regions replay" in done.err
    assert "CutMultiRegionReplication" not in events(service, EAST)


def test_one_drill_at_a_time(service: TwoRegions) -> None:
    """Where another drill has cut the Regions off, a second one waits, then refuses."""
    service.create()
    admin(service, EAST, "CutRegion", Peer=WEST, Seconds=60)
    done = service.cli(*DRILL, "--wait", "0")
    assert done.code == 1
    assert "cut off from each other by a drill" in done.err
    admin(service, EAST, "RestoreRegion", Peer=WEST)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("drill", "--from", EAST, "--to", EAST), "--from and --to are both us-east-1"),
        ((*DRILL, "--account", "12"), "--account: expected 12 digits"),
        ((*DRILL, "--report", "/nonexistent/report.json"), "its folder does not exist"),
        ((*DRILL, "--cut-seconds", "1"), "--cut-seconds"),
        (("drill", "--from", EAST), "--to"),
    ],
)
def test_what_cannot_be_rehearsed(
    run: Callable[..., Any], arguments: tuple[str, ...], words: str
) -> None:
    """What the command line alone shows to be wrong ends with status 2 and says what."""
    done = run(*arguments, "--endpoint-url", "http://127.0.0.1:9")
    assert done.code == 2
    assert words in done.err
    assert done.out == ""


def test_a_region_without_a_way_there(service: TwoRegions) -> None:
    """A Region that is no peer is a mistake of the command line too."""
    done = service.cli("drill", "--from", EAST, "--to", "eu-west-1")
    assert done.code == 2
    assert "--to eu-west-1: us-east-1 has no way there in this service" in done.err


def test_only_administrators_may(service: TwoRegions, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user of the API can neither cut Regions off nor use keys of other accounts."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "user")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "user")
    for operation in (
        "CutRegion",
        "RestoreRegion",
        "ProbeCanary",
        "ListReplicatedKeys",
        "MakeKeyProofs",
        "CheckKeyProofs",
    ):
        with pytest.raises(RemoteRefusedError, match="AccessDeniedException"):
            admin(service, EAST, operation, Peer=WEST)
    assert not cut_holds(service, EAST, WEST)


def test_who_carries_a_proof_cannot_change_it(service: TwoRegions) -> None:
    """What one Region made is checked in the other only as it was made, and by that Region."""
    first, second = service.create(2)
    keys = [{"Account": service.account, "KeyId": key_id} for key_id in (first, second)]
    proofs = admin(service, EAST, "MakeKeyProofs", Peer=WEST, Keys=keys)["Proofs"]
    good = proofs[0]
    value = good["Values"][0]
    forged = [
        good | {"KeyId": second},
        good | {"Values": [value | {"pan": "4000000000000000"}, *good["Values"][1:]]},
        good | {"Values": good["Values"][:1]},
        good | {"Method": "check value", "Values": [{"check_value": "000000"}]},
        good | {"Seal": proofs[1]["Seal"]},
        good | {"Seal": ""},
        good | {"KekId": "00" * 16},
    ]
    answer = admin(service, WEST, "CheckKeyProofs", PrimaryRegion=EAST, Proofs=[good, *forged])
    verdicts = answer["Verdicts"]
    assert verdicts[0]["Verdict"] == "PROVEN_BY_USE"
    for verdict in verdicts[1:-1]:
        assert verdict["Verdict"] == "FAILED"
        assert verdict["Reason"] == "the proof was not made in us-east-1, or changed since"
    assert "a KEK us-west-2 does not know" in verdicts[-1]["Reason"]


def test_a_sample_has_every_usage(service: TwoRegions) -> None:
    """A limit proves so many keys, and a rare usage is not left to chance."""
    many = service.create(6)
    usage, algorithm, modes, _ = KEYS[-1]
    (rare,) = service.create(KeyAttributes=attributes(usage, algorithm, modes))
    done = service.cli(*DRILL, "--limit", "3", "--output", "json")
    assert done.code == 0, done.out + done.err
    proven = [key["key_arn"] for key in done.document["keys"]]
    assert len(proven) == 3
    assert service.arn(rare) in proven
    assert set(proven) <= {service.arn(key_id) for key_id in (*many, rare)}
    assert done.document["totals"]["replicated"] == 7
    # Keys of an account that has none are none.
    done = service.cli(*DRILL, "--account", "999999999999")
    assert done.code == 1


def test_more_keys_than_a_call_takes(service: TwoRegions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of keys and of proofs come together, and the cut is renewed for each."""
    monkeypatch.setattr("keyferry.cli.regions_rehearsal.KEYS_A_CALL", 3)
    monkeypatch.setattr("keyferry.cli.regions_rehearsal.PROOFS_A_CALL", 2)
    keys = service.create(7)
    done = service.cli(*DRILL, "--output", "json")
    assert done.code == 0, done.out + done.err
    proven = [key["key_arn"] for key in done.document["keys"]]
    assert sorted(proven) == sorted(service.arn(key_id) for key_id in keys)


def admin(service: TwoRegions, region: str, operation: str, **members: Any) -> Any:
    """A call of `KeyferryAdmin`."""
    client = AdminClient(endpoint_url=service.url, region=region)
    try:
        return client.call(operation, members)
    finally:
        client.close()

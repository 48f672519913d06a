"""`keyferry regions backfill` against a running service, and what follows keys, through boto3."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from keyferry.cli.admin_client import AdminClient
from keyferry.service.context import Limits
from keyferry.service.replication.following import Following

EAST, WEST = "us-east-1", "us-west-2"
ACCOUNT = "111122223333"
CVK = {
    "KeyUsage": "TR31_C0_CARD_VERIFICATION_KEY",
    "KeyClass": "SYMMETRIC_KEY",
    "KeyAlgorithm": "TDES_2KEY",
    "KeyModesOfUse": {"Generate": True, "Verify": True},
}
EAST_TO_WEST = frozenset({(EAST, WEST)})


@pytest.fixture
def following(store_url: str, start: Callable[..., Any]) -> Any:
    """A service whose aliases and tags follow from us-east-1 to us-west-2, on either engine."""
    return start(store_url, following=Following(aliases=EAST_TO_WEST, tags=EAST_TO_WEST))


def made(service: Any, count: int, **members: Any) -> list[str]:
    """Ids of keys of one Region."""
    return [service.create(ReplicationRegions=[], **members)[0] for _ in range(count)]


def admin(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Call an operation for administrators in us-east-1, where the environment says."""
    client = AdminClient(endpoint_url=None, region=EAST)
    try:
        return client.call(operation, parameters)
    finally:
        client.close()


def eventually(ask: Callable[[], Any]) -> Any:
    """What `ask` answers once it is not refused; the client's round trip is the pause."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return ask()
        except Exception as error:
            if "ResourceNotFound" not in type(error).__name__ or time.monotonic() > deadline:
                raise


def test_plan_then_backfill(on_any_store: Any) -> None:
    """The plan counts and changes nothing; the run brings every key, and finds nothing after."""
    service = on_any_store
    keys = made(service, 40)
    made(service, 2, Exportable=False)
    (present,) = service.create()
    planned = service.cli("backfill", "--to", WEST, "--region", EAST, "--plan", "--output", "json")
    assert planned.code == 0
    (counts,) = planned.document["accounts"]
    assert counts == {
        "account": ACCOUNT,
        "added": 40,
        "retried": 0,
        "present": 1,
        "left_out": {"not exportable": 2},
        "aliases": 0,
        "tags": 0,
        "quota": {"used": 1, "limit": None, "room": None},
    }
    assert "ReplicationStatus" not in service.key(keys[0])

    done = service.cli("backfill", "--to", WEST, "--region", EAST, "--output", "json")
    assert done.code == 0, done.err
    assert done.document["complete"]
    assert done.document["accounts"][0]["added"] == 40
    for key_id in (*keys, present):
        assert service.key(key_id)["ReplicationStatus"] == {WEST: {"Status": "SYNCHRONIZED"}}
    assert service.cvv(keys[7], EAST) == service.cvv(keys[7], WEST)
    again = service.cli("backfill", "--to", WEST, "--region", EAST)
    assert again.code == 0
    assert again.out.strip() == (
        f"{ACCOUNT}  0 added, 0 tried again, 41 there already, 2 not exportable"
    )


def test_a_quota_that_is_too_small(start: Callable[..., Any]) -> None:
    """The plan says so; the run exits 3, says where to look, and goes on once there is room."""
    service = start(limits=Limits(keys=5))
    made(service, 4)
    taking = [service.client(WEST).create_key(KeyAttributes=CVK, Exportable=True) for _ in "123"]
    command = ("backfill", "--to", WEST, "--region", EAST)
    planned = service.cli(*command, "--plan")
    assert planned.code == 0
    assert f"{WEST} has 3 of 5 keys, room for 2: 2 too few" in planned.out
    partly = service.cli(*command)
    assert partly.code == 3
    assert "2 changes for us-west-2 were given up: see keyferry regions replay --list" in partly.err
    listed = service.cli("replay", "--list", "--region", EAST)
    assert listed.out.count("the quota of keys in us-west-2 is used up") == 2
    for key in taking:
        service.client(WEST).delete_key(KeyIdentifier=key["Key"]["KeyArn"])
    assert service.cli(*command).code == 3  # deletion only begins the waiting period
    ids = [key["Key"]["KeyArn"].rpartition("/")[2] for key in taking]
    service.write(WEST, lambda tx: [tx.erase_key(ACCOUNT, key_id) for key_id in ids])
    done = service.cli(*command, "--output", "json")
    assert done.code == 0, done.err
    assert done.document["accounts"][0]["retried"] == 2


def test_a_limit(service: Any) -> None:
    """So many keys and no more; the next run has the rest."""
    keys = made(service, 5)
    command = ("backfill", "--to", WEST, "--region", EAST, "--limit", "3")
    first = service.cli(*command, "--output", "json")
    assert first.code == 0
    assert first.document["limit_reached"]
    assert first.document["accounts"][0]["added"] == 3
    assert ["ReplicationStatus" in service.key(key) for key in keys] == 3 * [True] + 2 * [False]
    second = service.cli(*command, "--output", "json")
    assert second.document["accounts"][0]["added"] == 2
    assert not second.document["limit_reached"]


def test_a_region_that_is_cut_off(service: Any) -> None:
    """Nothing arrives: the command gives up after a while and says what waits; a rerun ends it."""
    keys = made(service, 3)
    service.create()  # the KEK is agreed
    cut = admin("CutRegion", {"Peer": WEST, "Seconds": 300})
    assert cut["Peer"] == WEST
    command = ("backfill", "--to", WEST, "--region", EAST, "--wait", "0.2")
    partly = service.cli(*command, "--output", "json")
    assert partly.code == 3
    assert partly.document["waiting"] == 3
    assert not partly.document["complete"]
    planned = service.cli(*command, "--plan")
    assert planned.code == 0
    admin("RestoreRegion", {"Peer": WEST})
    done = service.cli("backfill", "--to", WEST, "--region", EAST)
    assert done.code == 0, done.err
    for key_id in keys:
        assert service.key(key_id)["ReplicationStatus"][WEST]["Status"] == "SYNCHRONIZED"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--to", "eu-west-1"), 1, "eu-west-1 is no peer of us-east-1"),
        (("--to", EAST), 1, "us-east-1 is no peer of us-east-1"),
        (("--to", WEST, "--account", "12"), 2, "--account '12': expected 12 digits"),
        (("--to", WEST, "--limit", "0"), 2, "--limit"),
        ((), 2, "--to"),
    ],
)
def test_what_is_refused(service: Any, arguments: tuple[str, ...], code: int, words: str) -> None:
    """Nothing is changed, and the error says what was wrong."""
    (key,) = made(service, 1)
    outcome = service.cli("backfill", "--region", EAST, *arguments)
    assert outcome.code == code
    assert words in outcome.err
    assert "ReplicationStatus" not in service.key(key)


def test_only_administrators(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's access key is refused."""
    made(service, 1)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "user")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "user")
    for flags in ((), ("--plan",)):
        outcome = service.cli("backfill", "--region", EAST, "--to", WEST, *flags)
        assert outcome.code == 1
        assert "AccessDeniedException" in outcome.err


def test_an_alias_is_usable_where_its_key_is(following: Any) -> None:
    """Made in us-east-1, it names the replica in us-west-2 once that is there; tags follow too."""
    service = following
    east, west = service.client(EAST), service.client(WEST)
    (key_id,) = service.create(Tags=[{"Key": "owner", "Value": "issuing"}])
    east.create_alias(AliasName="alias/cvk", KeyArn=service.arn(key_id))
    found = eventually(lambda: west.get_key(KeyIdentifier="alias/cvk")["Key"])
    assert found["KeyArn"] == service.arn(key_id, WEST)
    assert found["MultiRegionKeyType"] == "REPLICA"
    tags = west.list_tags_for_resource(ResourceArn=service.arn(key_id, WEST))["Tags"]
    assert tags == [{"Key": "owner", "Value": "issuing"}]
    card = {"PrimaryAccountNumber": "4000001234567899"}
    attributes = {"CardVerificationValue1": {"CardExpiryDate": "1228", "ServiceCode": "101"}}
    verified = service.client(WEST, "payment-cryptography-data").verify_card_validation_data(
        KeyIdentifier="alias/cvk",
        VerificationAttributes=attributes,
        ValidationData=service.cvv(key_id, EAST),
        **card,
    )
    assert verified["KeyArn"] == service.arn(key_id, WEST)

    west.create_alias(AliasName="alias/mine")
    east.create_alias(AliasName="alias/mine", KeyArn=service.arn(key_id))
    letters: list[Any] = []
    deadline = time.monotonic() + 30
    while not letters and time.monotonic() < deadline:
        listed = service.cli("replay", "--list", "--region", EAST, "--output", "json")
        letters = listed.document["dead_letters"]
    (letter,) = letters
    assert letter["subject"] == "alias/mine"
    assert letter["message"] == "the alias is in use in us-west-2 by a user of that Region"
    assert "KeyArn" not in west.get_alias(AliasName="alias/mine")["Alias"]
    west.delete_alias(AliasName="alias/mine")
    assert service.cli("replay", "--region", EAST, "--key", "alias/mine").code == 0
    assert eventually(lambda: west.get_key(KeyIdentifier="alias/mine"))["Key"] == found

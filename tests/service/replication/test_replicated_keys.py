"""The life of multi-Region keys, as their users see it."""

from __future__ import annotations

from typing import Any

import pytest

from keyferry.service.context import Limits
from keyferry.service.errors import ConflictError, InvalidRequestError, QuotaExceededError

IN_PROGRESS = {"Status": "IN_PROGRESS"}
SYNCHRONIZED = {"Status": "SYNCHRONIZED"}


async def test_a_key_is_in_progress_first_and_synchronized_then(world: Any, tools: Any) -> None:
    """The replica has the id, the material and what else describes the key; the ARN differs."""
    made = await world.create(ReplicationRegions=[tools.west])
    assert made["MultiRegionKeyType"] == "PRIMARY"
    assert made["ReplicationStatus"] == {tools.west: IN_PROGRESS}
    assert made["UsingDefaultReplicationRegions"] is False
    assert "PrimaryRegion" not in made
    await world.settle()
    primary = await world.get(tools.east, made["KeyArn"])
    assert primary == made | {"ReplicationStatus": {tools.west: SYNCHRONIZED}}
    replica = await world.get(tools.west, made["KeyArn"])
    assert replica["KeyArn"] == tools.in_region(made["KeyArn"], tools.west)
    assert replica["MultiRegionKeyType"] == "REPLICA"
    assert replica["PrimaryRegion"] == tools.east
    own = {
        *("KeyArn", "MultiRegionKeyType", "PrimaryRegion", "ReplicationStatus"),
        "UsingDefaultReplicationRegions",
    }
    assert {k: v for k, v in replica.items() if k not in own} == {
        k: v for k, v in primary.items() if k not in own
    }
    assert world.material(tools.west, made["KeyArn"]) == world.material(tools.east, made["KeyArn"])


async def test_lists_show_type_and_primary_region(world: Any, tools: Any) -> None:
    """Replicas are listed like other keys; keys of one Region have neither member."""
    made = await world.create(ReplicationRegions=[tools.west, tools.south, tools.west])
    single = await world.create()
    await world.settle()
    primary, other = (await world.call(tools.east, "ListKeys"))["Keys"]
    assert primary["MultiRegionKeyType"] == "PRIMARY"
    assert "PrimaryRegion" not in primary
    assert other["KeyArn"] == single["KeyArn"]
    assert "MultiRegionKeyType" not in other
    for region in (tools.west, tools.south):
        (replica,) = (await world.call(region, "ListKeys"))["Keys"]
        assert replica["MultiRegionKeyType"] == "REPLICA"
        assert replica["PrimaryRegion"] == tools.east
        assert replica["KeyArn"] == tools.in_region(made["KeyArn"], region)


@pytest.mark.parametrize(
    ("algorithm", "usage", "modes"),
    [
        ("TDES_3KEY", "TR31_P0_PIN_ENCRYPTION_KEY", ("Encrypt", "Decrypt", "Wrap", "Unwrap")),
        ("AES_256", "TR31_K1_KEY_BLOCK_PROTECTION_KEY", ("Encrypt", "Decrypt", "Wrap", "Unwrap")),
        ("AES_128", "TR31_B0_BASE_DERIVATION_KEY", ("DeriveKey",)),
        ("HMAC_SHA512", "TR31_M7_HMAC_KEY", ("Generate", "Verify")),
        ("AES_192", "TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY", ("NoRestrictions",)),
    ],
)
async def test_every_symmetric_algorithm_is_replicated(
    world: Any, tools: Any, algorithm: str, usage: str, modes: tuple[str, ...]
) -> None:
    """Attributes, check value and material are the same there, HMAC keys included."""
    made = await world.create(
        KeyAttributes={
            "KeyUsage": usage,
            "KeyClass": "SYMMETRIC_KEY",
            "KeyAlgorithm": algorithm,
            "KeyModesOfUse": dict.fromkeys(modes, True),
        },
        ReplicationRegions=[tools.west],
    )
    await world.settle()
    replica = await world.get(tools.west, made["KeyArn"])
    for member in ("KeyAttributes", "KeyCheckValue", "KeyCheckValueAlgorithm", "Exportable"):
        assert replica[member] == made[member]
    assert world.material(tools.west, made["KeyArn"]) == world.material(tools.east, made["KeyArn"])


async def test_defaults_are_for_keys_made_afterwards(world: Any, tools: Any) -> None:
    """The key level wins over the account level; keys that cannot follow are made as they are."""
    before = await world.create()
    answer = await world.call(
        tools.east,
        "EnableDefaultKeyReplicationRegions",
        ReplicationRegions=[tools.west, tools.south, tools.west],
    )
    both = sorted([tools.west, tools.south])
    assert answer == {"EnabledReplicationRegions": both}
    assert "MultiRegionKeyType" not in await world.get(tools.east, before["KeyArn"])
    by_default = await world.create()
    assert by_default["UsingDefaultReplicationRegions"] is True
    assert by_default["ReplicationStatus"] == dict.fromkeys(both, IN_PROGRESS)
    chosen = await world.create(ReplicationRegions=[tools.west])
    assert chosen["UsingDefaultReplicationRegions"] is False
    assert set(chosen["ReplicationStatus"]) == {tools.west}
    assert "MultiRegionKeyType" not in await world.create(ReplicationRegions=[])
    assert "MultiRegionKeyType" not in await world.create(Exportable=False)
    pair = {
        "KeyUsage": "TR31_K3_ASYMMETRIC_KEY_FOR_KEY_AGREEMENT",
        "KeyClass": "ASYMMETRIC_KEY_PAIR",
        "KeyAlgorithm": "ECC_NIST_P256",
        "KeyModesOfUse": {"DeriveKey": True},
    }
    assert "MultiRegionKeyType" not in await world.create(KeyAttributes=pair)
    # Of that account and Region alone.
    assert await world.call(tools.west, "GetDefaultKeyReplicationRegions") == {
        "EnabledReplicationRegions": []
    }
    for _ in range(2):
        answer = await world.call(
            tools.east, "DisableDefaultKeyReplicationRegions", ReplicationRegions=[tools.west]
        )
        assert answer == {"EnabledReplicationRegions": [tools.south]}
    assert await world.call(tools.east, "GetDefaultKeyReplicationRegions") == answer
    await world.settle()
    assert (await world.get(tools.west, by_default["KeyArn"]))["MultiRegionKeyType"] == "REPLICA"


@pytest.mark.parametrize("region", ["us-east-1", "ap-south-1", "xx-nowhere-9"])
async def test_regions_that_cannot_be_are_refused(world: Any, tools: Any, region: str) -> None:
    """The key's own, one that is not served, one that does not exist: nothing is made."""
    arn = (await world.create())["KeyArn"]
    for operation, members in (
        ("CreateKey", {"KeyAttributes": tools.cvk, "Exportable": True}),
        ("AddKeyReplicationRegions", {"KeyIdentifier": arn}),
        ("EnableDefaultKeyReplicationRegions", {}),
    ):
        with pytest.raises(InvalidRequestError, match=region):
            await world.call(
                tools.east, operation, **members, ReplicationRegions=[tools.west, region]
            )
    assert len((await world.call(tools.east, "ListKeys"))["Keys"]) == 1
    assert world.status(arn) == {}


async def test_keys_that_cannot_leave_are_refused_regions(world: Any, tools: Any) -> None:
    """Asked for by name, what the defaults pass over is an error."""
    with pytest.raises(InvalidRequestError, match="exportable"):
        await world.create(Exportable=False, ReplicationRegions=[tools.west])
    hidden = await world.create(Exportable=False)
    with pytest.raises(InvalidRequestError, match="exportable"):
        await world.call(
            tools.east,
            "AddKeyReplicationRegions",
            KeyIdentifier=hidden["KeyArn"],
            ReplicationRegions=[tools.west],
        )
    with pytest.raises(InvalidRequestError, match="at least one"):
        await world.call(
            tools.east,
            "AddKeyReplicationRegions",
            KeyIdentifier=hidden["KeyArn"],
            ReplicationRegions=[],
        )


async def add(world: Any, arn: str, *regions: str) -> dict[str, Any]:
    answer = await world.call(
        "us-east-1", "AddKeyReplicationRegions", KeyIdentifier=arn, ReplicationRegions=[*regions]
    )
    key: dict[str, Any] = answer["Key"]
    return key


async def remove(world: Any, arn: str, *regions: str) -> dict[str, Any]:
    answer = await world.call(
        "us-east-1", "RemoveKeyReplicationRegions", KeyIdentifier=arn, ReplicationRegions=[*regions]
    )
    key: dict[str, Any] = answer["Key"]
    return key


async def test_regions_are_added_and_removed(world: Any, tools: Any) -> None:
    """Without Regions left the key is of one Region; added again, its replica comes back."""
    arn = (await world.create(Enabled=False))["KeyArn"]
    added = await add(world, arn, tools.west, tools.south)
    assert added["MultiRegionKeyType"] == "PRIMARY"
    await world.settle()
    assert (await world.get(tools.west, arn))["Enabled"] is False
    removing = await remove(world, arn, tools.west)
    assert removing["ReplicationStatus"] == {
        tools.west: {"Status": "DELETE_IN_PROGRESS"},
        tools.south: SYNCHRONIZED,
    }
    with pytest.raises(ConflictError, match="being deleted"):
        await add(world, arn, tools.west)
    await world.settle()
    assert (await world.get(tools.east, arn))["ReplicationStatus"] == {tools.south: SYNCHRONIZED}
    gone = await world.get(tools.west, arn)
    assert gone["KeyState"] == "DELETE_COMPLETE"
    with pytest.raises(InvalidRequestError, match="not replicated"):
        await remove(world, arn, tools.west)
    await remove(world, arn, tools.south)
    await world.settle()
    assert "MultiRegionKeyType" not in await world.get(tools.east, arn)
    assert "ReplicationStatus" not in await world.get(tools.east, arn)
    await add(world, arn, tools.west)
    await world.settle()
    assert (await world.get(tools.east, arn))["ReplicationStatus"] == {tools.west: SYNCHRONIZED}
    back = await world.get(tools.west, arn)
    assert back["KeyState"] == "CREATE_COMPLETE"
    assert "DeleteTimestamp" not in back
    assert world.material(tools.west, arn) == world.material(tools.east, arn)


async def test_stop_and_start_reach_the_replicas(world: Any, tools: Any) -> None:
    """Replicas follow, timestamps included, and the status says when they have."""
    arn = (await world.create(ReplicationRegions=[tools.west, tools.south]))["KeyArn"]
    await world.settle()
    for operation, enabled in (("StopKeyUsage", False), ("StartKeyUsage", True)):
        answer = await world.call(tools.east, operation, KeyIdentifier=arn)
        assert answer["Key"]["ReplicationStatus"][tools.west] == IN_PROGRESS
        await world.settle()
        primary = await world.get(tools.east, arn)
        assert primary["ReplicationStatus"][tools.south] == SYNCHRONIZED
        for region in (tools.west, tools.south):
            replica = await world.get(region, arn)
            assert replica["Enabled"] is enabled
            for member in ("UsageStartTimestamp", "UsageStopTimestamp"):
                assert replica.get(member) == primary.get(member)
        # Nothing changes, so nothing is sent.
        again = await world.call(tools.east, operation, KeyIdentifier=arn)
        assert again["Key"]["ReplicationStatus"][tools.west] == SYNCHRONIZED


async def test_a_replica_is_read_only(world: Any, tools: Any) -> None:
    """What would change it is refused; aliases, tags and use are its own Region's."""
    arn = (await world.create(ReplicationRegions=[tools.west]))["KeyArn"]
    await world.settle()
    replica = tools.in_region(arn, tools.west)
    for operation, members in (
        ("StartKeyUsage", {}),
        ("StopKeyUsage", {}),
        ("RestoreKey", {}),
        ("AddKeyReplicationRegions", {"ReplicationRegions": [tools.south]}),
        ("RemoveKeyReplicationRegions", {"ReplicationRegions": [tools.south]}),
    ):
        with pytest.raises(InvalidRequestError, match=f"replica.*{tools.east}"):
            await world.call(tools.west, operation, KeyIdentifier=replica, **members)
    await world.call(tools.west, "CreateAlias", AliasName="alias/cvk", KeyArn=replica)
    await world.call(
        tools.west, "TagResource", ResourceArn=replica, Tags=[{"Key": "a", "Value": "b"}]
    )
    assert (await world.call(tools.east, "ListTagsForResource", ResourceArn=arn))["Tags"] == []


async def test_deleting_a_primary_destroys_the_replicas_at_once(world: Any, tools: Any) -> None:
    """The primary waits; restored, it comes back alone, and Regions can be added again."""
    arn = (await world.create(ReplicationRegions=[tools.west, tools.south]))["KeyArn"]
    await world.settle()
    deleted = (await world.call(tools.east, "DeleteKey", KeyIdentifier=arn, DeleteKeyInDays=3))[
        "Key"
    ]
    assert deleted["KeyState"] == "DELETE_PENDING"
    assert deleted["ReplicationStatus"][tools.west] == {"Status": "DELETE_IN_PROGRESS"}
    await world.settle()
    assert "ReplicationStatus" not in await world.get(tools.east, arn)
    for region in (tools.west, tools.south):
        assert (await world.get(region, arn))["KeyState"] == "DELETE_COMPLETE"
        record = world.regions[region].store.key(tools.account, arn.rpartition("/")[2])
        assert record.sealed is None
    restored = (await world.call(tools.east, "RestoreKey", KeyIdentifier=arn))["Key"]
    assert restored["KeyState"] == "CREATE_COMPLETE"
    assert "MultiRegionKeyType" not in restored
    await world.settle()
    assert (await world.get(tools.west, arn))["KeyState"] == "DELETE_COMPLETE"
    await world.call(tools.east, "StartKeyUsage", KeyIdentifier=arn)
    await add(world, arn, tools.west)
    await world.settle()
    assert (await world.get(tools.west, arn))["Enabled"] is True


async def test_deleting_a_replica_affects_its_region_alone(world: Any, tools: Any) -> None:
    """It is destroyed at once; the primary drops the Region, and keeps everything else."""
    arn = (await world.create(ReplicationRegions=[tools.west, tools.south]))["KeyArn"]
    await world.settle()
    replica = tools.in_region(arn, tools.west)
    await world.call(tools.west, "CreateAlias", AliasName="alias/cvk", KeyArn=replica)
    deleted = (await world.call(tools.west, "DeleteKey", KeyIdentifier="alias/cvk"))["Key"]
    assert deleted["KeyState"] == "DELETE_COMPLETE"
    assert "DeletePendingTimestamp" not in deleted
    assert deleted["DeleteTimestamp"] == pytest.approx(world.now.timestamp(), abs=0.001)
    assert (
        "KeyArn" not in (await world.call(tools.west, "GetAlias", AliasName="alias/cvk"))["Alias"]
    )
    await world.settle()
    primary = await world.get(tools.east, arn)
    assert primary["KeyState"] == "CREATE_COMPLETE"
    assert primary["Enabled"] is True
    assert primary["ReplicationStatus"] == {tools.south: SYNCHRONIZED}
    assert (await world.get(tools.south, arn))["KeyState"] == "CREATE_COMPLETE"
    with pytest.raises(InvalidRequestError, match=r"not in CREATE_COMPLETE state\."):
        await world.call(tools.west, "DeleteKey", KeyIdentifier=replica)
    # A change of the primary does not bring it back; adding the Region does.
    await world.call(tools.east, "StopKeyUsage", KeyIdentifier=arn)
    await world.settle()
    assert (await world.get(tools.west, arn))["KeyState"] == "DELETE_COMPLETE"
    await add(world, arn, tools.west)
    await world.settle()
    assert (await world.get(tools.west, arn))["KeyState"] == "CREATE_COMPLETE"


async def test_quota_of_the_replica_region(make_world: Any, tools: Any) -> None:
    """Replicas count there; beyond the quota the status says so, until there is room again."""
    world = await make_world(limits=Limits(keys=2))
    blocking = [await world.create(tools.west) for _ in range(2)]
    arn = (await world.create(ReplicationRegions=[tools.west]))["KeyArn"]
    await world.settle()
    status, message = world.status(arn)[tools.west]
    assert status == "FAILED"
    assert "quota" in message
    shown = (await world.get(tools.east, arn))["ReplicationStatus"][tools.west]
    assert shown == {"Status": "FAILED", "StatusMessage": message}
    record = world.regions[tools.west].store.key(
        tools.account, blocking[0]["KeyArn"].rpartition("/")[2]
    )
    await world.call(tools.west, "DeleteKey", KeyIdentifier=blocking[0]["KeyArn"])
    world.now = world.now.replace(year=2027)
    await world.regions[tools.west].sweep(world.now)
    assert record is not None
    await add(world, arn, tools.west)
    await world.settle()
    assert world.status(arn) == {tools.west: ("SYNCHRONIZED", None)}
    with pytest.raises(QuotaExceededError):
        await world.create(tools.west)


async def test_an_id_in_use_is_never_overwritten(world: Any, tools: Any) -> None:
    """Another key of that id stays what it is, and the primary says why it has no replica."""
    from dataclasses import replace

    other = (await world.create(tools.west))["KeyArn"]
    foreign = world.regions[tools.west].store.key(tools.account, other.rpartition("/")[2])
    world.faults[tools.east, tools.west].down = True
    arn = (await world.create(ReplicationRegions=[tools.west]))["KeyArn"]
    taken = replace(foreign, key_id=arn.rpartition("/")[2])
    await world.regions[tools.west].store.write(lambda tx: tx.insert_key(taken))
    world.faults[tools.east, tools.west].down = False
    await world.settle()
    assert world.status(arn)[tools.west] == (
        "FAILED",
        f"the key id is in use in {tools.west} by another key",
    )
    assert world.regions[tools.west].store.key(tools.account, taken.key_id) == taken
    await remove(world, arn, tools.west)
    await world.settle()
    assert world.status(arn) == {}
    assert world.regions[tools.west].store.key(tools.account, taken.key_id) == taken


async def test_the_trail_tells_of_replicas_in_both_regions(world: Any, tools: Any) -> None:
    """CreateKey in each Region, synchronisation once for each side, deletion too."""
    arn = (await world.create(ReplicationRegions=[tools.west]))["KeyArn"]
    await world.settle()
    await world.call(tools.east, "StopKeyUsage", KeyIdentifier=arn)
    await world.settle()
    await remove(world, arn, tools.west)
    await world.settle()
    replica = tools.in_region(arn, tools.west)
    east = [e for e in world.events(tools.east) if e["eventName"] == "SynchronizeMultiRegionKey"]
    assert [e["serviceEventDetails"] for e in east] == [
        {"keyArn": arn, "replicationRegion": tools.west, "replicationType": kind}
        for kind in ("ExportKeyReplica", "ImportKeyReplica", "DeleteKeyReplica")
    ]
    made, imported, destroyed = world.events(tools.west)
    assert made["eventName"] == "CreateKey"
    assert made["userIdentity"] == {
        "accountId": tools.account,
        "invokedBy": "payment-cryptography.amazonaws.com",
    }
    assert set(made["requestParameters"]) == {"keyAttributes", "exportable", "enabled"}
    shown = made["responseElements"]["key"]
    assert shown["keyArn"] == replica
    assert shown["keyAttributes"]["keyModesOfUse"]["noRestrictions"] is False
    assert not {"createTimestamp", "multiRegionKeyType", "primaryRegion"} & set(shown)
    for event, kind in ((imported, "ImportKeyReplica"), (destroyed, "DeleteKeyReplica")):
        assert event["eventType"] == "AwsServiceEvent"
        assert event["awsRegion"] == tools.west
        assert event["requestParameters"] is event["responseElements"] is None
        assert event["serviceEventDetails"] == {
            "keyArn": replica,
            "replicationRegion": tools.west,
            "replicationType": kind,
        }
    create = next(e for e in world.events(tools.east) if e["eventName"] == "CreateKey")
    assert create["requestParameters"]["replicationRegions"] == [tools.west]
    assert create["responseElements"]["key"]["replicationStatus"] == {
        tools.west: {"status": "IN_PROGRESS"}
    }

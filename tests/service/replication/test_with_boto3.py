"""The announcement's walk-through with a real client, and a key used in both Regions."""

from __future__ import annotations

import time
from typing import Any

import boto3
import pytest
from botocore.config import Config

EAST, WEST = "us-east-1", "us-west-2"
CVK = {
    "KeyUsage": "TR31_C0_CARD_VERIFICATION_KEY",
    "KeyClass": "SYMMETRIC_KEY",
    "KeyAlgorithm": "TDES_2KEY",
    "KeyModesOfUse": {"Generate": True, "Verify": True},
}


def synchronized(client: Any, arn: str) -> Any:
    """GetKey until no Region is under way; the client's round trip is the pause."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        key = client.get_key(KeyIdentifier=arn)["Key"]
        states = {entry["Status"] for entry in key.get("ReplicationStatus", {}).values()}
        if not states & {"IN_PROGRESS", "DELETE_IN_PROGRESS"}:
            return key
    raise AssertionError(f"still under way: {key}")


def data_client(running_service: Any, region: str) -> Any:
    return boto3.client(
        "payment-cryptography-data",
        endpoint_url=running_service.url,
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_a_key_through_its_life_in_two_regions(running_service: Any) -> None:
    """Created, synchronized, used in both Regions, deleted, restored, added again."""
    east, west = running_service.client(EAST), running_service.client(WEST)
    made = east.create_key(KeyAttributes=CVK, Exportable=True, ReplicationRegions=[WEST])["Key"]
    assert made["MultiRegionKeyType"] == "PRIMARY"
    assert made["ReplicationStatus"] == {WEST: {"Status": "IN_PROGRESS"}}
    arn = made["KeyArn"]
    there = arn.replace(EAST, WEST)
    assert synchronized(east, arn)["ReplicationStatus"] == {WEST: {"Status": "SYNCHRONIZED"}}
    replica = west.get_key(KeyIdentifier=there)["Key"]
    assert replica["MultiRegionKeyType"] == "REPLICA"
    assert replica["KeyCheckValue"] == made["KeyCheckValue"]
    assert replica["CreateTimestamp"] == made["CreateTimestamp"]

    card = {"PrimaryAccountNumber": "4000001234567899"}
    attributes = {"CardVerificationValue2": {"CardExpiryDate": "1228"}}
    value = data_client(running_service, EAST).generate_card_validation_data(
        KeyIdentifier=arn, GenerationAttributes=attributes, **card
    )["ValidationData"]
    verified = data_client(running_service, WEST).verify_card_validation_data(
        KeyIdentifier=there, VerificationAttributes=attributes, ValidationData=value, **card
    )
    assert verified["KeyCheckValue"] == made["KeyCheckValue"]

    with pytest.raises(west.exceptions.ValidationException, match="replica"):
        west.stop_key_usage(KeyIdentifier=there)
    east.delete_key(KeyIdentifier=arn, DeleteKeyInDays=3)
    assert "ReplicationStatus" not in synchronized(east, arn)
    assert west.get_key(KeyIdentifier=there)["Key"]["KeyState"] == "DELETE_COMPLETE"
    assert "MultiRegionKeyType" not in east.restore_key(KeyIdentifier=arn)["Key"]
    east.start_key_usage(KeyIdentifier=arn)
    east.add_key_replication_regions(KeyIdentifier=arn, ReplicationRegions=[WEST])
    assert synchronized(east, arn)["ReplicationStatus"] == {WEST: {"Status": "SYNCHRONIZED"}}
    assert west.get_key(KeyIdentifier=there)["Key"]["Enabled"] is True


def test_account_level_regions(running_service: Any) -> None:
    """Enabled, used by the next key, disabled, used no more."""
    west = running_service.client(WEST)
    regions = {"ReplicationRegions": [EAST]}
    enabled = west.enable_default_key_replication_regions(**regions)
    assert enabled["EnabledReplicationRegions"] == [EAST]
    made = west.create_key(KeyAttributes=CVK, Exportable=True)["Key"]
    assert made["UsingDefaultReplicationRegions"] is True
    disabled = west.disable_default_key_replication_regions(**regions)
    assert disabled["EnabledReplicationRegions"] == []
    assert west.get_default_key_replication_regions()["EnabledReplicationRegions"] == []
    assert "MultiRegionKeyType" not in west.create_key(KeyAttributes=CVK, Exportable=True)["Key"]
    assert synchronized(west, made["KeyArn"])["ReplicationStatus"][EAST]["Status"] == "SYNCHRONIZED"
    for region in (WEST, "eu-west-1"):
        with pytest.raises(west.exceptions.ValidationException, match=region):
            west.create_key(KeyAttributes=CVK, Exportable=True, ReplicationRegions=[region])

"""Which Regions keys may be replicated to, where the owner names them."""

from __future__ import annotations

from typing import Any

import pytest

from keyferry.service.context import Peers
from keyferry.service.errors import InvalidRequestError
from keyferry.service.rules import Rules


@pytest.fixture
def reaching(service: Any) -> Any:
    """A service that reaches two Regions, of which its owner allows one."""
    service.peers = Peers(regions=frozenset({"us-west-2", "eu-west-1"}), owner="tests")
    service.rules = Rules(replication_regions=frozenset({"us-west-2"}))
    return service


async def test_a_region_outside_the_list_is_refused(reaching: Any) -> None:
    """At creation, later and as a default alike; the one inside is taken."""
    words = "eu-west-1 is no Region this service replicates keys to"
    with pytest.raises(InvalidRequestError, match=words):
        await reaching.create("P0", "AES_128", "B", ReplicationRegions=["us-west-2", "eu-west-1"])
    with pytest.raises(InvalidRequestError, match=words):
        await reaching.call("EnableDefaultKeyReplicationRegions", ReplicationRegions=["eu-west-1"])
    key = await reaching.create("P0", "AES_128", "B", ReplicationRegions=["us-west-2"])
    assert list(key["ReplicationStatus"]) == ["us-west-2"]
    with pytest.raises(InvalidRequestError, match=words):
        await reaching.call(
            "AddKeyReplicationRegions",
            KeyIdentifier=key["KeyArn"],
            ReplicationRegions=["eu-west-1"],
        )


async def test_a_default_from_before_the_list(reaching: Any) -> None:
    """A default that the list leaves out no longer sends keys there."""
    reaching.rules = Rules()
    await reaching.call(
        "EnableDefaultKeyReplicationRegions", ReplicationRegions=["us-west-2", "eu-west-1"]
    )
    reaching.rules = Rules(replication_regions=frozenset({"us-west-2"}))
    key = await reaching.create("P0", "AES_128", "B")
    assert list(key["ReplicationStatus"]) == ["us-west-2"]
    reaching.rules = Rules(replication_regions=frozenset())
    key = await reaching.create("P0", "AES_128", "B")
    assert not key.get("ReplicationStatus")

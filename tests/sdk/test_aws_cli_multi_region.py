"""The AWS CLI through the life of a Multi-Region key, as the real service announced it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

EAST, WEST = "us-east-1", "us-west-2"
CVK = (
    "KeyUsage=TR31_C0_CARD_VERIFICATION_KEY,KeyClass=SYMMETRIC_KEY,KeyAlgorithm=TDES_2KEY,"
    "KeyModesOfUse={Generate=true,Verify=true}"
)


class CLI:
    """The AWS CLI with only the endpoint changed."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def __call__(
        self, *arguments: str, region: str = EAST, service: str = "payment-cryptography"
    ) -> dict[str, Any]:
        done = self.run(*arguments, region=region, service=service)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def run(
        self, *arguments: str, region: str = EAST, service: str = "payment-cryptography"
    ) -> subprocess.CompletedProcess[str]:
        program = str(Path(sys.executable).with_name("aws"))
        return subprocess.run(
            [program, service, *arguments, "--region", region],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def states(self, arn: str, *, until: dict[str, str]) -> list[dict[str, str]]:
        """The states `get-key` shows, each once, until the last; a call is the pause."""
        seen: list[dict[str, str]] = []
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            status = self("get-key", "--key-identifier", arn)["Key"].get("ReplicationStatus", {})
            state = {region: entry["Status"] for region, entry in status.items()}
            if state not in seen:
                seen.append(state)
            if state == until:
                return seen
        raise AssertionError(seen)


def test_a_key_for_two_regions(client_environment: dict[str, str]) -> None:
    """Created, used in both, deleted with its replica, restored alone, replicated again."""
    aws = CLI(client_environment)
    made = aws(
        "create-key",
        "--exportable",
        *("--key-attributes", CVK),
        *("--replication-regions", WEST),
    )["Key"]
    arn = made["KeyArn"]
    assert made["MultiRegionKeyType"] == "PRIMARY"
    assert made["ReplicationStatus"] == {WEST: {"Status": "IN_PROGRESS"}}
    assert made["UsingDefaultReplicationRegions"] is False
    assert "PrimaryRegion" not in made
    order = aws.states(arn, until={WEST: "SYNCHRONIZED"})
    assert order in ([{WEST: "SYNCHRONIZED"}], [{WEST: "IN_PROGRESS"}, {WEST: "SYNCHRONIZED"}])

    # The same key id, with only the Region changed.
    there = arn.replace(f":{EAST}:", f":{WEST}:")
    replica = aws("get-key", "--key-identifier", there, region=WEST)["Key"]
    assert replica["KeyArn"] == there
    assert replica["MultiRegionKeyType"] == "REPLICA"
    assert replica["PrimaryRegion"] == EAST
    assert not {"ReplicationStatus", "UsingDefaultReplicationRegions"} & replica.keys()
    for member in (
        *("KeyAttributes", "KeyCheckValue", "KeyCheckValueAlgorithm", "CreateTimestamp"),
        *("Enabled", "Exportable", "KeyState", "KeyOrigin", "UsageStartTimestamp"),
    ):
        assert replica[member] == made[member]
    listed = aws("list-keys", region=WEST)["Keys"]
    assert [key["MultiRegionKeyType"] for key in listed if key["KeyArn"] == there] == ["REPLICA"]

    # A CVV made in one Region verifies in the other.
    cvv = aws(
        "generate-card-validation-data",
        *("--key-identifier", arn),
        *("--primary-account-number", "4123456789012345"),
        "--generation-attributes",
        "CardVerificationValue1={CardExpiryDate=1229,ServiceCode=101}",
        service="payment-cryptography-data",
    )["ValidationData"]
    verified = aws(
        "verify-card-validation-data",
        *("--key-identifier", there),
        *("--primary-account-number", "4123456789012345"),
        "--verification-attributes",
        "CardVerificationValue1={CardExpiryDate=1229,ServiceCode=101}",
        *("--validation-data", cvv),
        service="payment-cryptography-data",
        region=WEST,
    )
    assert verified["KeyArn"] == there

    # The replica follows, and is read-only.
    aws("stop-key-usage", "--key-identifier", arn)
    aws.states(arn, until={WEST: "SYNCHRONIZED"})
    assert aws("get-key", "--key-identifier", there, region=WEST)["Key"]["Enabled"] is False
    refused = aws.run("start-key-usage", "--key-identifier", there, region=WEST)
    assert refused.returncode
    assert "ValidationException" in refused.stderr
    aws("start-key-usage", "--key-identifier", arn)

    # Deleting the primary destroys the replica at once; the primary waits, and is restored alone.
    deleted = aws("delete-key", "--key-identifier", arn, "--delete-key-in-days", "3")["Key"]
    assert deleted["KeyState"] == "DELETE_PENDING"
    assert deleted["ReplicationStatus"] == {WEST: {"Status": "DELETE_IN_PROGRESS"}}
    assert aws.states(arn, until={})[-1] == {}
    gone = aws("get-key", "--key-identifier", there, region=WEST)["Key"]
    assert gone["KeyState"] == "DELETE_COMPLETE"
    restored = aws("restore-key", "--key-identifier", arn)["Key"]
    assert restored["KeyState"] == "CREATE_COMPLETE"
    assert not {"ReplicationStatus", "MultiRegionKeyType"} & restored.keys()

    # Replicated again by hand, it is the same key there.
    added = aws(
        "add-key-replication-regions",
        *("--key-identifier", arn),
        *("--replication-regions", WEST),
    )["Key"]
    assert added["MultiRegionKeyType"] == "PRIMARY"
    assert added["ReplicationStatus"] == {WEST: {"Status": "IN_PROGRESS"}}
    aws.states(arn, until={WEST: "SYNCHRONIZED"})
    back = aws("get-key", "--key-identifier", there, region=WEST)["Key"]
    assert back["KeyState"] == "CREATE_COMPLETE"
    assert back["KeyCheckValue"] == made["KeyCheckValue"]
    aws(
        "remove-key-replication-regions",
        *("--key-identifier", arn),
        *("--replication-regions", WEST),
    )
    assert aws.states(arn, until={})[-1] == {}


def test_regions_of_an_account(client_environment: dict[str, str]) -> None:
    """Enabled, they apply to keys created from then on; disabled, to none that come later."""
    aws = CLI(client_environment)
    before = aws("create-key", "--exportable", "--key-attributes", CVK)["Key"]
    enabled = aws("enable-default-key-replication-regions", "--replication-regions", WEST)
    assert enabled == {"EnabledReplicationRegions": [WEST]}
    assert aws("get-default-key-replication-regions") == enabled
    made = aws("create-key", "--exportable", "--key-attributes", CVK)["Key"]
    assert made["UsingDefaultReplicationRegions"] is True
    assert made["ReplicationStatus"] == {WEST: {"Status": "IN_PROGRESS"}}
    aws.states(made["KeyArn"], until={WEST: "SYNCHRONIZED"})
    # One that cannot leave is of one Region, and no error.
    stays = aws("create-key", "--no-exportable", "--key-attributes", CVK)["Key"]
    assert "MultiRegionKeyType" not in stays
    assert "MultiRegionKeyType" not in aws("get-key", "--key-identifier", before["KeyArn"])["Key"]

    disabled = aws("disable-default-key-replication-regions", "--replication-regions", WEST)
    assert disabled == {"EnabledReplicationRegions": []}
    after = aws("create-key", "--exportable", "--key-attributes", CVK)["Key"]
    assert "ReplicationStatus" not in after
    kept = aws("get-key", "--key-identifier", made["KeyArn"])["Key"]
    assert kept["ReplicationStatus"] == {WEST: {"Status": "SYNCHRONIZED"}}
    again = aws("enable-default-key-replication-regions", "--replication-regions", WEST)
    assert again == enabled
    aws("disable-default-key-replication-regions", "--replication-regions", WEST)

"""`--replicate-to`: the received key in a second Region, compared and proven by use there too."""

from __future__ import annotations

from typing import Any

import pytest

PROVEN = [
    ("TR31_C0_CARD_VERIFICATION_KEY", "CVV made by the sender, verified by the receiver"),
    ("TR31_P0_PIN_ENCRYPTION_KEY", "PIN block made by the sender, translated by the receiver"),
    ("TR31_V2_VISA_PIN_VERIFICATION_KEY", "PVV made by the sender, verified by the receiver"),
    ("TR31_E0_EMV_MKEY_APP_CRYPTOGRAMS", "ARQC made by the receiver, verified by the sender"),
    ("TR31_K1_KEY_BLOCK_PROTECTION_KEY", "key block made by the sender, unwrapped by the receiver"),
]


@pytest.fixture
def data_plane(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The AWS conventions say where the data plane is."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY_DATA", service)


def _document(simulator: int, usage: str) -> dict[str, Any]:
    flow = {"key_usage": usage, "key_algorithm": "TDES_2KEY"}
    return {
        "kdh": {"payshield": {"port": simulator, "ecdh": flow}},
        "krd": {"apc": {"region": "us-east-1"}},
    }


@pytest.mark.parametrize(("usage", "proof"), PROVEN)
def test_a_replica_is_proven_like_the_key(
    exchange, aws, data_plane, region, keys, simulator: int, usage: str, proof: str
) -> None:
    """What the HSM made verifies in both Regions; only the ARN's Region differs."""
    before = {name: set(keys(name)) for name in ("us-east-1", "us-west-2")}
    done = exchange(
        "ecdh", "payshield", _document(simulator, usage), "--prove", "--replicate-to", "us-west-2"
    )
    result = done.result
    (replica,) = result["replicas"]
    assert result["proof_by_use"] == replica["proof_by_use"] == proof
    assert replica["key_check_value"] == result["key_check_value"]
    assert replica["key_arn"] == result["key_arn"].replace("us-east-1", "us-west-2")
    shown = region("us-west-2").get_key(KeyIdentifier=replica["key_arn"])["Key"]
    assert shown["MultiRegionKeyType"] == "REPLICA"
    # Throw-away keys are gone from both Regions.
    assert set(keys("us-east-1")) - before["us-east-1"] == {result["key_arn"]}
    assert replica["key_arn"] in set(keys("us-west-2")) - before["us-west-2"]
    assert len(set(keys("us-west-2")) - before["us-west-2"]) == 1


def test_without_proof_the_replica_is_compared(exchange, aws, simulator: int) -> None:
    """Check value and attributes of the replica are the key's."""
    document = _document(simulator, "TR31_C0_CARD_VERIFICATION_KEY")
    result = exchange("ecdh", "payshield", document, "--replicate-to", "us-west-2").result
    (replica,) = result["replicas"]
    assert (replica["region"], replica["proof_by_use"]) == ("us-west-2", "")
    assert replica["key_check_value"] == result["key_check_value"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--replicate-to", "us-east-1"), "the key itself arrives there"),
        (("--replicate-to", "us-west-2", "--replicate-to", "us-west-2"), "named twice"),
    ],
)
def test_regions_that_make_no_sense(
    exchange, aws, keys, simulator: int, options: tuple[str, ...], message: str
) -> None:
    """They are refused as a usage error, before anything is called."""
    before = keys()
    document = _document(simulator, "TR31_C0_CARD_VERIFICATION_KEY")
    done = exchange("ecdh", "payshield", document, *options)
    assert done.code == 2
    assert message in done.err
    assert "Step" not in done.err
    assert keys() == before


def test_only_the_service_replicates(exchange, aws, simulator: int, futurex_simulator: int) -> None:
    """A key in an HSM has no replicas."""
    document = {
        "kdh": {"payshield": {"port": simulator}},
        "krd": {"futurex": {"port": futurex_simulator}},
    }
    done = exchange(
        "ecdh", "payshield", document, "--krd", "futurex", "--replicate-to", "us-west-2"
    )
    assert done.code == 2
    assert "only keys in the service have replicas" in done.err


def test_a_region_that_is_not_served(exchange, aws, keys, simulator: int) -> None:
    """The service refuses it, and the key that arrived is taken back."""
    before = set(keys())
    document = _document(simulator, "TR31_C0_CARD_VERIFICATION_KEY")
    done = exchange("ecdh", "payshield", document, "--replicate-to", "eu-central-1")
    assert done.code == 1
    assert "AddKeyReplicationRegions refused" in done.err
    assert "scheduled for deletion" in done.err
    assert set(keys()) == before


def test_a_replica_with_another_key(
    exchange, aws, keys, simulator: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica that shows another check value is an error, and the key is taken back."""
    from dataclasses import replace

    from keyferry.exchange.parties.apc import APCParty

    genuine = APCParty.replicate

    async def another(self: APCParty, received: Any, region: str) -> Any:
        return replace(await genuine(self, received, region), check_value="000000")

    monkeypatch.setattr(APCParty, "replicate", another)
    before = set(keys())
    document = _document(simulator, "TR31_C0_CARD_VERIFICATION_KEY")
    done = exchange("ecdh", "payshield", document, "--replicate-to", "us-west-2")
    assert done.code == 1
    assert "the replica in us-west-2 shows check value 000000" in done.err
    assert set(keys()) == before

"""From one Region of the service to another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Config = Callable[..., dict[str, Any]]

PIN_KEY = {
    "KeyAttributes": {
        "KeyUsage": "TR31_P0_PIN_ENCRYPTION_KEY",
        "KeyClass": "SYMMETRIC_KEY",
        "KeyAlgorithm": "AES_128",
        "KeyModesOfUse": {"Encrypt": True, "Decrypt": True, "Wrap": True, "Unwrap": True},
    },
    "Exportable": True,
}


def config(method: str = "tr34", kdh: dict[str, Any] | None = None, **krd: Any) -> dict[str, Any]:
    """A configuration from us-west-2 to us-east-1."""
    return {
        "kdh": {"apc": {"region": "us-west-2", method: kdh or {}}},
        "krd": {"apc": {"region": "us-east-1", method: krd}},
    }


@pytest.mark.parametrize("method", ["tr34", "ecdh"])
def test_a_generated_key_arrives(exchange, aws, region, method: str) -> None:
    """Without a transport_key the sending Region makes one; both hold it afterwards."""
    result = exchange(method, "apc", config(method)).result
    assert result["kdh"] == "APC us-west-2"
    assert result["kdh_key_generated"] is True
    sent = region("us-west-2").get_key(KeyIdentifier=result["kdh_key"])["Key"]
    received = region("us-east-1").get_key(KeyIdentifier=result["key_arn"])["Key"]
    assert sent["KeyCheckValue"] == received["KeyCheckValue"] == result["key_check_value"]
    assert sent["KeyAttributes"] == received["KeyAttributes"]


def test_tr31_under_a_kek_established_by_tr34(exchange, aws, region) -> None:
    """A KEK goes over by TR-34, then an existing key under it by TR-31, named by alias."""
    kek = exchange("tr34", "apc", config("tr34", {"key_algorithm": "AES_128"})).result
    key = region("us-west-2").create_key(**PIN_KEY)["Key"]
    region("us-west-2").create_alias(AliasName="alias/pin-key-to-move", KeyArn=key["KeyArn"])
    document = config(
        "tr31",
        {
            "kek": kek["kdh_key"],
            "transport_key": "alias/pin-key-to-move",
            "transport_key_kcv": key["KeyCheckValue"].lower(),
        },
        kek=kek["key_arn"],
    )
    result = exchange("tr31", "apc", document).result
    assert result["kdh_key"] == key["KeyArn"]
    assert result["kdh_key_generated"] is False
    assert result["wrapped_key"].startswith("D0144P0AB00S0000")
    assert result["key_check_value"] == key["KeyCheckValue"]


def test_an_existing_key_with_another_check_value(exchange, aws, region, keys) -> None:
    """A wrong transport_key_kcv: exit code 1, nothing imported, the existing key untouched."""
    key = region("us-west-2").create_key(**PIN_KEY)["Key"]
    before = keys("us-east-1"), keys("us-west-2")
    stated = {"transport_key": key["KeyArn"], "transport_key_kcv": "000000"}
    done = exchange("tr34", "apc", config("tr34", stated))
    assert done.code == 1
    assert f"{key['KeyArn']} has check value {key['KeyCheckValue']}, not 000000" in done.err
    assert (keys("us-east-1"), keys("us-west-2")) == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Exportable": False}, "is not exportable"),
        ({"Enabled": False}, "is disabled"),
    ],
)
def test_a_key_that_cannot_leave(exchange, aws, region, keys, change, said: str) -> None:
    """What the sending Region would refuse is refused before anything is created."""
    key = region("us-west-2").create_key(**PIN_KEY | change)["Key"]
    before = keys("us-east-1"), keys("us-west-2")
    done = exchange("ecdh", "apc", config("ecdh", {"transport_key": key["KeyArn"]}))
    assert done.code == 1
    assert said in done.err
    assert (keys("us-east-1"), keys("us-west-2")) == before


def test_a_key_of_another_algorithm_than_stated(exchange, aws, region) -> None:
    """key_algorithm of an existing key is held against the key."""
    key = region("us-west-2").create_key(**PIN_KEY)["Key"]
    stated = {"transport_key": key["KeyArn"], "key_algorithm": "TDES_2KEY"}
    done = exchange("tr34", "apc", config("tr34", stated))
    assert done.code == 1
    assert "has algorithm AES_128, not TDES_2KEY" in done.err


def test_a_key_of_another_usage_than_stated(exchange, aws, region) -> None:
    """key_usage of an existing key is held against the key."""
    key = region("us-west-2").create_key(**PIN_KEY)["Key"]
    stated = {"transport_key": key["KeyArn"], "key_usage": "TR31_K0_KEY_ENCRYPTION_KEY"}
    done = exchange("tr34", "apc", config("tr34", stated))
    assert done.code == 1
    assert "has usage TR31_P0_PIN_ENCRYPTION_KEY, not TR31_K0_KEY_ENCRYPTION_KEY" in done.err


def test_an_aes_256_key_by_tr34_is_refused_by_strength(exchange, aws, region, keys) -> None:
    """Its algorithm is known only after looking it up; then nothing has been created yet."""
    stronger = {**PIN_KEY, "KeyAttributes": {**PIN_KEY["KeyAttributes"], "KeyAlgorithm": "AES_256"}}
    key = region("us-west-2").create_key(**stronger)["Key"]
    before = keys("us-east-1"), keys("us-west-2")
    done = exchange("tr34", "apc", config("tr34", {"transport_key": key["KeyArn"]}))
    assert done.code == 1
    assert "at least as strong" in done.err
    assert (keys("us-east-1"), keys("us-west-2")) == before


def test_a_missing_key(exchange, aws) -> None:
    """An ARN nobody has: the refusal of the service is told with its code and a hint."""
    missing = "arn:aws:payment-cryptography:us-west-2:111122223333:key/aaaaaaaaaaaaaaaa"
    done = exchange("tr34", "apc", config("tr34", {"transport_key": missing}))
    assert done.code == 1
    assert "GetKey refused with ResourceNotFoundException" in done.err
    assert "keyferry: hint: check the key ARN or alias, and its Region" in done.err


def test_a_failure_in_the_receiving_region_takes_everything_back(
    exchange, aws, region, keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the import is refused, the generated key and the CA keys are deleted again, and told."""
    before = keys("us-east-1"), keys("us-west-2")
    from keyferry.exchange.parties.apc import APCParty

    original = APCParty.import_tr34

    async def changed(self: APCParty, token: bytes, **arguments: Any) -> Any:
        return await original(self, token[:-1] + bytes([token[-1] ^ 1]), **arguments)

    monkeypatch.setattr(APCParty, "import_tr34", changed)
    done = exchange("tr34", "apc", config("tr34"))
    assert done.code == 1
    assert "ImportKey refused with ValidationException" in done.err
    assert done.err.count("is scheduled for deletion in 3 days") == 3
    assert (keys("us-east-1"), keys("us-west-2")) == before


def test_a_key_that_cannot_be_proven_is_taken_back(
    exchange, aws, keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the check values differ after import: exit code 1, the ARN is told and deleted."""
    before = keys("us-east-1"), keys("us-west-2")
    from dataclasses import replace

    from keyferry.exchange.parties.apc import APCParty

    original = APCParty.import_ecdh

    async def changed(self: APCParty, block: str, **arguments: Any) -> Any:
        return replace(await original(self, block, **arguments), check_value="000000")

    monkeypatch.setattr(APCParty, "import_ecdh", changed)
    done = exchange("ecdh", "apc", config("ecdh"))
    assert done.code == 1
    assert "was created, but the receiver shows check value 000000" in done.err
    assert "do not use the key" in done.err
    assert "(the imported key) is scheduled for deletion" in done.err
    assert (keys("us-east-1"), keys("us-west-2")) == before

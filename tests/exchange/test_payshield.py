"""A payShield into the service: three protocols, both LMK schemes, generated and existing keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

# The clear test key 0123456789ABCDEFFEDCBA9876543210 under the public test LMK (check value
# 08D7B4), by key type: closed by computation in the reference, appendix A.
EXISTING = {
    "TR31_K1_KEY_BLOCK_PROTECTION_KEY": "U42BBE7D9A0A55D0EBDE055DE2791ACCD",
    "TR31_P0_PIN_ENCRYPTION_KEY": "U063A0E7C0F2124E56192A4510F395ED7",
    "TR31_B0_BASE_DERIVATION_KEY": "U8E3D3E2FD5919657F05A1AA90D32A014",
    "TR31_C0_CARD_VERIFICATION_KEY": "U9B4934384B19946B040CD702B4D58145",
}


@pytest.fixture
def config(simulator: int, aws) -> Callable[..., dict[str, Any]]:
    """Make a configuration of a simulated payShield and us-east-1."""

    def make(method: str = "tr34", *, variant: bool = False, kek: str = "", **flow: Any) -> Any:
        payshield = {"port": simulator, "variant_lmk": variant, method: flow}
        return {
            "kdh": {"payshield": payshield},
            "krd": {"apc": {"region": "us-east-1", "tr31": {"kek": kek}}},
        }

    return make


@pytest.fixture
def establish(exchange, config) -> Callable[..., dict[str, Any]]:
    """Bring a KEK over by TR-34 (ECDH for AES_256) and return the result."""

    def bring(*, variant: bool = False, algorithm: str = "") -> dict[str, Any]:
        flow = {"key_algorithm": algorithm} if algorithm else {}
        method = "ecdh" if algorithm == "AES_256" else "tr34"
        result: dict[str, Any] = exchange(
            method, "payshield", config(method, variant=variant, **flow)
        ).result
        return result

    return bring


@pytest.mark.parametrize("variant", [False, True], ids=["key-block", "variant"])
def test_tr34_of_a_generated_key(exchange, config, region, variant: bool) -> None:
    """The HSM makes a KEK; the service holds the same key afterwards."""
    result = exchange("tr34", "payshield", config(variant=variant)).result
    assert result["kdh_key_generated"] is True
    assert result["kdh_key"].startswith("U" if variant else "S1")
    assert result["key_check_value"] == result["kdh_key_check_value"]
    key = region().get_key(KeyIdentifier=result["key_arn"])["Key"]
    assert key["KeyCheckValue"] == result["kdh_key_check_value"]
    assert key["KeyAttributes"]["KeyUsage"] == "TR31_K1_KEY_BLOCK_PROTECTION_KEY"
    expected = "TDES_2KEY" if variant else "TDES_3KEY"
    assert key["KeyAttributes"]["KeyAlgorithm"] == expected


@pytest.mark.parametrize("usage", list(EXISTING))
def test_tr34_of_an_existing_variant_key(exchange, config, region, usage: str) -> None:
    """A key under the public test LMK arrives with its published check value."""
    flow = {"transport_key": EXISTING[usage], "transport_key_kcv": "08D7B4", "key_usage": usage}
    result = exchange("tr34", "payshield", config(variant=True, **flow)).result
    assert result["key_check_value"] == "08D7B4"
    assert result["kdh_key_generated"] is False
    key = region().get_key(KeyIdentifier=result["key_arn"])["Key"]
    assert key["KeyAttributes"]["KeyUsage"] == usage


@pytest.mark.parametrize("variant", [False, True], ids=["key-block", "variant"])
@pytest.mark.parametrize("existing", [False, True], ids=["generated", "existing"])
def test_tr31(exchange, config, establish, variant: bool, existing: bool) -> None:
    """Under the KEK that TR-34 established a working key goes over by TR-31."""
    kek = establish(variant=variant)
    first = config("tr31", variant=variant, kek=kek["key_arn"])
    first["kdh"]["payshield"]["tr31"] = {"kek": kek["kdh_key"]}
    result = exchange("tr31", "payshield", first).result
    assert result["received"]["key_usage"] == "B0"
    assert result["key_encryption_key"] == kek["key_arn"]
    assert result["kek_check_value"] == kek["key_check_value"]
    if existing:
        first["kdh"]["payshield"]["tr31"] |= {
            "transport_key": result["kdh_key"],
            "transport_key_kcv": result["kdh_key_check_value"],
        }
        again = exchange("tr31", "payshield", first).result
        assert again["kdh_key_generated"] is False
        assert again["key_arn"] != result["key_arn"]
        assert again["key_check_value"] == result["key_check_value"]


@pytest.mark.parametrize("algorithm", ["TDES_2KEY", "TDES_3KEY", "AES_128", "AES_192", "AES_256"])
def test_ecdh_of_every_algorithm(exchange, config, algorithm: str) -> None:
    """Every cipher key travels under an agreed AES_256 key, and exists on both sides."""
    flow = {"key_algorithm": algorithm, "key_usage": "TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY"}
    result = exchange("ecdh", "payshield", config("ecdh", **flow)).result
    assert result["received"]["key_algorithm"] == algorithm
    assert result["wrapped_key"].startswith("D")


def test_ecdh_of_an_existing_key(exchange, config) -> None:
    """The key of one exchange, in the HSM's own form, is the transport key of the next."""
    made = exchange("ecdh", "payshield", config("ecdh")).result
    flow = {"transport_key": made["kdh_key"], "transport_key_kcv": made["kdh_key_check_value"]}
    again = exchange("ecdh", "payshield", config("ecdh", **flow)).result
    assert again["kdh_key_generated"] is False
    assert again["key_check_value"] == made["key_check_value"]


@pytest.mark.parametrize("function", ["NIST_SP800", "ANSI_X963"])
@pytest.mark.parametrize("hash_name", ["SHA_256", "SHA_512"])
def test_ecdh_derivations(exchange, config, function: str, hash_name: str) -> None:
    """Both sides derive alike, whichever function and hash, TDES keys included."""
    flow = {
        "key_derivation_function": function,
        "hash_algorithm": hash_name,
        "derive_key_algorithm": "TDES_3KEY",
        "key_algorithm": "TDES_2KEY",
        "shared_info": "0123456789",
    }
    result = exchange("ecdh", "payshield", config("ecdh", **flow)).result
    assert result["wrapped_key"].startswith("B")


def test_tr31_under_an_aes_kek(exchange, config, establish) -> None:
    """An AES KEK makes blocks of version D, also for TDES keys."""
    kek = establish(algorithm="AES_256")
    document = config("tr31", kek=kek["key_arn"])
    document["kdh"]["payshield"]["tr31"] = {
        "kek": kek["kdh_key"],
        "key_algorithm": "AES_128",
        "key_usage": "TR31_P0_PIN_ENCRYPTION_KEY",
    }
    result = exchange("tr31", "payshield", document).result
    assert result["wrapped_key"].startswith("D0")
    assert result["received"]["key_algorithm"] == "AES_128"


@pytest.mark.parametrize(
    ("method", "variant"),
    [("tr34", False), ("tr31", False), ("ecdh", False), ("tr34", True), ("tr31", True)],
)
def test_a_wrong_check_value_imports_nothing(
    exchange, config, establish, keys, method: str, variant: bool
) -> None:
    """A wrong transport_key_kcv ends in exit code 1 before anything reaches the service."""
    kek = establish(variant=variant)
    before = keys()
    document = config(method, variant=variant, kek=kek["key_arn"])
    document["kdh"]["payshield"][method] = {
        "transport_key": kek["kdh_key"],
        "transport_key_kcv": "000000",
        "key_usage": "TR31_K1_KEY_BLOCK_PROTECTION_KEY",
        **({"kek": kek["kdh_key"]} if method == "tr31" else {}),
    }
    done = exchange(method, "payshield", document)
    assert done.code == 1
    told = json.loads(done.out)
    assert (told["proven"], told["diagnosis"]["id"]) == (False, "check-value")
    assert "for transport_key, not 000000" in done.err
    assert keys() == before


def test_ecdh_with_a_variant_lmk_is_refused_before_any_call(exchange, config) -> None:
    """The configuration alone shows it: exit code 2, no step is begun, nothing is called."""
    document = config("ecdh", variant=True)
    document["kdh"]["payshield"]["port"] = 1
    document["krd"]["apc"]["endpoint_url"] = "http://127.0.0.1:1"
    done = exchange("ecdh", "payshield", document)
    assert done.code == 2
    assert "a payShield does ECDH with a key block LMK only" in done.err
    assert "Step" not in done.err


def test_a_kek_the_service_does_not_share(exchange, config, establish, keys) -> None:
    """Two established KEKs mixed up: exit code 1, nothing is generated or imported."""
    one, other = establish(), establish()
    before = keys()
    document = config("tr31", kek=other["key_arn"])
    document["kdh"]["payshield"]["tr31"] = {"kek": one["kdh_key"]}
    done = exchange("tr31", "payshield", document)
    assert done.code == 1
    assert "the KEKs differ" in done.err
    assert keys() == before


def test_a_key_of_another_lmk(exchange, config, establish, keys) -> None:
    """A block changed in one character is refused by the HSM, in its words."""
    made = establish()
    before = keys()
    changed = made["kdh_key"][:-1] + ("0" if made["kdh_key"][-1] != "0" else "1")
    done = exchange("tr34", "payshield", config("tr34", transport_key=changed))
    assert done.code == 1
    assert "refused with error A4: key block authentication failure" in done.err
    assert keys() == before


def test_an_hsm_that_is_not_there(exchange, config, keys) -> None:
    """The address is told, and the service has not been asked for anything."""
    document = config()
    document["kdh"]["payshield"]["port"] = 1
    before = keys()
    done = exchange("tr34", "payshield", document)
    assert done.code == 1
    assert "the HSM at 127.0.0.1 port 1 cannot be reached" in done.err, done.err
    assert keys() == before


def test_debug_names_commands_only(exchange, config) -> None:
    """`debug` logs which commands were sent, not what was in them."""
    document = config()
    document["kdh"]["payshield"]["debug"] = True
    done = exchange("tr34", "payshield", document, "--log-format", "json")
    events = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
    commands = [e["command"] for e in events if e["event"] == "payshield_command"]
    assert commands == ["NC", "NC", "NO", "JK", "A0", "EI", "B8"]
    assert done.result["kdh_key"] not in done.err


def test_aes_128_by_tr34(exchange, config) -> None:
    """An AES_128 key goes under RSA_3072."""
    result = exchange("tr34", "payshield", config(key_algorithm="AES_128")).result
    assert result["received"]["key_algorithm"] == "AES_128"

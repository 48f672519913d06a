"""A Futurex HSM into the service: three protocols, generated and existing keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def config(futurex_simulator: int, aws) -> Callable[..., dict[str, Any]]:
    """Make a configuration of a simulated Futurex and us-east-1."""

    def make(method: str = "tr34", *, kek: str = "", **flow: Any) -> dict[str, Any]:
        return {
            "kdh": {"futurex": {"port": futurex_simulator, method: flow}},
            "krd": {"apc": {"region": "us-east-1", "tr31": {"kek": kek}}},
        }

    return make


@pytest.fixture
def establish(exchange, config) -> Callable[..., dict[str, Any]]:
    """Bring a KEK over by TR-34 (ECDH for AES_256) and return the result."""

    def bring(algorithm: str = "TDES_3KEY") -> dict[str, Any]:
        method = "ecdh" if algorithm == "AES_256" else "tr34"
        document = config(method, key_algorithm=algorithm)
        result: dict[str, Any] = exchange(method, "futurex", document).result
        return result

    return bring


def tr31_config(config, kek: dict[str, Any], **flow: Any) -> dict[str, Any]:
    """Make the configuration of a TR-31 exchange under an established KEK."""
    document: dict[str, Any] = config("tr31", kek=kek["key_arn"])
    document["kdh"]["futurex"]["tr31"] = {"kek": kek["kdh_key"], **flow}
    return document


def test_tr34_of_a_generated_key(exchange, config, region) -> None:
    """The HSM makes a KEK and certifies itself; the service holds the same key afterwards."""
    result = exchange("tr34", "futurex", config()).result
    assert result["kdh_key_generated"] is True
    assert result["kdh_key"].startswith("D0112K1TB00E0000")
    assert result["key_check_value"] == result["kdh_key_check_value"]
    assert len(result["nonce"]) == 16
    key = region().get_key(KeyIdentifier=result["key_arn"])["Key"]
    assert key["KeyCheckValue"] == result["kdh_key_check_value"]
    assert key["KeyAttributes"]["KeyUsage"] == "TR31_K1_KEY_BLOCK_PROTECTION_KEY"
    assert key["KeyAttributes"]["KeyAlgorithm"] == "TDES_3KEY"


def test_tr34_of_an_aes_key(exchange, config) -> None:
    """An AES_128 key goes in an AES envelope under RSA_3072."""
    result = exchange("tr34", "futurex", config(key_algorithm="AES_128")).result
    assert result["received"]["key_algorithm"] == "AES_128"


@pytest.mark.parametrize("method", ["tr34", "ecdh"])
def test_an_existing_key(exchange, config, method: str) -> None:
    """The key of one exchange, in the HSM's own form, is the transport key of the next."""
    made = exchange(method, "futurex", config(method)).result
    flow = {"transport_key": made["kdh_key"], "transport_key_kcv": made["kdh_key_check_value"]}
    again = exchange(method, "futurex", config(method, **flow)).result
    assert again["kdh_key_generated"] is False
    assert again["key_arn"] != made["key_arn"]
    assert again["key_check_value"] == made["key_check_value"]


@pytest.mark.parametrize(("algorithm", "version"), [("TDES_3KEY", "B"), ("AES_256", "D")])
def test_tr31(exchange, config, establish, algorithm: str, version: str) -> None:
    """Under an established KEK a working key goes over, generated and then existing."""
    kek = establish(algorithm)
    result = exchange("tr31", "futurex", tr31_config(config, kek)).result
    assert result["received"]["key_usage"] == "B0"
    assert result["wrapped_key"].startswith({"B": "B0096B0TX", "D": "D0112B0TX"}[version])
    assert result["key_encryption_key"] == kek["key_arn"]
    assert result["kek_check_value"] == kek["key_check_value"]
    existing = {
        "transport_key": result["kdh_key"],
        "transport_key_kcv": result["kdh_key_check_value"],
    }
    again = exchange("tr31", "futurex", tr31_config(config, kek, **existing)).result
    assert again["kdh_key_generated"] is False
    assert again["key_check_value"] == result["key_check_value"]


@pytest.mark.parametrize("algorithm", ["TDES_2KEY", "TDES_3KEY", "AES_128", "AES_192", "AES_256"])
def test_ecdh_of_every_algorithm(exchange, config, algorithm: str) -> None:
    """Every cipher key travels under an agreed AES_256 key, and exists on both sides."""
    flow = {"key_algorithm": algorithm, "key_usage": "TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY"}
    result = exchange("ecdh", "futurex", config("ecdh", **flow)).result
    assert result["received"]["key_algorithm"] == algorithm
    assert result["wrapped_key"].startswith("D")


@pytest.mark.parametrize("function", ["NIST_SP800", "ANSI_X963"])
@pytest.mark.parametrize("hash_name", ["SHA_256", "SHA_384", "SHA_512"])
def test_ecdh_derivations(exchange, config, function: str, hash_name: str) -> None:
    """Both sides derive alike, whichever function and hash."""
    flow = {
        "key_derivation_function": function,
        "hash_algorithm": hash_name,
        "derive_key_algorithm": "TDES_3KEY",
        "key_algorithm": "TDES_2KEY",
        "shared_info": "0123456789",
    }
    result = exchange("ecdh", "futurex", config("ecdh", **flow)).result
    assert result["wrapped_key"].startswith("B")


@pytest.mark.parametrize("method", ["tr34", "tr31", "ecdh"])
def test_a_wrong_check_value_imports_nothing(
    exchange, config, establish, keys, method: str
) -> None:
    """A wrong transport_key_kcv ends in exit code 1 before anything reaches the service."""
    kek = establish()
    before = keys()
    document = config(method, kek=kek["key_arn"])
    document["kdh"]["futurex"][method] = {
        "transport_key": kek["kdh_key"],
        "transport_key_kcv": "000000",
        **({"kek": kek["kdh_key"]} if method == "tr31" else {}),
    }
    done = exchange(method, "futurex", document)
    assert done.code == 1
    told = json.loads(done.out)
    assert (told["proven"], told["diagnosis"]["id"]) == (False, "check-value")
    assert "for transport_key, not 000000" in done.err
    assert keys() == before


def test_a_kek_the_service_does_not_share(exchange, config, establish, keys) -> None:
    """Two established KEKs mixed up: exit code 1, nothing is generated or imported."""
    one, other = establish(), establish()
    before = keys()
    document = tr31_config(config, {**one, "key_arn": other["key_arn"]})
    done = exchange("tr31", "futurex", document)
    assert done.code == 1
    assert "the KEKs differ" in done.err
    assert keys() == before


def test_a_key_of_another_hsm(exchange, config, establish, keys) -> None:
    """A block changed in one character is refused by the HSM, in its words."""
    made = establish()
    before = keys()
    changed = made["kdh_key"][:-1] + ("0" if made["kdh_key"][-1] != "0" else "1")
    done = exchange("tr34", "futurex", config("tr34", transport_key=changed))
    assert done.code == 1
    assert "refused with error 904: key authentication failed (token BG, key)" in done.err
    assert keys() == before


@pytest.mark.parametrize(
    ("flow", "said"),
    [
        ({"transport_key": "U" + "0" * 32}, "key block version"),
        ({"transport_key": "BD12"}, "state key_usage and key_algorithm"),
        ({"transport_key": "D0112K1TB00N0000" + "0" * 96}, "not exportable"),
        ({"transport_key": "D0128K1TB00E0000" + "0" * 96}, "is cut"),
        (
            {
                "transport_key": "D0112K1TB00E0000" + "0" * 96,
                "key_usage": "TR31_B0_BASE_DERIVATION_KEY",
            },
            "correct key_usage",
        ),
        (
            {"transport_key": "D0144K1AB00E0000" + "0" * 128, "key_algorithm": "AES_128"},
            "can be AES_256",
        ),
        ({"key_algorithm": "AES_256"}, "TR-34 carries TDES and AES_128 keys"),
        (
            {"key_algorithm": "HMAC_SHA256", "key_usage": "TR31_M7_HMAC_KEY"},
            "makes HMAC keys",
        ),
    ],
)
def test_what_the_configuration_shows_to_be_impossible(
    exchange, config, flow: dict[str, str], said: str
) -> None:
    """Exit code 2 before anything is called, and the key is not repeated."""
    document = config("tr34", **flow)
    document["kdh"]["futurex"]["port"] = 1
    done = exchange("tr34", "futurex", document)
    assert done.code == 2
    assert said in done.err
    assert "Step" not in done.err
    assert "0" * 32 not in done.err


def test_certificates_of_another_authority(exchange, config, region, tmp_path) -> None:
    """With the files of a CA the HSM asks it for its certificate, by a request of its own."""
    from datetime import UTC, datetime, timedelta

    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    from keyferry.crypto.certificates import create_root, encode_pem

    key = rsa.generate_private_key(65537, 2048)
    now = datetime.now(UTC)
    root = create_root(
        key,
        common_name="Test CA",
        not_before=now - timedelta(hours=1),
        not_after=now + timedelta(days=1),
    )
    (tmp_path / "ca.pem").write_bytes(encode_pem(root))
    (tmp_path / "ca.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    document = config()
    document["kdh"]["futurex"]["certificate_authority"] = {
        "certificate_file": str(tmp_path / "ca.pem"),
        "key_file": str(tmp_path / "ca.key"),
    }
    result = exchange("tr34", "futurex", document).result
    assert result["key_check_value"] == result["kdh_key_check_value"]


def test_debug_names_commands_only(exchange, config) -> None:
    """`debug` logs which commands were sent, in the order of the samples, and no token."""
    document = config()
    document["kdh"]["futurex"]["debug"] = True
    done = exchange("tr34", "futurex", document, "--log-format", "json")
    events = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
    commands = [e["command"] for e in events if e["event"] == "futurex_command"]
    assert commands == [
        "ECHO",
        "ECHO",
        "GPGS",
        "GRSA",
        "ASYR",
        "GRSA",
        "ASGC",
        "ASSR",
        "AVPC",
        "TRTP",
    ]
    assert done.result["kdh_key"] not in done.err


def test_an_hsm_that_is_not_there(exchange, config, keys) -> None:
    """The address is told, and the service has not been asked for anything."""
    before = keys()
    document = config()
    document["kdh"]["futurex"]["port"] = 1
    done = exchange("tr34", "futurex", document)
    assert done.code == 1
    assert "the HSM at 127.0.0.1 port 1 cannot be reached" in done.err
    assert "9000" in done.err
    assert keys() == before

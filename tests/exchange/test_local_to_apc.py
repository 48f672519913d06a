"""A clear test key into the service, by all three protocols."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TDES = "0123456789ABCDEFFEDCBA9876543210"  # check value 08D7B4
KEK = "1CA1D9F2E5B3704F86A8D3C1527E946B1020304050607080"
AES = "000102030405060708090A0B0C0D0E0F"
AES_256 = "603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4"


@pytest.fixture
def key_file(tmp_path: Path) -> Callable[[str], str]:
    """Write a key to a file and return the path."""

    def write(key: str, name: str = "key") -> str:
        path = tmp_path / name
        path.write_text(key + "\n")
        return str(path)

    return write


def config(key: str, **local: Any) -> dict[str, Any]:
    """A configuration of a TDES PIN key in a file."""
    described = {
        "key_file": key,
        "key_usage": "TR31_P0_PIN_ENCRYPTION_KEY",
        "key_algorithm": "TDES_2KEY",
        **local,
    }
    return {"kdh": {"local": described}, "krd": {"apc": {"region": "us-east-1"}}}


@pytest.mark.parametrize("method", ["tr34", "ecdh"])
def test_a_test_key_arrives(aws, exchange, key_file, region, method: str) -> None:
    """The key is there with the check value, usage and modes it was sent with."""
    result = exchange(method, "local", config(key_file(TDES)), "--test-key").result
    assert result["proven"] is True
    assert result["key_check_value"] == result["kdh_key_check_value"] == "08D7B4"
    assert result["kdh_key"] == ""
    key = region().get_key(KeyIdentifier=result["key_arn"])["Key"]
    assert key["KeyAttributes"]["KeyUsage"] == "TR31_P0_PIN_ENCRYPTION_KEY"
    assert key["KeyAttributes"]["KeyAlgorithm"] == "TDES_2KEY"
    assert key["KeyCheckValue"] == "08D7B4"
    assert key["KeyOrigin"] == "EXTERNAL"


@pytest.mark.parametrize(
    ("method", "algorithm", "key"),
    [
        ("tr34", "AES_128", AES),
        ("ecdh", "AES_128", AES),
        ("ecdh", "AES_256", AES_256),
        ("ecdh", "HMAC_SHA256", AES_256),
    ],
)
def test_other_algorithms_arrive(
    aws, exchange, key_file, method: str, algorithm: str, key: str
) -> None:
    """AES_128 travels by TR-34 under RSA_3072; everything travels by ECDH."""
    usage = "TR31_M7_HMAC_KEY" if "HMAC" in algorithm else "TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY"
    document = config(key_file(key), key_usage=usage, key_algorithm=algorithm)
    result = exchange(method, "local", document, "--test-key").result
    assert result["received"]["key_algorithm"] == algorithm
    assert result["key_check_value"] == result["kdh_key_check_value"]


def test_tr34_establishes_the_kek_of_tr31(aws, exchange, key_file) -> None:
    """The order of the documentation: a K1 key by TR-34 first, then keys under it by TR-31."""
    kek = key_file(KEK, "kek")
    document = config(kek, key_usage="TR31_K1_KEY_BLOCK_PROTECTION_KEY", key_algorithm="TDES_3KEY")
    established = exchange("tr34", "local", document, "--test-key").result
    document = config(key_file(TDES))
    document["kdh"]["local"]["tr31"] = {"kek": kek}
    document["krd"]["apc"]["tr31"] = {"kek": established["key_arn"]}
    result = exchange("tr31", "local", document, "--test-key").result
    assert result["wrapped_key"].startswith("B0096P0TB00E0000")
    assert result["key_check_value"] == "08D7B4"
    assert result["key_encryption_key"] == established["key_arn"]


def test_different_keks_are_noticed_before_anything_travels(aws, exchange, key_file, keys) -> None:
    """If the two sides speak of different KEKs, nothing is imported."""
    document = config(
        key_file(KEK, "kek"),
        key_usage="TR31_K1_KEY_BLOCK_PROTECTION_KEY",
        key_algorithm="TDES_3KEY",
    )
    established = exchange("tr34", "local", document, "--test-key").result
    before = keys()
    document = config(key_file(TDES))
    document["kdh"]["local"]["tr31"] = {"kek": key_file(KEK[2:] + KEK[:2], "other")}
    document["krd"]["apc"]["tr31"] = {"kek": established["key_arn"]}
    done = exchange("tr31", "local", document, "--test-key")
    assert done.code == 1
    assert "the KEKs differ" in done.err
    assert keys() == before


def test_a_key_stronger_than_the_kek_is_refused(aws, exchange, key_file, region, keys) -> None:
    """An AES key does not travel under a TDES KEK; nothing is imported."""
    document = config(
        key_file(KEK, "kek"),
        key_usage="TR31_K1_KEY_BLOCK_PROTECTION_KEY",
        key_algorithm="TDES_3KEY",
    )
    established = exchange("tr34", "local", document, "--test-key").result
    before = keys()
    document = config(
        key_file(AES),
        key_usage="TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY",
        key_algorithm="AES_128",
    )
    document["kdh"]["local"]["tr31"] = {"kek": str(key_file(KEK, "kek"))}
    document["krd"]["apc"]["tr31"] = {"kek": established["key_arn"]}
    done = exchange("tr31", "local", document, "--test-key")
    assert done.code == 1
    assert "at least as strong" in done.err
    assert keys() == before


def test_wrong_check_value_imports_nothing(aws, exchange, key_file, keys) -> None:
    """A wrong transport_key_kcv is found on the sender's side: exit code 1, nothing imported."""
    before = keys()
    document = config(key_file(TDES))
    document["kdh"]["local"]["tr34"] = {"transport_key_kcv": "AAAAAA"}
    done = exchange("tr34", "local", document, "--test-key")
    assert done.code == 1
    assert "the local key has check value 08D7B4, not AAAAAA" in done.err
    assert keys() == before


def test_components_are_combined(aws, exchange, key_file) -> None:
    """Three component files make the key."""
    parts = ["11" * 16, "22" * 16, "33" * 16]
    last = "".join(f"{int(TDES[i : i + 2], 16) ^ 0x11 ^ 0x22 ^ 0x33:02X}" for i in range(0, 32, 2))
    document = config("", component_files=[key_file(p, f"c{p[:1]}") for p in [*parts, last]])
    result = exchange("ecdh", "local", document, "--test-key").result
    assert result["key_check_value"] == "08D7B4"


@pytest.mark.parametrize("components", [1, 3])
def test_a_key_can_be_asked_for(
    aws, exchange, key_file, monkeypatch: pytest.MonkeyPatch, components: int
) -> None:
    """Without files the key is asked for, whole or in three components, without echo."""
    answers = [TDES, ""] if components == 1 else [TDES, "11" * 16, "11" * 16]
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return answers[len(asked) - 1]

    monkeypatch.setattr("keyferry.cli.prompts.ask_hidden", answer)
    done = exchange("ecdh", "local", config(""), "--test-key")
    assert done.result["key_check_value"] == "08D7B4"
    assert len(asked) == len(answers)
    assert TDES not in done.out + done.err


def test_what_served_the_exchange_only_is_deleted(aws, exchange, key_file, keys, region) -> None:
    """CA keys and agreement keys of the run are scheduled for deletion, and the result says so."""
    before = set(keys())
    done = exchange("ecdh", "local", config(key_file(TDES)), "--test-key")
    assert set(keys()) - before == {done.result["key_arn"]}
    said = done.result["cleaned_up"]
    assert len(said) == 2
    assert all("scheduled for deletion in 3 days" in statement for statement in said)


def test_trust_can_be_kept(aws, exchange, key_file, keys) -> None:
    """--keep-trust leaves the CA key and says so."""
    before = set(keys())
    result = exchange("tr34", "local", config(key_file(TDES)), "--test-key", "--keep-trust").result
    kept = set(keys()) - before - {result["key_arn"]}
    assert len(kept) == 1
    assert result["cleaned_up"] == [f"{kept.pop()} (the CA public key of this exchange) was kept"]


def test_the_clear_key_is_nowhere(aws, exchange, key_file) -> None:
    """Neither output nor errors hold the key, however verbose."""
    done = exchange(
        *("ecdh", "local", config(key_file(TDES)), "--test-key", "-v", "--log-format", "json")
    )
    assert done.code == 0
    assert TDES not in (done.out + done.err).upper()
    assert TDES not in json.dumps(done.result)


def test_steps_say_who_does_what(aws, exchange, key_file) -> None:
    """Every step goes to standard error with its party; standard output is one document."""
    done = exchange("tr34", "local", config(key_file(TDES)), "--test-key")
    steps = [line for line in done.err.splitlines() if line.startswith("Step ")]
    assert [
        f"Step {s['number']} ({s['party']}): {s['text']}" for s in done.result["steps"]
    ] == steps
    assert steps[-1] == "Step 9 (APC): import the key from the token"


def test_the_table_form(aws, key_file, tmp_path: Path, capsys) -> None:
    """Without --output json people get names and values in two columns."""
    from keyferry.cli.main import run

    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(config(key_file(TDES))))
    arguments = ["--kdh", "local", "--config", str(file), "--test-key"]
    assert run(["exchange", "tr34", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Key ARN            arn:aws:payment-cryptography:us-east-1:")
    assert lines[1] == "KCV at the KRD     08D7B4 (ANSI_X9_24)"
    assert lines[2] == "KCV at the KDH     08D7B4 (same key)"

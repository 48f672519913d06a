"""An Atalla into the service: TR-34 and TR-31, generated and existing keys, dual control."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keyferry.crypto.keyblock.akb import MFK, AKBHeader
from keyferry.hsm.atalla.simulator import TEST_MFK

TEST_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")  # check value 08D7B4


def akb(header: str, key: bytes = TEST_KEY) -> str:
    """Wrap a key under the public test MFK."""
    return MFK(bytes.fromhex(TEST_MFK)).wrap(AKBHeader.parse(header), key)


@pytest.fixture
def config(atalla_simulator: int, aws) -> Callable[..., dict[str, Any]]:
    """Make a configuration of a simulated Atalla and us-east-1."""

    def make(method: str = "tr34", *, kek: str = "", **flow: Any) -> dict[str, Any]:
        return {
            "kdh": {"atalla": {"port": atalla_simulator, method: flow}},
            "krd": {"apc": {"region": "us-east-1", "tr31": {"kek": kek}}},
        }

    return make


@pytest.fixture
def kek(exchange, config) -> dict[str, Any]:
    """Bring a KEK over by TR-34 and return the result."""
    result: dict[str, Any] = exchange("tr34", "atalla", config()).result
    return result


@pytest.fixture
def under(config, kek) -> Callable[..., dict[str, Any]]:
    """Make the configuration of a TR-31 exchange under that KEK."""

    def make(**flow: Any) -> dict[str, Any]:
        document: dict[str, Any] = config("tr31", kek=kek["key_arn"])
        document["kdh"]["atalla"]["tr31"] = {"kek": kek["kdh_key"], **flow}
        return document

    return make


def test_tr34_of_a_generated_key(exchange, config, region) -> None:
    """The HSM makes a KEK while it exports it; the service holds the same key afterwards."""
    result = exchange("tr34", "atalla", config()).result
    assert result["kdh_key_generated"] is True
    assert result["kdh_key"].startswith("1kDNE000,")
    assert result["key_check_value"] == result["kdh_key_check_value"]
    assert len(result["nonce"]) == 16
    key = region().get_key(KeyIdentifier=result["key_arn"])["Key"]
    assert key["KeyCheckValue"] == result["kdh_key_check_value"]
    assert key["KeyAttributes"]["KeyUsage"] == "TR31_K1_KEY_BLOCK_PROTECTION_KEY"
    assert key["KeyAttributes"]["KeyAlgorithm"] == "TDES_3KEY"


@pytest.mark.parametrize("algorithm", ["TDES_2KEY", "TDES_3KEY"])
def test_tr34_of_an_existing_key(exchange, config, algorithm: str) -> None:
    """A key under the MFK arrives, though its AKB hides how long it is."""
    key = TEST_KEY if algorithm == "TDES_2KEY" else bytes(range(24))
    flow = {"transport_key": akb("1kDNE000", key)}
    if algorithm == "TDES_2KEY":
        flow["transport_key_kcv"] = "08D7B4"
    result = exchange("tr34", "atalla", config("tr34", **flow)).result
    assert result["kdh_key_generated"] is False
    assert result["received"]["key_algorithm"] == algorithm
    assert result["key_check_value"] == result["kdh_key_check_value"]


@pytest.mark.parametrize(
    ("usage", "header"),
    [
        ("TR31_K0_KEY_ENCRYPTION_KEY", "1KDNE000"),
        ("TR31_P0_PIN_ENCRYPTION_KEY", "1PUNE000"),
        ("TR31_C0_CARD_VERIFICATION_KEY", "1CDNE000"),
        ("TR31_M3_ISO_9797_3_MAC_KEY", "1MDNE000"),
        ("TR31_V2_VISA_PIN_VERIFICATION_KEY", "1VVNE000"),
        ("TR31_E0_EMV_MKEY_APP_CRYPTOGRAMS", "1mENE000"),
    ],
)
def test_tr31_of_every_kind(exchange, under, usage: str, header: str) -> None:
    """A working key goes over generated, and existing with its stated check value."""
    made = exchange("tr31", "atalla", under(key_usage=usage, key_algorithm="TDES_2KEY")).result
    assert made["kdh_key"].startswith(header)
    assert made["received"]["key_usage"] == usage[5:7]
    assert made["received"]["key_algorithm"] == "TDES_2KEY"
    flow = {"transport_key": akb(header), "transport_key_kcv": "08D7", "key_usage": usage}
    again = exchange("tr31", "atalla", under(**flow)).result
    assert again["key_check_value"] == "08D7B4"
    assert again["kdh_key_generated"] is False


def test_tr31_by_default(exchange, under, kek) -> None:
    """Without a word about the key it is a BDK, under the KEK both sides name."""
    result = exchange("tr31", "atalla", under()).result
    assert result["received"]["key_usage"] == "B0"
    assert result["wrapped_key"].startswith("B0096B0TX00E0000")
    assert result["key_encryption_key"] == kek["key_arn"]
    assert result["kek_check_value"] == kek["key_check_value"]


@pytest.mark.parametrize("method", ["tr34", "tr31"])
def test_a_wrong_check_value_imports_nothing(exchange, config, under, keys, method: str) -> None:
    """A wrong transport_key_kcv ends in exit code 1 before anything reaches the service."""
    before = keys()
    flow = {"transport_key": akb("1kDNE000"), "transport_key_kcv": "000000"}
    document = config("tr34", **flow) if method == "tr34" else under(**flow)
    done = exchange(method, "atalla", document)
    assert done.code == 1
    told = json.loads(done.out)
    assert (told["proven"], told["diagnosis"]["id"]) == (False, "check-value")
    assert "shows check value 08D7B4 for transport_key, not 000000" in done.err
    assert keys() == before


def test_ecdh_is_refused_before_any_call(exchange, config) -> None:
    """The configuration alone shows it: exit code 2, no step is begun, nothing is called."""
    document = config("ecdh")
    document["kdh"]["atalla"]["port"] = 1
    document["krd"]["apc"]["endpoint_url"] = "http://127.0.0.1:1"
    done = exchange("ecdh", "atalla", document)
    assert done.code == 2
    assert "no public host command of an Atalla does ECDH" in done.err
    assert "Step" not in done.err


@pytest.mark.parametrize(
    ("flow", "words"),
    [
        ({"transport_key": "1kDNE000,00"}, "AKB parts"),
        ({"transport_key": akb("1kDNN000")}, "is not exportable"),
        ({"transport_key": akb("1MDNE000")}, "does not say of which algorithm"),
        ({"transport_key": akb("1nCNE000")}, "stands for no TR-31 usage"),
        (
            {"transport_key": akb("1CDNE000"), "key_usage": "TR31_P0_PIN_ENCRYPTION_KEY"},
            "is a key of usage C0, not",
        ),
        ({"key_algorithm": "AES_128"}, "holds TDES keys only"),
    ],
)
def test_what_the_configuration_shows(exchange, config, flow: dict[str, str], words: str) -> None:
    """Keys that cannot travel are named before anything is called, and never repeated."""
    document = config("tr34", **flow)
    document["kdh"]["atalla"]["port"] = 1
    done = exchange("tr34", "atalla", document)
    assert done.code == 2
    assert words in done.err
    assert flow.get("transport_key", "no key at all")[9:] not in done.err
    assert "Step" not in done.err


def test_a_kek_that_wraps_nothing(exchange, under) -> None:
    """Only a key of usage k wraps TR-31 blocks."""
    document = under()
    document["kdh"]["atalla"]["tr31"]["kek"] = akb("1KDNE000")
    done = exchange("tr31", "atalla", document)
    assert done.code == 2
    assert "does not wrap TR-31 blocks" in done.err


def test_a_key_of_another_mfk(exchange, config, keys) -> None:
    """A key the HSM cannot open is refused in its words, and nothing is imported."""
    before = keys()
    key = MFK(bytes(range(24))).wrap(AKBHeader.parse("1kDNE000"), TEST_KEY)
    done = exchange("tr34", "atalla", config("tr34", transport_key=key))
    assert done.code == 1
    assert "7E compute check digits refused with error 0803: execution error in field 3" in done.err
    assert "another MFK" in done.err
    assert keys() == before


def test_debug_names_commands_only(exchange, config) -> None:
    """`debug` logs which commands were sent, not what was in them."""
    document = config()
    document["kdh"]["atalla"]["debug"] = True
    done = exchange("tr34", "atalla", document, "--log-format", "json")
    events = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
    commands = [e["command"] for e in events if e["event"] == "atalla_command"]
    assert commands == ["1101", "1101", "9A", "9A", "120", "12A", "12A", "136", "139"]
    assert done.result["kdh_key"] not in done.err


def test_option_e2_off(exchange, under, start, tmp_path: Path, keys) -> None:
    """Without option E2 no key leaves by TR-31: refused before any command makes a key."""
    before = keys()
    ready = start(
        tmp_path,
        *("simulate", "atalla", "--port", "0", "--setting", "e2=off"),
        *("--control", str(tmp_path / "c")),
    )
    document = under()
    document["kdh"]["atalla"]["port"] = ready["port"]
    done = exchange("tr31", "atalla", document)
    assert done.code == 1
    assert "option E2 is off: the HSM would answer 0607" in done.err
    assert "have the administrator switch it on" in done.err
    assert "Step 2" not in done.err
    assert {arn for arn in keys() if arn not in before} <= {document["krd"]["apc"]["tr31"]["kek"]}


def _run(arguments: list[str], **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "keyferry", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def _approve(state: Path, challenge: str, *administrators: str) -> subprocess.CompletedProcess[str]:
    names = [part for name in administrators for part in ("--administrator", name)]
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "keyferry",
            "simulate",
            "atalla",
            "approve",
            challenge,
            "--state",
            str(state),
            *names,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_dual_control_at_the_console(start, config, tmp_path: Path) -> None:
    """The exchange says what to do, waits for two administrators, and goes on by itself."""
    state = tmp_path / "state.json"
    ready = start(tmp_path, *("simulate", "atalla", "--port", "0", "--state", str(state)))
    document = config()
    document["kdh"]["atalla"]["port"] = ready["port"]
    file = tmp_path / "input_config.json"
    file.write_text(json.dumps(document))
    waiting = _run(
        ["exchange", "tr34", "--kdh", "atalla", "--config", str(file), "--output", "json"]
    )
    assert waiting.stderr is not None
    challenge = ""
    for line in waiting.stderr:
        if found := re.search(r"simulate atalla approve ([0-9A-F]{16})", line):
            challenge = found[1]
            break
    assert challenge
    one = _approve(state, challenge, "alice")
    assert one.returncode == 0
    assert one.stdout == "approved by alice; one more is needed\n"
    same = _approve(state, challenge, "alice")
    assert same.stdout == one.stdout  # the same person twice is one person
    assert waiting.poll() is None
    two = _approve(state, challenge, "bob")
    assert re.fullmatch(r"answer [0-9A-F]{16}\n", two.stdout)
    out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err
    assert json.loads(out)["key_check_value"] == json.loads(out)["kdh_key_check_value"]
    assert _approve(state, challenge).returncode == 2
    assert (state.stat().st_mode & 0o777, Path(ready["control"]).stat().st_mode & 0o777) == (
        0o600,
        0o600,
    )


def test_nobody_approves(start, exchange, config, tmp_path: Path, keys) -> None:
    """The wait ends, names the challenge, and leaves nothing behind in the service."""
    before = keys()
    state = tmp_path / "state.json"
    ready = start(tmp_path, *("simulate", "atalla", "--port", "0", "--state", str(state)))
    document = config()
    document["kdh"]["atalla"] |= {"port": ready["port"], "dual_control_timeout_seconds": 1.5}
    done = exchange("tr34", "atalla", document)
    assert done.code == 1
    assert "nobody approved challenge" in done.err
    assert keys() == before

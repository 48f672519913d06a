"""No clear key leaves where it belongs: not in output, logs, arguments or leftover files."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from keyferry.exchange.proof_kinds import PAN

CLEAR = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")  # check value 08D7B4
CLEAR_KEK = bytes.fromhex("1CA1D9F2E5B3704F86A8D3C1527E946B1020304050607080")
UNDER_TEST_LMK = "U42BBE7D9A0A55D0EBDE055DE2791ACCD"  # as a ZMK
BDK_UNDER_TEST_LMK = "U8E3D3E2FD5919657F05A1AA90D32A014"


def traces(text: bytes) -> list[str]:
    """How a clear key would show in text or bytes, whatever the encoding."""
    found = []
    for key in (CLEAR, CLEAR_KEK):
        forms = {
            "bytes": key,
            "hex": key.hex().encode(),
            "HEX": key.hex().upper().encode(),
            "base64": base64.b64encode(key).rstrip(b"="),
            "repr": repr(key).encode(),
            "half": key[:8],
            "half hex": key[:8].hex().encode(),
            "half HEX": key[:8].hex().upper().encode(),
        }
        found += [name for name, form in forms.items() if form in text]
    return found


def test_traces_are_found() -> None:
    """The search finds what it is for."""
    assert traces(b"key=" + CLEAR.hex().encode()) == ["hex", "half hex"]
    assert "base64" in traces(base64.b64encode(CLEAR))
    assert traces(repr({"key": CLEAR}).encode()) == ["repr"]
    assert traces(b"08D7B4") == []


@pytest.fixture(scope="module")
def processes(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Path, dict[str, str], int]]:
    """A service and a simulator that log everything, in a folder of their own."""
    from keyferry.demo.processes import Processes

    folder = tmp_path_factory.mktemp("secrets")
    verbose = ("-v", "--log-format", "json")
    with Processes(folder) as started:
        service = started.start(
            "serve", "serve", "--dev", "--port", "0", "--regions", "us-east-1", *verbose
        )
        simulator = started.start("payshield", "simulate", "payshield", "--port", "0", *verbose)
        environment = {
            **started.environment,
            "AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY": service["url"],
            "AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY_DATA": service["url"],
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        yield folder, environment, simulator["port"]


def test_a_whole_run_at_debug_level(
    processes: tuple[Path, dict[str, str], int], tmp_path: Path
) -> None:
    """Known keys exchanged and proven, everything verbose: no trace in outputs, logs and files."""
    folder, environment, port = processes
    (tmp_path / "key").write_text(CLEAR.hex())
    (tmp_path / "kek").write_text(CLEAR_KEK.hex())
    local = {
        "key_file": str(tmp_path / "kek"),
        "key_usage": "TR31_K1_KEY_BLOCK_PROTECTION_KEY",
        "key_algorithm": "TDES_3KEY",
    }
    payshield = {
        "port": port,
        "variant_lmk": True,
        "debug": True,
        "tr34": {"transport_key": UNDER_TEST_LMK, "transport_key_kcv": "08D7B4"},
        "tr31": {
            "kek": UNDER_TEST_LMK,
            "transport_key": BDK_UNDER_TEST_LMK,
            "transport_key_kcv": "08D7B4",
        },
    }
    outputs = []

    def exchange(method: str, kdh: str, party: dict[str, object], kek: str = "") -> str:
        config = tmp_path / "config.json"
        krd = {"apc": {"region": "us-east-1", "tr31": {"kek": kek}}}
        config.write_text(json.dumps({"kdh": {kdh: party}, "krd": krd}))
        done = subprocess.run(
            [
                *(sys.executable, "-m", "keyferry", "exchange", method, "--kdh", kdh),
                *("--config", str(config), "--test-key", "--output", "json", "-v", "--prove"),
            ],
            capture_output=True,
            env=environment,
            timeout=60,
            check=False,
        )
        outputs.append(done.stdout + done.stderr)
        assert done.returncode == 0, done.stderr.decode()
        result = json.loads(done.stdout)
        assert " made by the sender, " in result["proof_by_use"]
        arn: str = result["key_arn"]
        return arn

    kek = exchange("tr34", "local", local)
    key = {
        "key_file": str(tmp_path / "key"),
        "key_usage": "TR31_P0_PIN_ENCRYPTION_KEY",
        "key_algorithm": "TDES_2KEY",
    }
    exchange("tr31", "local", {**key, "tr31": {"kek": str(tmp_path / "kek")}}, kek)
    exchange("ecdh", "local", key)
    hsm_kek = exchange("tr34", "payshield", payshield)
    exchange("tr31", "payshield", payshield, hsm_kek)

    for output in outputs:
        assert traces(output) == []
        assert PAN.encode() not in output
    logs = [path for path in folder.iterdir() if path.suffix == ".log"]
    assert len(logs) == 2
    for log in logs:
        text = log.read_bytes()
        assert text, f"{log} is empty, so the search says nothing"
        assert traces(text) == []
        assert PAN.encode() not in text


def test_failures_do_not_tell_the_key(
    processes: tuple[Path, dict[str, str], int], tmp_path: Path
) -> None:
    """Refusals of every stage, verbose with tracebacks: no trace."""
    _, environment, _ = processes
    (tmp_path / "key").write_text(CLEAR.hex())
    party = {"key_file": str(tmp_path / "key"), "key_usage": "TR31_P0_PIN_ENCRYPTION_KEY"}
    for change, krd in (
        ({"key_algorithm": "TDES_3KEY"}, {}),  # another length
        ({"key_algorithm": "TDES_2KEY", "key_file": CLEAR.hex()}, {}),  # the key, not a path
        ({"key_algorithm": "TDES_2KEY"}, {"region": "eu-north-1"}),  # not served
        ({"key_algorithm": "TDES_2KEY"}, {"endpoint_url": "http://127.0.0.1:1"}),
    ):
        config = tmp_path / "config.json"
        document = {
            "kdh": {"local": {**party, **change}},
            "krd": {"apc": {"region": "us-east-1", **krd}},
        }
        config.write_text(json.dumps(document))
        done = subprocess.run(
            [
                *(sys.executable, "-m", "keyferry", "exchange", "ecdh", "--kdh", "local"),
                *("--config", str(config), "--test-key", "-v"),
            ],
            capture_output=True,
            env={**os.environ, **environment},
            timeout=60,
            check=False,
        )
        assert done.returncode in (1, 2)
        assert b"keyferry: error:" in done.stderr
        assert traces(done.stdout + done.stderr) == []

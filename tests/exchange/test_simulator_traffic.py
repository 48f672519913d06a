"""Exchanges with a Futurex and an Atalla: faults on purpose, recordings, firmware profiles."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from keyferry.cli.main import run
from keyferry.crypto.check_values import tdes_kcv
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import KBPK
from keyferry.crypto.keyblock.akb import MFK

FAMILIES = ("futurex", "atalla")
# What the simulators need besides: an Atalla's challenges have to answer themselves.
OPTIONS = {"futurex": (), "atalla": ("--dual-control", "auto")}
FAULTS = {
    "futurex": ("drop", "garble", "delay:2500", "error:34", "error:904BG"),
    "atalla": ("drop", "garble", "delay:2500", "error:41", "error:0607"),
}


def config(family: str, port: int, method: str = "tr34", **flow: Any) -> dict[str, Any]:
    """A configuration of one of the families and us-east-1; `krd_kek` is the service's KEK."""
    krd_kek = flow.pop("krd_kek", "")
    return {
        "kdh": {family: {"port": port, "timeout_seconds": 1, method: flow}},
        "krd": {"apc": {"region": "us-east-1", "tr31": {"kek": krd_kek}}},
    }


def usable(listed: dict[str, dict[str, Any]]) -> set[str]:
    """Keys that are not on their way out."""
    return {arn for arn, key in listed.items() if not key["KeyState"].startswith("DELETE")}


def clear_key(remembered: dict[str, Any], wrapped: str) -> bytes:
    """Open a key under the master key that a state file holds."""
    if remembered.get("pmk"):
        return KBPK(Cipher.AES, bytes.fromhex(remembered["pmk"])).unwrap(wrapped).key
    return MFK(bytes.fromhex(remembered["mfk"])).unwrap(wrapped).key


@pytest.fixture
def simulate(start, tmp_path: Path) -> Callable[..., int]:
    """Start a simulator in a folder of its own and return its port."""
    numbers = iter(range(100))

    def begin(family: str, *options: str) -> int:
        folder = tmp_path / f"{family}-{next(numbers)}"
        folder.mkdir()
        console = ("--control", str(folder / "c")) if family == "atalla" else ()
        arguments = ("simulate", family, "--port", "0", *OPTIONS[family], *console, *options)
        port: int = start(folder, *arguments)["port"]
        return port

    return begin


@pytest.fixture
def established(exchange, aws, simulate, tmp_path: Path) -> Callable[[str], dict[str, Any]]:
    """Bring a KEK and a working key over; return what a TR-31 exchange of them needs."""

    def bring(family: str) -> dict[str, Any]:
        state = str(tmp_path / f"{family}.state")
        port = simulate(family, "--state", state)
        kek = exchange("tr34", family, config(family, port)).result
        flow = {"kek": kek["kdh_key"], "krd_kek": kek["key_arn"]}
        made = exchange("tr31", family, config(family, port, "tr31", **flow)).result
        return {
            "state": state,
            "kek": kek,
            "made": made,
            "flow": flow
            | {
                "transport_key": made["kdh_key"],
                "transport_key_kcv": made["kdh_key_check_value"],
            },
        }

    return bring


@pytest.mark.parametrize(
    ("family", "fault"), [(family, fault) for family in FAMILIES for fault in FAULTS[family]]
)
def test_a_fault_ends_in_a_diagnosis(exchange, aws, keys, simulate, family, fault) -> None:
    """Exit code 1 with a diagnosis, nothing said to be proven, and no usable key more."""
    port = simulate(family, "--fault", fault)
    before = usable(keys())
    done = exchange("tr34", family, config(family, port))
    assert done.code == 1
    told = json.loads(done.out)
    assert told["proven"] is False
    assert told["diagnosis"]["fix"]
    assert "cause:" in done.err
    assert told["state"] == ["nothing was imported, and nothing is left behind"]
    assert usable(keys()) == before


@pytest.mark.parametrize(("family", "fault"), [("futurex", "garble"), ("atalla", "error:41")])
def test_faults_now_and_then(exchange, aws, keys, simulate, family: str, fault: str) -> None:
    """Whatever the odds bring: proven with one key more, or failed with none and its state told."""
    port = simulate(family, "--fault", fault, "--rate", "0.2")
    for _ in range(4):
        before = usable(keys())
        done = exchange("tr34", family, config(family, port))
        assert done.code in (0, 1)
        assert "internal error" not in done.err
        assert len(usable(keys()) - before) == (1 if done.code == 0 else 0)
        assert done.code == 0 or json.loads(done.out)["state"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_recorded_exchange_replays(
    exchange, established, simulate, family: str, tmp_path: Path
) -> None:
    """No device, only the recording: the same key arrives again, as often as one asks."""
    known = established(family)
    recording = tmp_path / "recording.jsonl"
    port = simulate(family, "--state", known["state"], "--record", str(recording))
    first = exchange("tr31", family, config(family, port, "tr31", **known["flow"])).result
    assert recording.stat().st_mode & 0o777 == 0o600
    port = simulate(family, "--replay", str(recording))
    for _ in range(2):
        again = exchange("tr31", family, config(family, port, "tr31", **known["flow"])).result
        assert again["key_check_value"] == first["key_check_value"]
        assert again["wrapped_key"] == first["wrapped_key"]
        assert again["key_arn"] != first["key_arn"]


@pytest.mark.parametrize(
    ("family", "said", "new"),
    [
        # The serial number of a new certificate, and the key of a new certificate of the service.
        ("futurex", "ASGC make self-signed certificate refused with error 907", "serial_number"),
        ("atalla", "12A trust RSA public key refused with error 9803", "modulus"),
    ],
)
def test_what_is_new_in_a_run_does_not_replay(
    exchange, established, simulate, keys, tmp_path: Path, family: str, said: str, new: str
) -> None:
    """By TR-34 the error names the command and the field, and the log every field; all is kept."""
    known = established(family)
    recording = tmp_path / "recording.jsonl"
    flow = {"transport_key": known["kek"]["kdh_key"]}
    port = simulate(family, "--state", known["state"], "--record", str(recording))
    recorded = exchange("tr34", family, config(family, port, **flow)).result
    assert recorded["proven"] is True
    port = simulate(family, "--replay", str(recording))
    before = usable(keys())
    done = exchange("tr34", family, config(family, port, **flow))
    assert done.code == 1
    assert said in done.err
    assert "in the recording" in done.err
    assert usable(keys()) == before
    log = "".join(path.read_text() for path in sorted(tmp_path.glob(f"{family}-*/log")))
    (miss,) = re.findall(r"simulator_replay_miss.*", log)
    assert new in miss


@pytest.mark.parametrize("family", FAMILIES)
def test_recordings_hold_no_clear_key(
    exchange, established, simulate, family: str, tmp_path: Path
) -> None:
    """Of a whole TR-34 exchange the file holds nothing that the device keeps to itself."""
    known = established(family)
    recording = tmp_path / "recording.jsonl"
    port = simulate(family, "--state", known["state"], "--record", str(recording))
    flow = {"transport_key": known["kek"]["kdh_key"]}
    assert exchange("tr34", family, config(family, port, **flow)).code == 0
    written = recording.read_text().upper()
    remembered = json.loads(Path(known["state"]).read_text())
    masters = [remembered[name] for name in ("pmk", "mfk") if remembered.get(name)]
    assert masters
    assert not any(master.upper() in written for master in masters)
    kek = clear_key(remembered, known["kek"]["kdh_key"])
    assert tdes_kcv(kek).hex().upper() == known["kek"]["kdh_key_check_value"]
    assert kek.hex().upper() not in written
    # Private keys travel under the master key: nothing begins as a clear one does (PKCS #8).
    assert "020100300D06092A864886F70D010101050004" not in written


def test_a_release_without_tr34_is_refused_before_anything_changes(
    exchange, aws, keys, simulate
) -> None:
    """The device lists its commands: the decision falls on them, and is shown with the release."""
    port = simulate("atalla", "--firmware", "8.1")
    before = keys()
    done = exchange("tr34", "atalla", config("atalla", port), "--explain")
    assert done.code == 1
    assert "12A, 120, 136, 139 are switched off, or not in firmware 8.10" in done.err
    assert "Step 2" not in done.err
    assert keys() == before


@pytest.mark.parametrize(("family", "release"), [("atalla", "8.53"), ("futurex", "7.4")])
def test_a_release_that_does_tr34(exchange, aws, simulate, family: str, release: str) -> None:
    """What public clients send is enough for an exchange."""
    port = simulate(family, "--firmware", release)
    assert exchange("tr34", family, config(family, port)).result["proven"] is True


def test_a_device_without_a_pmk_refuses_the_first_key(exchange, aws, keys, simulate) -> None:
    """No public command tells that a Futurex has no PMK; its refusal does, before any import."""
    port = simulate("futurex", "--firmware", "mfk")
    before = keys()
    done = exchange("tr34", "futurex", config("futurex", port))
    assert done.code == 1
    assert "GPGS generate symmetric key refused with error 903" in done.err
    assert keys() == before


@pytest.mark.parametrize(
    ("family", "options", "said"),
    [
        ("futurex", ("--firmware", "9.9"), "profiles: SIM0-0001, 7.6, 7.4, mfk"),
        ("atalla", ("--firmware", "9.9"), "profiles: SIM0-0001, 8.53, 8.1"),
        ("futurex", ("--fault", "error:BG"), "e.g. error:34"),
        ("atalla", ("--fault", "error:A1"), "e.g. error:41"),
        ("payshield", ("--fault", "error:1"), "e.g. error:68"),
        ("atalla", ("--fault", "burn"), "expected drop, garble, delay"),
        ("futurex", ("--record", "/dev/null"), "the file exists"),
        ("atalla", ("--replay", "/dev/null"), "not a recording"),
    ],
)
def test_options_that_cannot_work(capsys, family: str, options: tuple[str, str], said: str) -> None:
    """Exit code 2 with what is possible; nothing listens."""
    assert run(["simulate", family, "--port", "0", *options]) == 2
    assert said in capsys.readouterr().err
    structlog.reset_defaults()

"""Exchanges with a payShield that fails on purpose, and from a recording."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def config(port: int, method: str = "tr34", *, kek: str = "", **flow: Any) -> dict[str, Any]:
    """A configuration of a payShield and us-east-1."""
    payshield = {"port": port, "timeout_seconds": 2, method: flow}
    return {
        "kdh": {"payshield": payshield},
        "krd": {"apc": {"region": "us-east-1", "tr31": {"kek": kek}}},
    }


@pytest.mark.parametrize("fault", ["drop", "garble", "error:41", "error:68", "delay:4000"])
def test_a_fault_ends_in_a_diagnosis(
    exchange, aws, keys, start, tmp_path: Path, fault: str
) -> None:
    """Exit code 1 with a diagnosis, and no usable key more than before."""
    folder = tmp_path / "faulty"
    folder.mkdir()
    ready = start(folder, *("simulate", "payshield", "--port", "0", "--fault", fault))
    before = usable(keys())
    done = exchange("tr34", "payshield", config(ready["port"]))
    # A garbled byte may fall where it does no harm to one answer, but not to all of them.
    assert done.code == 1
    told = json.loads(done.out)
    assert told["proven"] is False
    assert told["diagnosis"]["fix"]
    assert "cause:" in done.err
    assert told["state"] == ["nothing was imported, and nothing is left behind"]
    assert usable(keys()) == before


def usable(listed: dict[str, dict[str, Any]]) -> set[str]:
    """Keys that are not on their way out."""
    return {arn for arn, key in listed.items() if not key["KeyState"].startswith("DELETE")}


def test_faults_now_and_then(exchange, aws, keys, start, tmp_path: Path) -> None:
    """Whatever the odds bring: proven, or taken back and told."""
    folder = tmp_path / "faulty"
    folder.mkdir()
    options = ("--fault", "error:41", "--rate", "0.2")
    ready = start(folder, *("simulate", "payshield", "--port", "0", *options))
    for _ in range(4):
        before = usable(keys())
        done = exchange("tr34", "payshield", config(ready["port"]))
        assert done.code in (0, 1)
        assert len(usable(keys()) - before) == (1 if done.code == 0 else 0)
        if done.code == 1:
            assert json.loads(done.out)["state"]
            assert "keyferry: state: " in done.err


@pytest.fixture
def recorded(exchange, aws, start, tmp_path: Path) -> Callable[[], tuple[Path, dict[str, Any]]]:
    """Record a TR-31 exchange of an existing key; return the recording and what was exchanged."""

    def record() -> tuple[Path, dict[str, Any]]:
        folder = tmp_path / "original"
        folder.mkdir()
        state = str(folder / "state")
        ready = start(folder, *("simulate", "payshield", "--port", "0", "--state", state))
        kek = exchange("tr34", "payshield", config(ready["port"])).result
        made = exchange(
            "tr31",
            "payshield",
            config(ready["port"], "tr31", kek=kek["key_arn"]) | _flow(ready, kek),
        ).result
        flow = {
            "kek": kek["kdh_key"],
            "transport_key": made["kdh_key"],
            "transport_key_kcv": made["kdh_key_check_value"],
        }
        recording = tmp_path / "recording.jsonl"
        folder = tmp_path / "recorder"
        folder.mkdir()
        options = ("--state", state, "--record", str(recording))
        ready = start(folder, *("simulate", "payshield", "--port", "0", *options))
        document = config(ready["port"], "tr31", kek=kek["key_arn"])
        document["kdh"]["payshield"]["tr31"] = flow
        result = exchange("tr31", "payshield", document).result
        return recording, {"document": document, "result": result}

    return record


def _flow(ready: dict[str, Any], kek: dict[str, Any]) -> dict[str, Any]:
    return {"kdh": {"payshield": {"port": ready["port"], "tr31": {"kek": kek["kdh_key"]}}}}


def test_a_recorded_exchange_replays(exchange, recorded, start, tmp_path: Path) -> None:
    """No device, only the recording: the same key arrives again."""
    recording, original = recorded()
    folder = tmp_path / "replay"
    folder.mkdir()
    ready = start(folder, *("simulate", "payshield", "--port", "0", "--replay", str(recording)))
    document = original["document"]
    document["kdh"]["payshield"]["port"] = ready["port"]
    again = exchange("tr31", "payshield", document).result
    assert again["key_check_value"] == original["result"]["key_check_value"]
    assert again["wrapped_key"] == original["result"]["wrapped_key"]
    assert again["key_arn"] != original["result"]["key_arn"]
    # What was not recorded is refused, and said to be so.
    other = exchange("tr34", "payshield", config(ready["port"]))
    assert other.code == 1
    assert "refused with error ZR: not in the recording" in other.err
    assert "nonces, certificates" in json.loads(other.out)["diagnosis"]["likely"]

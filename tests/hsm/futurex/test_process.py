"""`keyferry simulate futurex` as a process: ready file, state over restarts, refusals."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keyferry.errors import ConfigurationError
from keyferry.hsm.futurex import FuturexDriver
from keyferry.hsm.futurex.simulator import fresh_state, load_state
from keyferry.hsm.futurex.simulator.running import SimulatorOptions, open_device
from keyferry.hsm.futurex.simulator.state import save_state
from keyferry.hsm.simulator_process import prepare
from keyferry.keys import KeyAlgorithm

READY_WITHIN_S = 60.0


def start(folder: Path, *options: str) -> tuple[subprocess.Popen[bytes], dict[str, object]]:
    """Start the simulator and return what it wrote once it was ready."""
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "keyferry", "simulate", "futurex", "--port", "0"]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--ready-file", str(ready), *options], stdout=subprocess.DEVNULL, stderr=log
        )
    limit = time.monotonic() + READY_WITHIN_S
    while not ready.exists():
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < limit
        try:
            process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            continue
    return process, json.loads(ready.read_text())


async def test_keys_open_after_a_restart(tmp_path: Path) -> None:
    """The state file keeps the PMK, readable by its owner alone; SIGTERM ends with exit code 0."""
    state = tmp_path / "state.json"
    keys: list[str] = []
    shown: list[str] = []
    for _ in range(2):
        process, ready = start(tmp_path, "--state", str(state))
        assert ready["simulator"] == "futurex"
        assert ready["major_keys"] == ["PMK"]
        async with FuturexDriver("127.0.0.1", int(str(ready["port"]))) as driver:
            if not keys:
                made = await driver.generate_key(
                    usage="K1", algorithm=KeyAlgorithm.TDES_3KEY, mode="B"
                )
                keys.append(made.key)
                shown.append(made.check_value)
            assert await driver.check_value(keys[0]) == shown[0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        assert not (tmp_path / "ready.json").exists()
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    log = (tmp_path / "log").read_text()
    pmk = json.loads(state.read_text())["pmk"]
    assert pmk not in log
    assert keys[0] not in log
    assert "not an HSM" in log


def test_each_state_file_has_its_own_pmk() -> None:
    """Two fresh devices share nothing, and do not show what they hold."""
    one, other = fresh_state(mfk=True), fresh_state()
    assert one.pmk != other.pmk
    assert one.pmk not in repr(one)
    assert len(one.mfk) == 48
    assert other.mfk == ""


def test_an_mfk_is_loaded_into_an_old_state(tmp_path: Path) -> None:
    """--mfk adds one where there is none, and keeps the one that is there."""
    path = tmp_path / "state.json"
    open_device(SimulatorOptions(state=path))
    first = open_device(SimulatorOptions(state=path, mfk=True)).state.mfk
    assert first
    assert open_device(SimulatorOptions(state=path, mfk=True)).state.mfk == first
    assert open_device(SimulatorOptions(state=path)).state.mfk == first


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "truncated"),
        ('{"version": 2, "serial": "S", "pmk": "' + "00" * 32 + '"}', "version 2"),
        ('{"version": 1, "serial": "S", "pmk": "00"}', "32 bytes"),
        ('{"version": 1, "serial": "S", "pmk": "' + "ZZ" * 32 + '"}', "32 bytes"),
        ('{"version": 1, "serial": "S", "pmk": "' + "00" * 32 + '", "x": 1}', "unknown field"),
    ],
)
def test_state_files_that_are_none(tmp_path: Path, content: str, said: str) -> None:
    """What is wrong is told, the key is not."""
    path = tmp_path / "state.json"
    path.touch(mode=0o600)
    path.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        load_state(path)
    assert said in str(caught.value)
    assert "ZZZZ" not in str(caught.value)


def test_a_state_file_others_can_read(tmp_path: Path) -> None:
    """It is refused, with the remedy."""
    path = tmp_path / "state.json"
    save_state(path, fresh_state())
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="readable by others") as caught:
        load_state(path)
    assert caught.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("check_digits=5", "even number"),
        ("check_digits=many", "expected a number"),
        ("pci_hsm=perhaps", "yes or no"),
        ("disabled_commands=NOPE", "no command"),
        ("nonsense=1", "known settings"),
        ("pci_hsm", "NAME=VALUE"),
    ],
)
def test_settings_that_are_none(setting: str, said: str) -> None:
    """A wrong setting is told before anything listens."""
    with pytest.raises(ConfigurationError) as caught:
        open_device(SimulatorOptions(settings=(setting,)))
    assert said in f"{caught.value} {caught.value.hint}"


def test_no_open_network_without_tls(tmp_path: Path) -> None:
    """A simulator holds keys in clear: beyond loopback it wants TLS, with both files."""
    with pytest.raises(ConfigurationError, match="without TLS"):
        prepare(SimulatorOptions(host="0.0.0.0"))
    with pytest.raises(ConfigurationError, match="both"):
        prepare(SimulatorOptions(tls_cert=tmp_path / "cert"))
    with pytest.raises(ConfigurationError, match="TLS files"):
        prepare(SimulatorOptions(tls_cert=tmp_path / "cert", tls_key=tmp_path / "key"))

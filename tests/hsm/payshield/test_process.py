"""`keyferry simulate payshield` as a process: ready file, signals, state, exit codes."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
import structlog

from keyferry.cli.main import run
from keyferry.cli.simulate import payshield
from keyferry.hsm.payshield.framing import encode_frame

Start = Callable[..., tuple["subprocess.Popen[str]", dict[str, object]]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start simulators and end those that a test leaves running."""
    running: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> tuple[subprocess.Popen[str], dict[str, object]]:
        ready = tmp_path / f"ready-{len(running)}.json"
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "keyferry",
                "simulate",
                "payshield",
                "--port",
                "0",
                "--log-format",
                "json",
                "--ready-file",
                str(ready),
                *arguments,
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stderr is not None
        # The event is logged before the file is written; the pipe wakes us without sleeping.
        select.select([process.stderr], [], [], 60)
        deadline = time.monotonic() + 60
        while not ready.exists() and process.poll() is None and time.monotonic() < deadline:
            os.sched_yield()
        return process, json.loads(ready.read_text()) if ready.exists() else {}

    yield run
    for process in running:
        if process.poll() is None:
            process.kill()
            process.communicate()


def ask(port: object, body: bytes) -> bytes:
    """Ask over a connection of its own."""
    assert isinstance(port, int)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(encode_frame(b"0000" + body))
        return connection.recv(65536)[6:]


def test_life_of_a_simulator(start: Start, tmp_path: Path) -> None:
    """It says where it is and what it is, keeps its LMK, and ends with 0 on SIGTERM."""
    state = tmp_path / "hsm.json"
    process, ready = start("--state", str(state))
    assert ready["host"] == "127.0.0.1"
    assert ready["pid"] == process.pid
    assert ready["lmks"] == {"00": "key_block", "02": "variant"}
    key = ask(ready["port"], b"A00FFFS#K1A3N00E00").decode()
    assert key[:4] == "A100"
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert '"event": "simulator_ready"' in errors
    assert "not an HSM" in errors
    assert not (tmp_path / "ready-0.json").exists()
    # No secret in the log: neither the LMK nor anything of the key it made.
    lmk = json.loads(state.read_text())["lmks"][0]["key"]
    assert lmk not in errors.upper()
    assert key[21:60] not in errors
    _, ready = start("--state", str(state))
    assert ask(ready["port"], f"BUFFF{key[4:-6]};FFF;001".encode()) == b"BV00" + key[-6:].encode()


def test_killed_at_any_moment(start: Start, tmp_path: Path) -> None:
    """What was acknowledged before SIGKILL is there afterwards."""
    state = tmp_path / "hsm.json"
    process, ready = start("--state", str(state))
    for index in range(10):
        assert ask(ready["port"], b"LAB%03X0004data" % index) == b"LB00"
    process.kill()
    process.communicate()
    assert len(json.loads(state.read_text())["user_storage"]) == 10
    _, ready = start("--state", str(state))
    assert ask(ready["port"], b"NC")[:4] == b"ND00"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--host", "0.0.0.0"), 2, "without TLS"),
        (("--setting", "nonsense=1"), 2, "known settings"),
        (("--unauthorised", "everything"), 2, "ACTIVITY.KEY.INTERFACE"),
        (("--tls-cert", "cert.pem"), 2, "--tls-key"),
        (("--tls-cert", "none.pem", "--tls-key", "none.pem"), 2, "TLS files"),
        (("--tls-client-ca", "ca.pem"), 2, "--tls-key"),
        (("--state", "/nowhere/hsm.json"), 2, "/nowhere/hsm.json"),
    ],
)
def test_refused_starts(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, words: str
) -> None:
    """What cannot work ends at once with 2, and says why."""
    assert run(["simulate", "payshield", "--port", "0", *arguments]) == code
    structlog.reset_defaults()
    errors = capsys.readouterr().err
    assert words in errors
    assert "Traceback" not in errors


def test_help_states_every_default() -> None:
    """Each option of the simulator says what happens without it."""
    for option in payshield.params:
        assert isinstance(option, click.Option)
        assert option.show_default or "default" in (option.help or "") or option.name == "verbose"


def test_a_taken_port(start: Start) -> None:
    """A port that is taken ends with 1 and is named."""
    _, ready = start()
    second, _ = start("--port", str(ready["port"]))
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 1
    assert f"port {ready['port']}" in errors

"""`keyferry simulate atalla` as a process: what it remembers, who may approve, how it ends."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from keyferry.cli.main import run
from keyferry.errors import ConfigurationError
from keyferry.hsm.atalla.simulator import Settings, load_state
from keyferry.hsm.atalla.simulator.console import ask_console, control_path

Start = Callable[..., tuple["subprocess.Popen[str]", dict[str, Any]]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start simulators and end those that a test leaves running."""
    running: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        ready = tmp_path / "ready.json"
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "keyferry", "simulate", "atalla", "--port", "0"),
                *("--ready-file", str(ready), *arguments),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        deadline = time.monotonic() + 60
        while not ready.exists() and process.poll() is None and time.monotonic() < deadline:
            try:
                process.wait(timeout=0.05)
            except subprocess.TimeoutExpired:
                continue
        return process, json.loads(ready.read_text()) if ready.exists() else {}

    yield begin
    for process in running:
        process.terminate()
        process.communicate(timeout=20)


def send(port: int, frame: str) -> str:
    """Send one frame and read its answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(frame.encode())
        answer = b""
        while b">" not in answer:
            answer += connection.recv(4096)
    return answer.decode()


def test_the_mfk_and_challenges_survive(start: Start, tmp_path: Path) -> None:
    """A key made before a restart opens after it; an open challenge is approved after it."""
    state = tmp_path / "state.json"
    first, ready = start("--state", str(state))
    key = send(ready["port"], "<10#1CDNE000##D#>").split("#")[1]
    trust = f"<12A#1kREE000#010001#{'C1' * 256}#"
    challenge = send(ready["port"], trust + "#>").split("#")[2]
    first.terminate()
    first.communicate(timeout=20)
    assert first.returncode == 0
    assert not Path(ready["control"]).exists()
    assert not (tmp_path / "ready.json").exists()
    assert state.stat().st_mode & 0o777 == 0o600
    _, ready = start("--state", str(state))
    assert send(ready["port"], f"<7E#V##{key}#>").startswith("<8E#V#")
    path = control_path(state, None, 0)
    half = ask_console(path, {"approve": challenge, "administrators": ["alice"]})
    assert half == {
        "challenge": challenge,
        "administrators": ["alice"],
        "missing": 1,
        "answer": None,
    }
    answer = ask_console(path, {"approve": challenge, "administrators": ["bob"]})["answer"]
    assert send(ready["port"], f"{trust}{answer}#>").startswith("<22A#OK#1kREE000,")
    assert ask_console(path, {}) == {"open": []}


def test_a_state_file_has_a_random_mfk(tmp_path: Path) -> None:
    """Two new state files have different MFKs; the test MFK comes only when asked for."""
    assert load_state(tmp_path / "a").mfk != load_state(tmp_path / "b").mfk
    assert load_state(tmp_path / "a", test_mfk=True).mfk.startswith("2ABC3DEF")
    assert "2ABC" not in repr(load_state(tmp_path / "a", test_mfk=True))


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        ("{}", 0o644, "readable by others"),
        ("{}", 0o600, "missing required field"),
        ("no json", 0o600, "state file"),
        ('{"version": 9, "serial": "S", "mfk": "00"}', 0o600, "version 9, expected 1"),
        ('{"version": 1, "serial": "S", "mfk": "00"}', 0o600, "the MFK is not"),
        ('{"version": 1, "serial": "S", "mfk": "00", "more": 1}', 0o600, "unknown field"),
    ],
)
def test_state_files_that_are_refused(tmp_path: Path, content: str, mode: int, words: str) -> None:
    """What is wrong with a state file is said before anything listens."""
    path = tmp_path / "state.json"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=words):
        load_state(path)


@pytest.mark.parametrize(
    "assignment",
    [
        *("e9=on", "e2", "e2=maybe", "check_digits=5", "check_digits=x", "software=8"),
        *("nothing=1", "disabled_commands=ZZ", "longest_command=5"),
    ],
)
def test_settings_that_are_refused(assignment: str) -> None:
    """A setting that does not exist, or a value it does not have, is a configuration error."""
    with pytest.raises(ConfigurationError):
        Settings().changed((assignment,))


def test_only_one_simulator_uses_a_state_file(start: Start, tmp_path: Path) -> None:
    """A second simulator on the same state is refused by its control socket."""
    state = tmp_path / "state.json"
    start("--state", str(state))
    (tmp_path / "ready.json").unlink()
    second, _ = start("--state", str(state))
    _, err = second.communicate(timeout=20)
    assert second.returncode == 2
    assert "another simulator uses it" in err


def test_nobody_at_the_console(tmp_path: Path) -> None:
    """Approving where no simulator runs says so, and how to name one."""
    with pytest.raises(ConfigurationError, match="no such file") as caught:
        ask_console(tmp_path / "nothing", {"approve": "00"})
    assert "--state" in (caught.value.hint or "")


def test_long_paths(start: Start, tmp_path: Path) -> None:
    """A control socket works where its path is longer than a socket address holds."""
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    _, ready = start("--state", str(folder / "state.json"))
    assert ask_console(Path(ready["control"]), {}) == {"open": []}


def test_both_administrators_at_once(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without names the command stands for two people, and shows the answer."""
    control = tmp_path / "control"
    _, ready = start("--control", str(control))
    trust = f"<12A#1kREE000#010001#{'C1' * 256}#"
    challenge = send(ready["port"], trust + "#>").split("#")[2]
    command = ["simulate", "atalla", "approve", challenge, "--control", str(control)]
    assert run([*command, "--output", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["missing"] == 0
    # Who asks again, instead of answering, is told the answer now.
    asked = send(ready["port"], trust + "#>").removesuffix("#>")
    assert asked == f"<22A#CHALLENGE#{challenge}#{shown['answer']}"
    assert run(command) == 0
    assert capsys.readouterr().out == f"answer {shown['answer']}\n"
    structlog.reset_defaults()

"""`python -m keyferry.demo`: every line proven, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keyferry.demo.exchanges import Exchange, Line
from keyferry.demo.interruption import Interruption


@contextmanager
def _demo(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A running demonstration, which does not outlive a failed test."""
    environment = {
        **os.environ,
        "TMPDIR": str(folder),
        # What a user's shell may hold must not reach the demonstration.
        "AWS_PROFILE": "nobody",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "keyferry.demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def _processes_of(folder: Path) -> list[str]:
    """Command lines of processes that work in `folder`."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True
    ).stdout
    return [line for line in listed.splitlines() if str(folder) in line]


def test_every_line_is_proven(tmp_path: Path) -> None:
    """Each HSM family by every protocol it speaks, and one Region into the other."""
    with _demo(tmp_path) as demo:
        out, err = demo.communicate(timeout=240)
    assert demo.returncode == 0, err
    *table, _, summary = out.splitlines()
    assert summary.startswith("17 of 17 keys are proven")
    header, *lines = table
    assert header.split()[:2] == ["key", "from"]
    assert len(lines) == 17
    assert all(line.endswith("proven") for line in lines)
    for proof in ("CVV verified", "MAC verified", "DUKPT MAC verified", "PIN block translated"):
        assert any(proof in line and "payShield" in line for line in lines)
    for protocol in ("TR-34", "TR-31", "ECDH"):
        assert any(protocol in line and "payShield" in line for line in lines)
        assert any(protocol in line and "us-west-2" in line for line in lines)
    assert list(tmp_path.iterdir()) == []
    assert _processes_of(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demonstration_cleans_up(tmp_path: Path, number: int) -> None:
    """Interrupted while its processes run, it stops them, removes its folder and says so."""
    with _demo(tmp_path) as demo:
        assert demo.stderr is not None
        for line in demo.stderr:
            if "by tr34: kek" in line:
                break
        assert len(_processes_of(tmp_path)) >= 2
        demo.send_signal(number)
        _, err = demo.communicate(timeout=60)
    assert demo.returncode == 130, err
    assert "interrupted" in err
    assert list(tmp_path.iterdir()) == []
    assert _processes_of(tmp_path) == []


@pytest.mark.parametrize(
    ("result", "proven"),
    [
        (None, False),
        ({"proven": True, "key_check_value": "08D7B4", "kdh_key_check_value": "08D7B4"}, True),
        ({"proven": True, "key_check_value": "08D7B4", "kdh_key_check_value": "08D7B5"}, False),
        ({"proven": False, "key_check_value": "08D7B4", "kdh_key_check_value": "08D7B4"}, False),
        ({"proven": True, "key_check_value": "", "kdh_key_check_value": ""}, False),
    ],
)
def test_what_counts_as_proven(result: dict[str, object] | None, proven: bool) -> None:
    """Only equal check values of six characters, and the command's own word."""
    exchange = Exchange(
        name="x", method="tr34", kdh="apc", source="a", target="b", configure=lambda _: {}
    )
    assert Line(exchange=exchange, result=result).proven is proven


def test_an_interruption_is_held_back() -> None:
    """Within `hold` a signal waits for the end of the block; outside it counts at once."""
    interruption = Interruption()
    reached = []

    def held() -> None:
        with interruption.hold():
            interruption._handle(signal.SIGINT, None)
            reached.append(True)

    with pytest.raises(KeyboardInterrupt):
        held()
    assert reached
    with interruption.hold():
        """Nothing is pending any more."""
    with pytest.raises(KeyboardInterrupt):
        interruption._handle(signal.SIGINT, None)

"""`python -m keyferry.demo`: every line proven, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from keyferry.demo.drill import rehearse
from keyferry.demo.exchanges import Exchange, Line
from keyferry.demo.interruption import Interruption
from keyferry.demo.processes import DemoError, Processes
from keyferry.demo.schedule import run_all
from keyferry.demo.table import by_use
from keyferry.exchange.proof import NOT_PROVABLE

PROOFS = {
    "payShield, key block LMK": (
        "CVV verified",
        "MAC verified",
        "DUKPT MAC verified",
        "PIN block translated",
        "PVV verified",
        "ARQC verified by the sender",
        "key block unwrapped",
    ),
    "payShield, variant LMK": ("CVV verified", "DUKPT MAC verified", "key block unwrapped"),
    "Futurex": ("CVV verified", "PIN block translated", "key block unwrapped"),
    "Atalla": ("CVV verified", "PIN block translated", "key block unwrapped"),
    "us-east-1  ": ("DUKPT MAC verified", "PIN block translated", "key block unwrapped"),
}
PROTOCOLS = {
    "payShield, key block LMK": ("TR-34", "TR-31", "ECDH"),
    "payShield, variant LMK": ("TR-34", "TR-31"),
    "Futurex": ("TR-34", "TR-31", "ECDH"),
    "Atalla": ("TR-34", "TR-31"),
    "us-east-1  ": ("TR-34", "TR-31", "ECDH"),
}


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
    lines_out = out.splitlines()
    end = lines_out.index("")
    table, (summary, _, *drill) = lines_out[:end], lines_out[end + 1 :]
    assert summary.startswith("22 of 22 keys are proven, each in us-east-1 and in us-west-2")
    header, *lines = table
    assert header.split()[:2] == ["key", "from"]
    assert len(lines) == 22
    assert all(line.endswith("proven") for line in lines)
    for family, proofs in PROOFS.items():
        for proof in proofs:
            # Once for each Region.
            assert any(family in line and line.count(proof) == 2 for line in lines), proof
    for family, protocols in PROTOCOLS.items():
        for protocol in protocols:
            assert any(family in line and protocol in line for line in lines)
    assert drill[0] == "drill: us-east-1 is cut off, and us-west-2 is used alone"
    assert any("19 proofs checked in us-west-2 alone, 0 failed" in line for line in drill)
    assert any(
        line.startswith("19 of 19 replicated keys are proven by use again")
        and line.endswith("us-west-2 can stand in for us-east-1")
        for line in drill
    )
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


GOOD: dict[str, Any] = {
    "proven": True,
    "key_check_value": "08D7B4",
    "kdh_key_check_value": "08D7B4",
    "proof_by_use": "CVV made by the sender, verified by the receiver",
    "replicas": [
        {
            "region": "us-west-2",
            "key_check_value": "08D7B4",
            "proof_by_use": "CVV made by the sender, verified by the receiver",
        }
    ],
}
_REPLICA: dict[str, Any] = GOOD["replicas"][0]


def _line(result: dict[str, Any] | None) -> Line:
    exchange = Exchange(
        name="x", method="tr34", kdh="apc", source="a", target="b", configure=lambda _: {}
    )
    return Line(exchange=exchange, result=result)


@pytest.mark.parametrize(
    "change",
    [
        {"kdh_key_check_value": "08D7B5"},
        {"proven": False},
        {"key_check_value": "", "kdh_key_check_value": ""},
        {"proof_by_use": ""},
        {"proof_by_use": f"{NOT_PROVABLE}: no operation uses a key of usage P1"},
        {"replicas": []},
        {"replicas": [{**_REPLICA, "key_check_value": "08D7B5"}]},
        {"replicas": [{**_REPLICA, "proof_by_use": f"{NOT_PROVABLE}: whatever"}]},
    ],
)
def test_what_counts_as_proven(change: dict[str, Any]) -> None:
    """Equal check values at sender, receiver and replica, and a proof by use in both Regions."""
    assert _line(GOOD).proven
    assert not _line(None).proven
    assert not _line({**GOOD, **change}).proven


@pytest.mark.parametrize(
    ("told", "short"),
    [
        ("CVV made by the sender, verified by the receiver", "CVV verified"),
        ("MAC made by the sender, verified by the receiver", "MAC verified"),
        ("ARQC made by the receiver, verified by the sender", "ARQC verified by the sender"),
        (f"{NOT_PROVABLE}: no operation uses a key of usage P1", "-"),
        ("", "-"),
    ],
)
def test_what_the_table_says_of_a_proof(told: str, short: str) -> None:
    """What was computed, and what became of it."""
    assert by_use(told) == short


def _exchange(name: str, *needs: str) -> Exchange:
    return Exchange(
        name=name,
        method="tr34",
        kdh="apc",
        source="a",
        target="b",
        configure=lambda _: {},
        needs=needs,
    )


def test_exchanges_wait_for_what_they_need() -> None:
    """What needs nothing runs side by side; what needs something runs after it."""
    both = threading.Barrier(2)
    order: list[str] = []

    def run(exchange: Exchange) -> Line:
        if not exchange.needs:
            both.wait(timeout=30)
        order.append(exchange.name)
        return Line(exchange=exchange, result=None)

    planned = [_exchange("a"), _exchange("a2", "a"), _exchange("b"), _exchange("c", "a2", "b")]
    lines = run_all(planned, run, workers=2)
    assert [line.exchange.name for line in lines] == ["a", "a2", "b", "c"]
    assert order.index("a") < order.index("a2") < order.index("c")
    assert order.index("b") < order.index("c")


def test_what_fails_in_a_thread_is_raised() -> None:
    """An error of one exchange ends the demonstration."""

    def run(exchange: Exchange) -> Line:
        raise DemoError("it does not end")

    with pytest.raises(DemoError, match="it does not end"):
        run_all([_exchange("a")], run, workers=2)


REPORT: dict[str, Any] = {
    "verdict": "PROVEN",
    "problems": [],
    "totals": {"keys": 3, "proven_by_use": 2, "proven_by_check_value": 1, "failed": 0},
    "steps": [{"name": "cut", "seconds": 0.5, "result": "for 60 s at a time"}],
}


class _Drill:
    """Stands for the processes: the drill wrote what it is told to."""

    def __init__(self, out: str, code: int = 0) -> None:
        self._done = subprocess.CompletedProcess([], code, out, "keyferry: error: refused")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        assert arguments[:2] == ("regions", "drill")
        return self._done


def test_a_drill_that_went_well() -> None:
    """Its steps, its totals and its verdict are told."""
    rehearsal = rehearse(_Drill(json.dumps(REPORT)))
    assert rehearsal.proven
    assert not rehearsal.reason
    assert "  cut           for 60 s at a time, in 0.500 s\n" in rehearsal.text()
    assert "2 of 3 replicated keys are proven by use again, 1 by check value" in rehearsal.text()
    assert rehearsal.text().endswith("us-west-2 can stand in for us-east-1\n")


@pytest.mark.parametrize(
    "out", ["", json.dumps({**REPORT, "verdict": "FAILED", "problems": ["a key differs"]})]
)
def test_a_drill_that_failed(out: str) -> None:
    """Refused, or with problems: it says so, with the reason."""
    rehearsal = rehearse(_Drill(out, code=1))
    assert not rehearsal.proven
    assert rehearsal.reason == "keyferry: error: refused"
    assert rehearsal.text().rstrip().endswith("us-west-2 cannot replace us-east-1")
    assert ("problem: a key differs" in rehearsal.text()) == bool(out)


def test_nothing_is_born_while_all_are_stopped(tmp_path: Path) -> None:
    """A thread that comes late is told so, instead of leaving a process behind."""
    processes = Processes(tmp_path)
    processes.stop()
    with pytest.raises(DemoError, match="being stopped"):
        processes.run("--version")


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

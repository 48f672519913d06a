"""The steps of a drill against answers no service should give."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from keyferry.cli.regions_drill_report import Report
from keyferry.cli.regions_rehearsal import Drill

EAST, WEST = "us-east-1", "us-west-2"


class Answers:
    """A client that answers from a script, where a service would have to misbehave."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(operation)
        answer = self.answers[operation]
        found: dict[str, Any] = answer(parameters) if callable(answer) else answer
        return found


WHOLE = {
    "Peer": WEST,
    "Linked": True,
    "CutUntil": None,
    "Failures": 0,
    "Circuit": "closed",
    "Waiting": 0,
    "OldestWaitingAge": None,
    "Held": 0,
}


def rehearse(**answers: Any) -> tuple[Report, Answers]:
    """A drill of one key against answers; what is not given is as it should be."""
    key = {"Account": "111122223333", "KeyId": "abcdefghijklmnop", "Usage": "C0"}
    proof = key | {
        "KeyArn": "arn",
        "Algorithm": "TDES_2KEY",
        "Method": "CVV",
        "Operation": "GenerateCardValidationData",
        "Pending": False,
    }
    verdict = {"Verdict": "PROVEN_BY_USE", "Operation": "Verify", "Reason": ""}
    probes = iter([True, False, True, True])
    held = iter([False, False, *[True] * 100])
    client = Answers(
        **{
            "DescribeReplication": {"Pairs": [WHOLE]},
            "ProbeCanary": lambda _: {"Proven": next(probes), "Lag": 0.001, "Reason": "lost"},
            "ListReplicatedKeys": {"Keys": [key], "Next": None},
            "MakeKeyProofs": {"Proofs": [proof]},
            "CheckKeyProofs": {"Verdicts": [verdict]},
            "CutRegion": lambda _: {"Continued": next(held)},
            "RestoreRegion": {"Ended": True},
            "VerifyReplicas": {"Compared": 1, "Drift": [], "Pending": [], "Next": None},
            "VerifyAliases": {"Follow": False},
            "RecordVerification": {},
        }
        | answers
    )
    report = Report(
        source=EAST,
        target=WEST,
        started_at=datetime(2026, 3, 1, tzinfo=UTC),
        account=None,
        limit=None,
    )
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    Drill(
        source=client,  # type: ignore[arg-type]  # it is asked for `call` alone
        target=client,  # type: ignore[arg-type]  # it is asked for `call` alone
        report=report,
        cut_s=60,
        wait_s=10,
        tell=lambda _: None,
        sleep=sleep,
        monotonic=lambda: now[0],
    ).run()
    return report, client


def test_a_cut_that_ends_too_early_is_no_proof() -> None:
    """If the cut did not hold while keys were proven, the Region did not stand alone."""
    report, _ = rehearse(CutRegion={"Continued": False})
    assert not report.proven
    assert "the cut ended while keys were proven" in report.problems[0]


def test_regions_that_do_not_converge_fail_it() -> None:
    """A backlog that stays after the Regions were restored is a problem, not a wait for ever."""
    pairs = iter([WHOLE, WHOLE])
    report, _ = rehearse(
        DescribeReplication=lambda _: {
            "Pairs": [next(pairs, WHOLE | {"Waiting": 7, "OldestWaitingAge": 60.0})]
        }
    )
    assert not report.proven
    assert report.problems == ["no convergence: 7 changes wait, the oldest for 60 s"]


def test_a_replica_that_is_on_its_way_is_waited_for() -> None:
    """A key that was made a moment ago is used once its replica is there."""
    pending = iter([True, True, False])
    key = {"Account": "111122223333", "KeyId": "abcdefghijklmnop", "Usage": "C0"}

    def proofs(_: Any) -> Any:
        found = {
            "KeyArn": "arn",
            "Algorithm": "TDES_2KEY",
            "Method": "CVV",
            "Operation": "GenerateCardValidationData",
            "Pending": next(pending),
        }
        return {"Proofs": [key | found]}

    report, client = rehearse(MakeKeyProofs=proofs)
    assert report.proven
    assert client.asked.count("MakeKeyProofs") == 3

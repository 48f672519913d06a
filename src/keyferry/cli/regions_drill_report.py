"""The report of a drill: what was done, how long it took, and what became of each key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from keyferry.cli.printable import printable

BY_USE, BY_CHECK_VALUE, FAILED = "PROVEN_BY_USE", "PROVEN_BY_CHECK_VALUE", "FAILED"
_WORDS = {BY_USE: "proven", BY_CHECK_VALUE: "same check value", FAILED: "FAILED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTaken:
    """One step and what came of it."""

    name: str
    seconds: float
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenKey:
    """One key; `made_by` and `checked_by` are operations, empty for a check value."""

    arn: str
    account: str
    usage: str
    algorithm: str
    proof: str
    made_by: str
    checked_by: str
    verdict: str
    reason: str


@dataclass(slots=True, kw_only=True)
class Report:
    """A drill, as far as it got. Nothing in it is secret."""

    source: str
    target: str
    started_at: datetime
    account: str | None
    limit: int | None
    replicated: int = 0  # keys there are; so many are in `keys` unless a limit was given
    steps: list[StepTaken] = field(default_factory=list)
    keys: list[ProvenKey] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def was_cut(self) -> bool:
        """Whether it came so far that something was done."""
        return any(step.name == "cut" for step in self.steps)

    @property
    def failed(self) -> list[ProvenKey]:
        return [key for key in self.keys if key.verdict == FAILED]

    @property
    def proven(self) -> bool:
        """Whether every key was proven, and nothing else went wrong."""
        return not self.problems and not self.failed

    def totals(self) -> dict[str, int]:
        found = Counter(key.verdict for key in self.keys)
        return {
            "replicated": self.replicated,
            "keys": len(self.keys),
            "proven_by_use": found[BY_USE],
            "proven_by_check_value": found[BY_CHECK_VALUE],
            "failed": found[FAILED],
        }

    def document(self) -> dict[str, Any]:
        """The report for machines."""
        return {
            "from": self.source,
            "to": self.target,
            "started_at": self.started_at.isoformat(timespec="seconds"),
            "account": self.account,
            "limit": self.limit,
            "verdict": "PROVEN" if self.proven else "FAILED",
            "problems": self.problems,
            "totals": self.totals(),
            "steps": [
                {"name": step.name, "seconds": round(step.seconds, 3), "result": step.result}
                for step in self.steps
            ],
            "keys": [
                {
                    "key_arn": key.arn,
                    "account": key.account,
                    "usage": key.usage,
                    "algorithm": key.algorithm,
                    "proof": key.proof,
                    "made_by": key.made_by or None,
                    "checked_by": key.checked_by or None,
                    "verdict": key.verdict,
                    "reason": key.reason or None,
                }
                for key in self.keys
            ],
        }

    def lines(self) -> Iterator[str]:
        """The report for people: each key, the times, the totals and the verdict."""
        for key in self.keys:
            yield _line(key)
        if self.keys:
            yield ""
        for step in self.steps:
            yield f"{step.seconds:8.3f} s  {step.name:<12} {printable(step.result)}"
        totals = self.totals()
        sampled = f" of {self.replicated} replicated" if self.replicated != len(self.keys) else ""
        yield (
            f"{totals['keys']} keys{sampled}: {totals['proven_by_use']} proven by use,"
            f" {totals['proven_by_check_value']} by check value, {totals['failed']} failed"
        )
        for problem in self.problems:
            yield f"problem: {printable(problem)}"
        if self.proven:
            yield f"PROVEN: {self.target} can stand in for {self.source}"
        else:
            yield f"FAILED: do not rely on {self.target} for {self.source}"


def proven_key(proof: Mapping[str, Any], verdict: Mapping[str, Any]) -> ProvenKey:
    """A key of the report from what the two Regions answered."""
    return ProvenKey(
        arn=proof["KeyArn"],
        account=proof["Account"],
        usage=proof["Usage"],
        algorithm=proof["Algorithm"],
        proof=proof["Method"],
        made_by=proof["Operation"],
        checked_by=verdict["Operation"],
        verdict=verdict["Verdict"],
        reason=verdict["Reason"],
    )


def _line(key: ProvenKey) -> str:
    how = key.proof
    if key.made_by and key.checked_by:
        how = f"{key.proof}: {key.made_by}, {key.checked_by}"
    text = f"{_WORDS.get(key.verdict, key.verdict):<16}  {key.usage:<2}  {key.arn}  {how}"
    return printable(f"{text}  {key.reason}" if key.reason else text).rstrip()

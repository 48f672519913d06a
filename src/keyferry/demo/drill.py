"""The end of the demonstration: a Region is cut off, and the other stands in for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from keyferry.demo.exchanges import FAR, NEAR
from keyferry.demo.processes import Processes

_DRILL = ("regions", "drill", "--from", NEAR, "--to", FAR, "--output", "json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What the drill came to."""

    report: dict[str, Any] | None  # None: it was refused, or failed before it could report
    reason: str = ""

    @property
    def proven(self) -> bool:
        return self.report is not None and self.report["verdict"] == "PROVEN"

    def text(self) -> str:
        """The steps with their times, what became of the keys, and the verdict."""
        verdict = (
            f"{FAR} can stand in for {NEAR}" if self.proven else f"{FAR} cannot replace {NEAR}"
        )
        if self.report is None:
            return f"drill FAILED: {verdict}\n"
        lines = [f"drill: {NEAR} is cut off, and {FAR} is used alone"]
        lines += [
            f"  {step['name']:<12}  {step['result']}, in {step['seconds']:.3f} s"
            for step in self.report["steps"]
        ]
        totals = self.report["totals"]
        lines += [f"  problem: {problem}" for problem in self.report["problems"]]
        lines.append(
            f"{totals['proven_by_use']} of {totals['keys']} replicated keys are proven by use"
            f" again, {totals['proven_by_check_value']} by check value, {totals['failed']} failed:"
            f" {verdict}"
        )
        return "\n".join(lines) + "\n"


def rehearse(processes: Processes) -> Rehearsal:
    """Run the drill as a command and read its report."""
    done = processes.run(*_DRILL)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        return Rehearsal(report=None, reason=done.stderr)
    return Rehearsal(report=report, reason=done.stderr if done.returncode else "")

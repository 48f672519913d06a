"""The goals of the measured ratios, and which of them a run met."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Goal", "check", "checked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One measured number and its bound."""

    what: str
    measured: float
    bound: float
    at_least: bool
    unit: str
    reason: str  # why it was missed, as far as the run itself shows it

    @property
    def met(self) -> bool:
        if self.at_least:
            return self.measured >= self.bound
        return self.measured <= self.bound

    def __str__(self) -> str:
        return (
            f"| {self.what} | {'≥' if self.at_least else '≤'} {self.bound:g} {self.unit}"
            f" | {self.measured:.2f} {self.unit} | {'met' if self.met else '**missed**'} |"
        )


_checked: list[Goal] = []


def check(
    what: str,
    measured: float,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    unit: str = "×",
    reason: str = "",
) -> str:
    """Hold a number against its bound, remember it for the list of goals, and return a word."""
    bound = at_least if at_least is not None else at_most
    if bound is None:
        raise ValueError(f"{what}: no bound")
    goal = Goal(
        what=what,
        measured=measured,
        bound=bound,
        at_least=at_least is not None,
        unit=unit,
        reason=reason,
    )
    _checked.append(goal)
    return "met" if goal.met else "**missed**"


def checked() -> list[Goal]:
    """All goals of this run, in the order they were measured."""
    return list(_checked)

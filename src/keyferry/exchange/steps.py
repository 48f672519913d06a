"""Who does what, told while it happens: `Step 3 (APC): …`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from keyferry.exchange.carried import Carried


@dataclass(frozen=True, slots=True)
class Step:
    """One thing one party did."""

    number: int
    party: str
    text: str

    def __str__(self) -> str:
        return f"Step {self.number} ({self.party}): {self.text}"


class Steps:
    """Counts the steps of one exchange and tells each as it begins."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self.taken: list[Step] = []
        self.carried: Carried | None = None  # what travels, once its sender has made it
        self.left: tuple[str, ...] = ()  # what a run that failed took back or had to leave

    def begin(self, party: str, text: str) -> None:
        """Tell that `party` now does `text`."""
        step = Step(len(self.taken) + 1, party, text)
        self.taken.append(step)
        self._tell(str(step))

    def take_back(self, statements: Iterable[str], *, tell: bool) -> None:
        """
        Keep what a run that failed took back or had to leave.

        Args:
            statements: a line each.
            tell: as details of the last step too, where no report of the failure follows.
        """
        self.left = tuple(statements)
        if tell:
            for statement in self.left:
                self.detail(statement)

    def detail(self, text: str) -> None:
        """Tell what came of the step that runs; never a secret."""
        self._tell(f"        {text}")

"""How long to wait before something that failed is tried again."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """
    Exponential, capped, and spread over the upper half, so that what failed together does not come
    back together.
    """

    first_s: float = 0.05
    most_s: float = 30.0
    chance: Callable[[], float] = random.random  # in [0, 1); a spread, not a secret

    def after(self, failures: int) -> timedelta:
        """The pause after so many failures in a row, one or more."""
        # Two to the power of a large number is none a float holds.
        longest = min(self.most_s, self.first_s * 2.0 ** min(failures - 1, 30))
        return timedelta(seconds=longest * (0.5 + 0.5 * self.chance()))

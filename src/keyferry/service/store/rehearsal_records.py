"""What a store keeps of canaries and of drills."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryRecord:
    """
    The canary of the way to one peer.

    Whoever claimed it last (`owner`) is the process that looks after it, until `claimed_until`.
    """

    peer: str
    key_id: str  # in the reserved account
    owner: str
    claimed_until: datetime
    change_number: int = 0  # of the last round that was proven
    succeeded_at: datetime | None = None
    lag_us: int | None = None  # of that round, commit to acknowledgement, in microseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class CutRecord:
    """This Region and a peer do not talk to each other from one instant to another."""

    peer: str
    started_at: datetime
    ends_at: datetime
    started_by: str  # ARN of a principal

    def holds(self, now: datetime) -> bool:
        """Whether it is in force. A clock that was set back ends it rather than prolongs it."""
        return self.started_at <= now < self.ends_at

"""
A backfill from outside: call after call from the place the last one gave, then until all arrived.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from keyferry.cli.admin_client import AdminClient
from keyferry.errors import ConfigurationError, RemoteRefusedError

_ACCOUNT = re.compile(r"[0-9]{12}")
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 0.5


def check_account(account: str | None) -> None:
    """Refuse what is no account number."""
    if account is not None and _ACCOUNT.fullmatch(account) is None:
        raise ConfigurationError(f"--account {account!r}: expected 12 digits")


@dataclass(slots=True)
class Counts:
    """Keys of one account; what they were found to be, or what became of them."""

    added: int = 0
    retried: int = 0
    present: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    aliases: int = 0
    tags: int = 0
    quota: dict[str, int | None] | None = None  # used, limit and room in the Region, of a plan

    def add(self, answer: Mapping[str, Any]) -> None:
        """Count what one call says of the account."""
        self.added += answer["Added"]
        self.retried += answer["Retried"]
        self.present += answer["Present"]
        self.aliases += answer["Aliases"]
        self.tags += answer["Tags"]
        for reason, count in answer["LeftOut"].items():
            self.left_out[reason] = self.left_out.get(reason, 0) + count


@dataclass(slots=True)
class Backfilled:
    """What became of a backfill, or of its plan."""

    accounts: dict[str, Counts] = field(default_factory=dict)
    failed: list[dict[str, str]] = field(default_factory=list)
    waiting: int = 0
    held: int = 0
    limit_reached: bool = False
    whole: bool = True  # every key was looked at

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to be done but what the limit left."""
        return self.whole and not (self.failed or self.waiting or self.held)

    @property
    def changed(self) -> int:
        return sum(counts.added + counts.retried for counts in self.accounts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfilling:
    """
    Drives the backfill of the client's Region to another.

    Args:
        wait_s: how long to go on without anything arriving.
        sleep, monotonic: the clock; tests have their own.
    """

    client: AdminClient
    to: str
    account: str | None
    wait_s: float
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    def plan(self) -> Backfilled:
        """
        Count everything, and ask the Region how many keys it has room for.

        Raises:
            RemoteRefusedError, ExchangeError: the service does not answer, or refuses.
        """
        result = Backfilled()
        after: dict[str, Any] | None = None
        while True:
            answer = self._call("PlanBackfill", after)
            self._count(result, answer)
            after = answer["Next"]
            if after is None:
                break
        for account, counts in result.accounts.items():
            counts.quota = self._quota(account)
        return result

    def run(self, limit: int | None) -> Backfilled:
        """
        Backfill, and wait until everything has arrived; raises as `plan`.

        Args:
            limit: how many keys get the Region at most; None is all.
        """
        result = Backfilled()
        after: dict[str, Any] | None = None
        arriving = _Arriving(self.monotonic(), self.wait_s)
        while True:
            left = {} if limit is None else {"Limit": limit - result.changed}
            answer = self._call("Backfill", after, **left)
            moved = answer["Next"] != after
            self._count(result, answer)
            after = answer["Next"]
            if after is None:
                break
            if limit is not None and result.changed >= limit:
                result.limit_reached = True
                break
            if not arriving.goes_on(self.monotonic(), answer["Waiting"], moved=moved):
                result.whole = False
                return result
        self._settle(result, arriving)
        return result

    def _settle(self, result: Backfilled, arriving: _Arriving) -> None:
        """Wait for what is under way; what is given up by then is counted."""
        pause = _FIRST_PAUSE_S
        while result.waiting and arriving.goes_on(self.monotonic(), result.waiting):
            self.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
            pairs = self.client.call("DescribeReplication", {})["Pairs"]
            status = next(pair for pair in pairs if pair["Peer"] == self.to)
            result.waiting, result.held = status["Waiting"], status["Held"]

    def _call(self, operation: str, after: Mapping[str, Any] | None, **more: Any) -> dict[str, Any]:
        asked = {"To": self.to, "Account": self.account, "After": after}
        return self.client.call(operation, asked | more)

    def _count(self, result: Backfilled, answer: Mapping[str, Any]) -> None:
        for one in answer["Accounts"]:
            result.accounts.setdefault(one["Account"], Counts()).add(one)
        result.failed += answer["Failed"]
        result.waiting, result.held = answer["Waiting"], answer["Held"]

    def _quota(self, account: str) -> dict[str, int | None] | None:
        """What the Region says of an account; None if it does not answer now."""
        try:
            answer = self.client.call("DescribeReplicaQuota", {"To": self.to, "Account": account})
        except RemoteRefusedError:
            return None
        return {"used": answer["Keys"], "limit": answer["KeyLimit"], "room": answer["Room"]}


class _Arriving:
    """Whether anything still arrives: the number of waiting changes falls, or the place moves."""

    def __init__(self, now: float, wait_s: float) -> None:
        self._wait_s = wait_s
        self._since = now
        self._fewest: int | None = None

    def goes_on(self, now: float, waiting: int, *, moved: bool = False) -> bool:
        if moved or self._fewest is None or waiting < self._fewest:
            self._since = now
            self._fewest = waiting
        return now - self._since < self._wait_s

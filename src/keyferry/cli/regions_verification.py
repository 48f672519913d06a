"""
Verifying one pair of Regions from outside: page by page, then what looked wrong once more.

A key that changes while its page is read may look different from what its replica says; a change
that is under way is no difference. So what a page calls into question is asked again by name,
until nothing of it is under way any more. Aliases that follow their keys are compared likewise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keyferry.cli.admin_client import AdminClient

NAMES_A_CALL = 500
REPAIRS_A_CALL = 100
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0

Name = tuple[str, str]  # account, and key id or name of an alias
Item = dict[str, Any]  # a difference or a repair, of the service's answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is compared, in the words of the service's operations."""

    verify: str  # the operations
    repair: str
    members: str  # the member that lists names, and what tells them apart within an account
    member: str


KEYS = Subject(verify="VerifyReplicas", repair="RepairReplicas", members="Keys", member="KeyId")
ALIASES = Subject(
    verify="VerifyAliases", repair="RepairAliases", members="Aliases", member="AliasName"
)


@dataclass(slots=True)
class Found:
    """What became of the keys of one pair, or of its aliases."""

    compared: int = 0
    drift: list[Item] = field(default_factory=list)
    pending: list[Name] = field(default_factory=list)
    repairs: list[Item] = field(default_factory=list)


@dataclass(slots=True)
class Verified:
    """What became of one pair; `aliases` is None where they do not follow their keys."""

    keys: Found
    aliases: Found | None

    @property
    def _all(self) -> list[Found]:
        return [self.keys] if self.aliases is None else [self.keys, self.aliases]

    @property
    def drift(self) -> list[Item]:
        return [item for found in self._all for item in found.drift]

    @property
    def repairs(self) -> list[Item]:
        return [item for found in self._all for item in found.repairs]

    @property
    def pending(self) -> int:
        """How many keys and aliases could not be told."""
        return sum(len(found.pending) for found in self._all)


def arn_of(item: Mapping[str, Any]) -> str:
    """What a difference or a repair is about: a key of the primary's Region, or an alias there."""
    return str(item["KeyArn"] if "KeyArn" in item else item["AliasArn"])


@dataclass(frozen=True, slots=True, kw_only=True)
class PairVerifier:
    """
    Verifies the keys and aliases of the client's Region against what a peer has of them.

    Args:
        wait_s: how long to wait for what is under way.
        sleep, monotonic: the clock; tests have their own.
    """

    client: AdminClient
    peer: str
    wait_s: float
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    def verify(self) -> Verified:
        """
        Compare every key, and every alias where they follow.

        Raises:
            RemoteRefusedError, ExchangeError: the service, or the peer behind it, does not answer.
        """
        follow = self._call(ALIASES.verify, {"MaxResults": 1})["Follow"]
        keys = self._verify(KEYS)
        return Verified(keys, self._verify(ALIASES) if follow else None)

    def repair(self, result: Verified, *, destroy_unknown: bool) -> None:
        """Repair what differs, and see what of it still does."""
        self._repair(KEYS, result.keys, {"DestroyUnknown": destroy_unknown})
        if result.aliases is not None:
            # After the keys: an alias waits for the key it points to.
            self._repair(ALIASES, result.aliases, {})

    def record(self, result: Verified) -> None:
        """Tell the service, for its status and its metrics."""
        self._call(
            "RecordVerification", {"Compared": result.keys.compared, "Drift": len(result.drift)}
        )

    def _verify(self, subject: Subject) -> Found:
        found = Found()
        doubtful: set[Name] = set()
        after: dict[str, str] | None = None
        while True:
            page = self._call(subject.verify, {"After": after, "MaxResults": NAMES_A_CALL})
            found.compared += page["Compared"]
            doubtful |= _names(subject, page["Drift"]) | _names(subject, page["Pending"])
            after = page["Next"]
            if after is None:
                break
        found.drift, found.pending = self._look_again(subject, sorted(doubtful))
        return found

    def _repair(self, subject: Subject, found: Found, more: Mapping[str, Any]) -> None:
        names = sorted(_names(subject, found.drift))
        for some in _chunks(names, REPAIRS_A_CALL):
            asked = {subject.members: _members(subject, some), **more}
            found.repairs += self._call(subject.repair, asked)["Repairs"]
        found.drift, pending = self._look_again(subject, names)
        found.pending = sorted({*found.pending, *pending})

    def _look_again(self, subject: Subject, names: Sequence[Name]) -> tuple[list[Item], list[Name]]:
        """Compare these names until nothing of them is under way: what differs, what still is."""
        drift: list[Item] = []
        pending = list(names)
        deadline = self.monotonic() + self.wait_s
        pause = _FIRST_PAUSE_S
        while pending:
            asked, pending = pending, []
            for some in _chunks(asked, NAMES_A_CALL):
                answer = self._call(subject.verify, {subject.members: _members(subject, some)})
                drift += answer["Drift"]
                pending += sorted(_names(subject, answer["Pending"]))
            if not pending or self.monotonic() + pause > deadline:
                break
            self.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        return drift, pending

    def _call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return self.client.call(operation, {"Peer": self.peer, **parameters})


def _chunks(names: Sequence[Name], size: int) -> Iterator[Sequence[Name]]:
    for start in range(0, len(names), size):
        yield names[start : start + size]


def _members(subject: Subject, names: Sequence[Name]) -> list[dict[str, str]]:
    return [{"Account": account, subject.member: name} for account, name in names]


def _names(subject: Subject, items: Sequence[Mapping[str, Any]]) -> set[Name]:
    return {(item["Account"], item[subject.member]) for item in items}

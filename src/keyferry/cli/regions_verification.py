"""
Verifying one pair of Regions from outside: page by page, then what looked wrong once more.

A key that changes while its page is read may look different from what its replica says; a change
that is under way is no difference. So what a page calls into question is asked again by name,
until nothing of it is under way any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from keyferry.cli.admin_client import AdminClient

KEYS_A_CALL = 500
REPAIRS_A_CALL = 100
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0

Name = tuple[str, str]  # account and key id


@dataclass(slots=True)
class Verified:
    """What became of one pair. `drift` and `repairs` are items of the service's answers."""

    compared: int = 0
    drift: list[dict[str, Any]] = field(default_factory=list)
    pending: list[Name] = field(default_factory=list)
    repairs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def drifting(self) -> list[Name]:
        """The keys that differ, each once."""
        return sorted({(item["Account"], item["KeyId"]) for item in self.drift})


@dataclass(frozen=True, slots=True, kw_only=True)
class PairVerifier:
    """
    Verifies the keys of the client's Region against their replicas in a peer.

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
        Compare every key.

        Raises:
            RemoteRefusedError, ExchangeError: the service, or the peer behind it, does not answer.
        """
        result = Verified()
        doubtful: set[Name] = set()
        after: dict[str, str] | None = None
        while True:
            page = self._call("VerifyReplicas", {"After": after, "MaxResults": KEYS_A_CALL})
            result.compared += page["Compared"]
            doubtful |= {(item["Account"], item["KeyId"]) for item in page["Drift"]}
            doubtful |= set(_names(page["Pending"]))
            after = page["Next"]
            if after is None:
                break
        result.drift, result.pending = self.look_again(sorted(doubtful))
        return result

    def repair(self, result: Verified, *, destroy_unknown: bool) -> None:
        """Repair what differs, and see what of it still does."""
        names = result.drifting
        for some in _chunks(names, REPAIRS_A_CALL):
            answer = self._call(
                "RepairReplicas", {"Keys": _keys(some), "DestroyUnknown": destroy_unknown}
            )
            result.repairs += answer["Repairs"]
        result.drift, pending = self.look_again(names)
        result.pending = sorted({*result.pending, *pending})

    def record(self, result: Verified) -> None:
        """Tell the service, for its status and its metrics."""
        self._call("RecordVerification", {"Compared": result.compared, "Drift": len(result.drift)})

    def look_again(self, names: Sequence[Name]) -> tuple[list[dict[str, Any]], list[Name]]:
        """Compare these keys until nothing of them is under way: what differs, what still is."""
        drift: list[dict[str, Any]] = []
        pending = list(names)
        deadline = self.monotonic() + self.wait_s
        pause = _FIRST_PAUSE_S
        while pending:
            asked, pending = pending, []
            for some in _chunks(asked, KEYS_A_CALL):
                answer = self._call("VerifyReplicas", {"Keys": _keys(some)})
                drift += answer["Drift"]
                pending += _names(answer["Pending"])
            if not pending or self.monotonic() + pause > deadline:
                break
            self.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        return drift, pending

    def _call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return self.client.call(operation, {"Peer": self.peer, **parameters})


def _chunks(names: Sequence[Name], size: int) -> Iterator[Sequence[Name]]:
    for start in range(0, len(names), size):
        yield names[start : start + size]


def _keys(names: Iterable[Name]) -> list[dict[str, str]]:
    return [{"Account": account, "KeyId": key_id} for account, key_id in names]


def _names(keys: Iterable[dict[str, str]]) -> list[Name]:
    return [(key["Account"], key["KeyId"]) for key in keys]

"""
A drill from outside, step by step: prove that a Region works without the one its keys come from.

Whatever goes wrong on the way, the Regions are restored at the end; should this program die, the
cut ends by itself.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from keyferry.cli.admin_client import AdminClient
from keyferry.cli.regions_drill_report import Report, StepTaken, proven_key
from keyferry.cli.regions_verification import PairVerifier, arn_of
from keyferry.errors import ConfigurationError, ExchangeError, KeyferryError

KEYS_A_CALL, PROOFS_A_CALL = 500, 100
# What waits no longer than this is on its way, as it always is in a busy service.
UNDER_WAY_S = 5.0
# How long a canary that must not arrive is waited for.
LOST_CANARY_S = 0.5
CANARY_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0

Key = dict[str, str]
Proof = dict[str, Any]


class NotReadyForDrillError(KeyferryError):
    """Something is the matter before anything was cut off; nothing was done."""


@dataclass(slots=True)
class Drill:
    """
    One rehearsal.

    Args:
        source: asks the Region whose loss is rehearsed, where the primaries are.
        target: asks the Region that is to stand in for it.
        cut_s: after so many seconds a cut ends by itself; it is renewed while proofs are checked.
        wait_s: how long to wait before and after for what is under way.
        tell: told the name of a step when it begins.
        sleep, monotonic: the clock; tests have their own.
    """

    source: AdminClient
    target: AdminClient
    report: Report
    cut_s: int
    wait_s: float
    tell: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    def run(self) -> None:
        """
        Do it; the report says what came of it.

        Raises:
            NotReadyForDrillError: before anything was done.
            ConfigurationError: there is no such pair of Regions.
            RemoteRefusedError, ExchangeError: a service refuses or does not answer; Regions that
                were cut off are restored.
        """
        with self._step("status") as done:
            done(self._ready())
        with self._step("prove") as done:
            proofs = self._make(self._sample(self._keys()))
            done(f"{len(proofs)} keys used in {self.report.source}")
        try:
            with self._step("cut") as done:
                done(self._cut())
            with self._step("check") as done:
                self._check(proofs)
                failed = len(self.report.failed)
                done(f"{len(proofs)} proofs checked in {self.report.target} alone, {failed} failed")
        finally:
            with self._step("restore") as done:
                done(self._restore())
        with self._step("converge") as done:
            done(self._converge())
        with self._step("verify") as done:
            done(self._verify())

    # --- steps -------------------------------------------------------------------------------

    def _ready(self) -> str:
        """Refuse to cut what is not whole; say how things are."""
        deadline = self.monotonic() + self.wait_s
        pause = _FIRST_PAUSE_S
        while (reason := self._unready(self._pair())) is not None:
            if self.monotonic() + pause > deadline:
                message, hint = reason
                raise NotReadyForDrillError(f"not cut off: {message}", hint=hint)
            self.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        canary = self._probe(CANARY_S)
        if not canary["Proven"]:
            raise NotReadyForDrillError(
                f"not cut off: {canary['Reason']}",
                hint="keyferry regions status tells what is in the way",
            )
        waiting = self._pair()["Waiting"]
        return f"canary arrived after {1000 * canary['Lag']:.1f} ms, {waiting} changes under way"

    def _keys(self) -> list[Key]:
        keys: list[Key] = []
        after: Key | None = None
        while True:
            page = self._from_source(
                "ListReplicatedKeys",
                {"Account": self.report.account, "After": after, "MaxResults": KEYS_A_CALL},
            )
            keys += page["Keys"]
            after = page["Next"]
            if after is None:
                self.report.replicated = len(keys)
                if not keys:
                    raise NotReadyForDrillError(
                        f"not cut off: no key of {self.report.source} is replicated to"
                        f" {self.report.target}, so there is nothing to prove",
                        hint="keyferry regions backfill replicates existing keys",
                    )
                return keys

    def _sample(self, keys: list[Key]) -> list[Key]:
        """So many keys by chance, but one of each usage as far as the number goes."""
        limit = self.report.limit
        if limit is None or limit >= len(keys):
            return keys
        shuffled = random.SystemRandom().sample(keys, len(keys))
        first_of_usage = {key["Usage"]: key for key in reversed(shuffled)}
        chosen = list(first_of_usage.values())
        rest = [key for key in shuffled if first_of_usage[key["Usage"]] is not key]
        order = {(key["Account"], key["KeyId"]): place for place, key in enumerate(keys)}
        return sorted((chosen + rest)[:limit], key=lambda key: order[key["Account"], key["KeyId"]])

    def _make(self, keys: Sequence[Key]) -> list[Proof]:
        """Have each key used where its primary is; wait for replicas that are on their way."""
        deadline = self.monotonic() + self.wait_s
        proofs: dict[tuple[str, str], Proof] = {}
        pause = _FIRST_PAUSE_S
        todo = list(keys)
        while todo:
            for some in _chunks(todo, PROOFS_A_CALL):
                for proof in self._from_source("MakeKeyProofs", {"Keys": some})["Proofs"]:
                    proofs[proof["Account"], proof["KeyId"]] = proof
            todo = [key for key in todo if proofs[key["Account"], key["KeyId"]]["Pending"]]
            if not todo or self.monotonic() + pause > deadline:
                break
            self.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        return [proofs[key["Account"], key["KeyId"]] for key in keys]

    def _cut(self) -> str:
        """Cut both Regions off from each other, and see that a change does not get through."""
        self._cut_both()
        canary = self._probe(LOST_CANARY_S)
        if canary["Proven"]:
            raise ExchangeError(
                f"a change reached {self.report.target} although the Regions were cut off",
                hint="every process of both services must be of this version",
            )
        return f"for {self.cut_s} s at a time; a change in {self.report.source} does not arrive"

    def _check(self, proofs: Sequence[Proof]) -> None:
        """Have each proof checked by the replica, while nothing can reach its Region."""
        for some in _chunks(proofs, PROOFS_A_CALL):
            answer = self.target.call(
                "CheckKeyProofs", {"PrimaryRegion": self.report.source, "Proofs": some}
            )
            verdicts = answer["Verdicts"]
            self.report.keys += [
                proven_key(proof, verdict) for proof, verdict in zip(some, verdicts, strict=True)
            ]
            # Renewed, and seen to have held until now.
            if not self._cut_both():
                self.report.problems.append(
                    f"the cut ended while keys were proven: it lasts {self.cut_s} s"
                )

    def _restore(self) -> str:
        """End the cut on both sides; what cannot be told now ends by itself."""
        problems = []
        for client, peer in self._sides():
            try:
                self._restore_side(client, peer)
            except KeyferryError as error:
                problems.append(str(error))
        if problems:
            self.report.problems += problems
            return f"not everywhere; the cut ends by itself within {self.cut_s} s"
        return "both directions"

    def _restore_side(self, client: AdminClient, peer: str) -> None:
        try:
            client.call("RestoreRegion", {"Peer": peer})
        except ExchangeError:
            # A connection that was idle for long may be found closed; once more, on a new one.
            client.call("RestoreRegion", {"Peer": peer})

    def _converge(self) -> str:
        """Wait until what was changed meanwhile is there, and a new change gets through."""
        deadline = self.monotonic() + self.wait_s
        pause = _FIRST_PAUSE_S
        while True:
            reason = self._unready(self._pair())
            if reason is None:
                canary = self._probe(CANARY_S)
                if canary["Proven"]:
                    return f"backlog drained, canary arrived after {1000 * canary['Lag']:.1f} ms"
                reason = str(canary["Reason"]), ""
            if self.monotonic() + pause > deadline:
                self.report.problems.append(f"no convergence: {reason[0]}")
                return f"not within {self.wait_s:g} s"
            self.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _verify(self) -> str:
        """Compare every key with its replica, and aliases where they follow."""
        verifier = PairVerifier(
            client=self.source,
            peer=self.report.target,
            wait_s=self.wait_s,
            sleep=self.sleep,
            monotonic=self.monotonic,
        )
        found = verifier.verify()
        verifier.record(found)
        for item in found.drift:
            self.report.problems.append(f"{arn_of(item)} differs: {item['Kind']}")
        if found.pending:
            self.report.problems.append(f"changes still under way: {found.pending}")
        if found.drift or found.pending:
            return f"{len(found.drift)} differences, {found.pending} under way"
        aliases = "" if found.aliases is None else f" and {found.aliases.compared} aliases"
        return f"{found.keys.compared} keys{aliases} compared, all equal"

    # --- calls -------------------------------------------------------------------------------

    @contextmanager
    def _step(self, name: str) -> Iterator[Callable[[str], None]]:
        """Take a step: its time and its result go into the report, whatever happens in it."""
        self.tell(name)
        begun = self.monotonic()
        result = "did not come to its end"

        def done(text: str) -> None:
            nonlocal result
            result = text

        try:
            yield done
        finally:
            seconds = self.monotonic() - begun
            self.report.steps.append(StepTaken(name=name, seconds=seconds, result=result))

    def _from_source(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return self.source.call(operation, {"Peer": self.report.target, **parameters})

    def _sides(self) -> list[tuple[AdminClient, str]]:
        return [(self.source, self.report.target), (self.target, self.report.source)]

    def _cut_both(self) -> bool:
        """Cut, or have the cut last longer; whether it was in force on both sides until now."""
        answers = [
            client.call("CutRegion", {"Peer": peer, "Seconds": self.cut_s})
            for client, peer in self._sides()
        ]
        return all(answer["Continued"] for answer in answers)

    def _probe(self, timeout_s: float) -> dict[str, Any]:
        return self._from_source("ProbeCanary", {"Timeout": timeout_s})

    def _pair(self) -> dict[str, Any]:
        answer = self.source.call("DescribeReplication", {})
        for pair in answer["Pairs"]:
            if pair["Peer"] == self.report.target and pair["Linked"]:
                found: dict[str, Any] = pair
                return found
        raise ConfigurationError(
            f"--to {self.report.target}: {self.report.source} has no way there in this service",
            hint="serve both Regions, or name the other service with --peer REGION=URL",
        )

    def _unready(self, pair: dict[str, Any]) -> tuple[str, str] | None:
        """Why a Region is not wholly in the other, and what to do about it; None if it is."""
        if pair["CutUntil"] is not None:
            return (
                "the Regions are cut off from each other by a drill",
                "wait until it has ended, or until the cut has",
            )
        if pair["Failures"] or pair["Circuit"] != "closed":
            return (
                f"{self.report.target} does not answer",
                "keyferry regions status tells more",
            )
        oldest = pair["OldestWaitingAge"] or 0.0
        if pair["Waiting"] and oldest > UNDER_WAY_S:
            return (
                f"{pair['Waiting']} changes wait, the oldest for {oldest:.0f} s",
                "wait until the backlog has drained, or give --wait more time",
            )
        if pair["Held"]:
            return (
                f"{pair['Held']} changes were given up",
                "keyferry regions replay --list tells which and why, replay tries them again",
            )
        return None


def _chunks(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])

"""
Clients that keep changing keys of both Regions while something is done to the services, and what
must hold afterwards.
"""

from __future__ import annotations

import http.client
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

EAST, WEST = "us-east-1", "us-west-2"
REGIONS = (EAST, WEST)
CVK = {
    "KeyUsage": "TR31_C0_CARD_VERIFICATION_KEY",
    "KeyClass": "SYMMETRIC_KEY",
    "KeyAlgorithm": "TDES_2KEY",
    "KeyModesOfUse": {"Generate": True, "Verify": True},
}
CVV2 = {"CardVerificationValue2": {"CardExpiryDate": "1228"}}
PAN = "4000001234567899"
MOST_USED = 25  # keys of one client that it goes on changing
WAITS_S = 60.0


def other(region: str) -> str:
    return WEST if region == EAST else EAST


def in_region(arn: str, region: str) -> str:
    """The ARN of the same key in another Region."""
    parts = arn.split(":")
    parts[3] = region
    return ":".join(parts)


@dataclass
class Key:
    """A key a client made, and what it may be: one state, or several while an answer was lost."""

    arn: str
    region: str
    possible: set[tuple[bool, str]]  # enabled, KeyState

    @property
    def key_id(self) -> str:
        return self.arn.rpartition("/")[2]


# What an unanswered change may have made of a key: enabled, KeyState.
_COMES_TO = {
    "StopKeyUsage": {(False, "CREATE_COMPLETE")},
    "StartKeyUsage": {(True, "CREATE_COMPLETE")},
    "DeleteKey": {(False, "DELETE_PENDING"), (True, "DELETE_PENDING")},
    "RestoreKey": {(False, "CREATE_COMPLETE"), (True, "CREATE_COMPLETE")},
}
# Answers that say that nothing was changed, and are no fault of the service.
_REFUSALS = (
    "ConflictException",
    "ValidationException",
    "ResourceNotFoundException",
    "ServiceQuotaExceededException",
)


class Hand:
    """Changes keys of its own in one Region, and remembers what it was told of each."""

    def __init__(self, pair: Any, region: str) -> None:
        self.region = region
        self.keys: list[Key] = []
        self.answered = ""  # the Region that acknowledged the last change, if one did
        self.refused = False  # by a rule; what failed otherwise may have been done or not
        self.failed = False  # the service said so
        self._line = pair.line(region)
        self._far = pair.line(other(region))

    def create(self, *, replicated: bool = True) -> Key | None:
        """CreateKey; None if there was no answer to it."""
        members: dict[str, Any] = {"KeyAttributes": CVK, "Exportable": True}
        if replicated:
            members["ReplicationRegions"] = [other(self.region)]
        answer = self._send(self._line, "CreateKey", **members)
        if answer is None:
            return None
        key = Key(answer["Key"]["KeyArn"], self.region, {(True, "CREATE_COMPLETE")})
        self.keys.append(key)
        return key

    def change(self, key: Key, operation: str) -> None:
        """One of the changes of a key, or `leave`: DeleteKey of the replica in its own Region."""
        if operation == "leave":
            arn = in_region(key.arn, other(self.region))
            self._send(self._far, "DeleteKey", KeyIdentifier=arn)
            return
        members: dict[str, Any] = {"KeyIdentifier": key.arn}
        if operation.endswith("ReplicationRegions"):
            members["ReplicationRegions"] = [other(self.region)]
        before = set(key.possible)
        key.possible |= _COMES_TO.get(operation, set())
        answer = self._send(self._line, operation, **members)
        if answer is not None:
            key.possible = {(answer["Key"]["Enabled"], answer["Key"]["KeyState"])}
        elif self.refused:
            key.possible = before

    def _send(self, line: Any, operation: str, **members: Any) -> dict[str, Any] | None:
        self.answered, self.refused, self.failed = "", False, False
        try:
            answer = line.call(operation, **members)
        except (OSError, http.client.HTTPException):
            return None
        if answer.status == 200:
            self.answered = line.region
            document: dict[str, Any] = answer.document
            return document
        self.refused = answer.code in _REFUSALS
        self.failed = not self.refused
        assert self.refused or answer.status >= 500 or answer.code == "ThrottlingException", answer
        return None

    def end(self) -> None:
        self._line.close()
        self._far.close()


# What clients do to keys, as often as it is here.
_CHANGES = (
    *("StopKeyUsage", "StartKeyUsage", "AddKeyReplicationRegions") * 2,
    *("RemoveKeyReplicationRegions", "DeleteKey", "leave"),
)


class Client(threading.Thread):
    """Changes keys as fast as it gets answers, until told to end."""

    def __init__(self, load: Load, region: str, seed: int) -> None:
        super().__init__(daemon=True)
        self.hand = Hand(load.pair, region)
        self._used: list[Key] = []
        self._load = load
        self._rng = random.Random(seed)

    def run(self) -> None:
        try:
            while not self._load.ending.is_set():
                self._change()
        except BaseException as error:  # noqa: BLE001 (told by the test's own thread)
            self._load.fail(error)
        finally:
            self.hand.end()

    def _change(self) -> None:
        rng, hand = self._rng, self.hand
        if len(self._used) < 3 or (len(self._used) < MOST_USED and rng.random() < 0.4):
            key = hand.create(replicated=rng.random() < 0.9)
            if key is not None:
                self._used.append(key)
        else:
            key = rng.choice(self._used)
            operation = rng.choice(_CHANGES)
            hand.change(key, operation)
            if operation == "DeleteKey":
                if rng.random() < 0.5:
                    hand.change(key, "RestoreKey")
                else:
                    self._used.remove(key)
        if hand.answered:
            self._load.acknowledge(hand.answered)
        elif not hand.refused:
            if hand.failed:
                self._load.count_failure()
            self._load.ending.wait(0.02)  # not a busy loop where nobody is


class Load:
    """Clients of both Regions at work."""

    def __init__(self, pair: Any, *, clients: int, seed: int) -> None:
        self.pair = pair
        self.ending = threading.Event()
        self._failures = 0  # answers that said that the service had failed
        self._acknowledged = dict.fromkeys(REGIONS, 0)
        self._news = threading.Condition()
        self._failure: BaseException | None = None
        self._clients = [
            Client(self, region, seed * 100 + number)
            for region in REGIONS
            for number in range(clients)
        ]
        for client in self._clients:
            client.start()

    @property
    def keys(self) -> list[Key]:
        return [key for client in self._clients for key in client.hand.keys]

    def acknowledge(self, region: str) -> None:
        with self._news:
            self._acknowledged[region] += 1
            self._news.notify_all()

    def count_failure(self) -> None:
        with self._news:
            self._failures += 1
            self._news.notify_all()

    def fail(self, error: BaseException) -> None:
        with self._news:
            self._failure = error
            self._news.notify_all()

    def fails(self, count: int) -> None:
        """Wait until the service said of so many more changes that it had failed."""
        with self._news:
            wanted = self._failures + count
            assert self._news.wait_for(
                lambda: self._failure is not None or self._failures >= wanted, WAITS_S
            ), (wanted, self._failures)
            if self._failure is not None:
                raise self._failure

    def more(self, count: int, *regions: str) -> None:
        """Wait until so many more changes of each of the Regions were acknowledged."""
        with self._news:
            wanted = {name: self._acknowledged[name] + count for name in regions or REGIONS}
            assert self._news.wait_for(
                lambda: (
                    self._failure is not None
                    or all(self._acknowledged[name] >= many for name, many in wanted.items())
                ),
                WAITS_S,
            ), (wanted, self._acknowledged)
            if self._failure is not None:
                raise self._failure

    def end(self) -> None:
        self.ending.set()
        for client in self._clients:
            client.join(WAITS_S)
            assert not client.is_alive()
        if self._failure is not None:
            raise self._failure


def create_key(line: Any) -> Key:
    """CreateKey of a card verification key that is replicated."""
    made = line.call(
        "CreateKey", KeyAttributes=CVK, Exportable=True, ReplicationRegions=[other(line.region)]
    )
    assert made.status == 200, made
    return Key(made.document["Key"]["KeyArn"], line.region, {(True, "CREATE_COMPLETE")})


def check_key(home: Any, lines: dict[str, Any], key: Key) -> bool:
    """A key is what its client was told, and so is its replica; whether both can be used."""
    primary = home.call("GetKey", KeyIdentifier=key.arn).document["Key"]
    assert (primary["Enabled"], primary["KeyState"]) in key.possible, (primary, key)
    away = other(key.region)
    replica = lines[away].call("GetKey", KeyIdentifier=in_region(key.arn, away))
    entries = primary.get("ReplicationStatus", {})
    if not entries:
        gone = replica.code == "ResourceNotFoundException"
        assert gone or replica.document["Key"]["KeyState"] == "DELETE_COMPLETE", replica
        return False
    assert {name: entry["Status"] for name, entry in entries.items()} == {away: "SYNCHRONIZED"}
    assert primary["KeyState"] == "CREATE_COMPLETE"
    for member in ("Enabled", "KeyState", "KeyCheckValue", "KeyAttributes", "CreateTimestamp"):
        assert replica.document["Key"][member] == primary[member], member
    return bool(primary["Enabled"])


def check_cvv(maker: Any, verifier: Any, key: Key) -> None:
    """A CVV made in the key's own Region verifies in the other."""
    made = maker.data(
        "/cardvalidationdata/generate",
        KeyIdentifier=key.arn,
        PrimaryAccountNumber=PAN,
        GenerationAttributes=CVV2,
    )
    assert made.status == 200, made
    verified = verifier.data(
        "/cardvalidationdata/verify",
        KeyIdentifier=in_region(key.arn, verifier.region),
        PrimaryAccountNumber=PAN,
        VerificationAttributes=CVV2,
        ValidationData=made.document["ValidationData"],
    )
    assert verified.status == 200, verified


class Clients:
    """What test modules share, handed out by a fixture, as test files import nothing of ours."""

    def __init__(self) -> None:
        self._loads: list[Load] = []

    def load(self, pair: Any, *, clients: int = 2, seed: int = 1) -> Load:
        """So many clients of each Region, at work from now on."""
        load = Load(pair, clients=clients, seed=seed)
        self._loads.append(load)
        return load

    def hand(self, pair: Any, region: str) -> Hand:
        """A client of a Region that does what it is told, one thing after the other."""
        return Hand(pair, region)

    def check(self, pair: Any, *loads: Load | Hand, sample: int = 5) -> None:
        """
        What must hold once nothing is under way: what a client was told is so, a replica is what
        its primary is, and what is made with one is good with the other. New keys arrive too.
        """
        for load in loads:
            load.end()
        lines = {region: pair.line(region) for region in REGIONS}
        new = [create_key(line) for line in lines.values()]
        assert pair.verify() > 0
        usable = [
            key for load in loads for key in load.keys if check_key(lines[key.region], lines, key)
        ]
        assert all(check_key(lines[key.region], lines, key) for key in new)
        for key in new + usable[:: max(1, len(usable) // sample)]:
            check_cvv(lines[key.region], lines[other(key.region)], key)
        for line in lines.values():
            line.close()

    def close(self) -> None:
        for load in self._loads:
            load.ending.set()


@pytest.fixture
def clients() -> Iterator[Clients]:
    """Clients of a pair; they end with the test."""
    made = Clients()
    yield made
    made.close()

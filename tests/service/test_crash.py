"""
A service killed under load, again and again: what it acknowledged is there, and nothing is half.

Each round starts `keyferry serve` on the same files, lets clients change keys, aliases and tags as
fast as they can, and sends SIGKILL at a random moment. Then the store is opened directly: every
row MAC verifies, every seal opens to material with the recorded check value, and every key, alias
and tag is in the state its client was told last, or in the one it had asked for when the line went
dead. State and trail agree, because they are one transaction.
"""

from __future__ import annotations

import http.client
import json
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from keyferry.keys import key_check_value
from keyferry.service.store.opening import open_store
from keyferry.service.store.records import KeyState
from keyferry.service.store.store import SQLStore
from keyferry.service.vault.binding import key_binding

ACCOUNT = "111122223333"
REGION = "us-east-1"
SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
CLIENTS = 6
ATTRIBUTES = {
    "KeyUsage": "TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY",
    "KeyClass": "SYMMETRIC_KEY",
    "KeyAlgorithm": "AES_256",
    "KeyModesOfUse": {"Encrypt": True, "Decrypt": True, "Wrap": True, "Unwrap": True},
}


class ServeProcess(Protocol):
    process: Any
    url: str


class ConnectionLostError(Exception):
    """The service went away; whether it acted is unknown."""


@dataclass
class Key:
    """What a client was told about a key."""

    enabled: bool = True
    pending: bool = False
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class Client:
    """Changes things of its own, and remembers what was acknowledged and what was not."""

    name: str
    url: str
    rng: random.Random
    keys: dict[str, Key] = field(default_factory=dict)
    aliases: dict[str, str | None] = field(default_factory=dict)
    # The one change under way when the service died: what it would have made of what.
    doubtful_key: tuple[str, Key] | None = None
    doubtful_alias: tuple[str, str | None] | None = None
    doubtful_creation: bool = False
    acknowledged: Counter[str] = field(default_factory=Counter)
    failure: BaseException | None = None

    def run(self) -> None:
        """Work until the service is gone."""
        parts = urlsplit(self.url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        self._signer = SigV4Auth(Credentials("CRASHTEST", SECRET), "payment-cryptography", REGION)
        try:
            while True:
                self._change_something()
        except ConnectionLostError:
            pass
        except BaseException as error:  # noqa: BLE001 (told by the test's own thread)
            self.failure = error
        finally:
            self._connection.close()

    def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        request = AWSRequest(
            method="POST",
            url=self.url + "/",
            data=json.dumps(parameters).encode(),
            headers={
                "Content-Type": "application/x-amz-json-1.0",
                "X-Amz-Target": f"PaymentCryptographyControlPlane.{operation}",
            },
        )
        self._signer.add_auth(request)
        prepared = request.prepare()
        try:
            self._connection.request("POST", "/", prepared.body, dict(prepared.headers.items()))
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ConnectionLostError from error
        assert response.status == 200, body
        self.acknowledged[operation] += 1
        answer: dict[str, Any] = json.loads(body)
        return answer

    def _change_something(self) -> None:
        usable = [arn for arn, key in self.keys.items() if not key.pending]
        choice = self.rng.random()
        if len(usable) < 3 or choice < 0.35:
            self._create()
        elif choice < 0.55:
            self._alias(self.rng.choice(usable))
        else:
            self._change_key(self.rng.choice(usable))

    def _create(self) -> None:
        self.doubtful_creation = True
        answer = self._call(
            "CreateKey",
            KeyAttributes=ATTRIBUTES,
            Exportable=True,
            Tags=[{"Key": "owner", "Value": self.name}, {"Key": "whole", "Value": "yes"}],
        )
        self.doubtful_creation = False
        arn = answer["Key"]["KeyArn"]
        self.keys[arn] = Key(tags={"owner": self.name, "whole": "yes"})

    def _alias(self, arn: str) -> None:
        if self.aliases and self.rng.random() < 0.5:
            name = self.rng.choice(list(self.aliases))
            operation = "UpdateAlias"
        else:
            name = f"alias/{self.name}-{len(self.aliases)}"
            operation = "CreateAlias"
        self.doubtful_alias = (name, arn)
        self._call(operation, AliasName=name, KeyArn=arn)
        self.doubtful_alias = None
        self.aliases[name] = arn

    def _change_key(self, arn: str) -> None:
        before = self.keys[arn]
        match self.rng.choice(["stop", "start", "tag", "delete"]):
            case "stop":
                after = Key(enabled=False, tags=before.tags)
                call: tuple[str, dict[str, Any]] = ("StopKeyUsage", {"KeyIdentifier": arn})
            case "start":
                after = Key(enabled=True, tags=before.tags)
                call = ("StartKeyUsage", {"KeyIdentifier": arn})
            case "tag":
                value = str(self.rng.random())
                after = Key(before.enabled, before.pending, before.tags | {"count": value})
                tags = [{"Key": "count", "Value": value}]
                call = ("TagResource", {"ResourceArn": arn, "Tags": tags})
            case _:
                after = Key(enabled=False, pending=True, tags=before.tags)
                call = ("DeleteKey", {"KeyIdentifier": arn, "DeleteKeyInDays": 3})
        self.doubtful_key = (arn, after)
        self._call(call[0], **call[1])
        self.doubtful_key = None
        self.keys[arn] = after


def check_store(store: SQLStore, clients: list[Client]) -> None:
    """Compare the store with what all clients were told."""
    found: dict[str, Key] = {}
    position = 0
    while page := store.keys(ACCOUNT, after=position, limit=500):
        position = page[-1][0]
        for _, record in page:
            assert record.sealed is not None
            material = store.vault.open(record.sealed, binding=key_binding(REGION, record))
            algorithm = record.attributes.key_algorithm
            assert key_check_value(algorithm, material)[0] == record.check_value
            arn = f"arn:aws:payment-cryptography:{REGION}:{ACCOUNT}:key/{record.key_id}"
            found[arn] = Key(
                enabled=record.enabled,
                pending=record.state is KeyState.DELETE_PENDING,
                tags=dict(store.tags(ACCOUNT, record.key_id)),
            )
    events = trail(store)
    assert len(set(events)) == len(events)
    names = Counter(name for name, _ in events.values())
    for client in clients:
        check_client(store, client, found)
    # Only what an unanswered CreateKey made is left, whole, and at most one of each client.
    unanswered = Counter(key.tags["owner"] for key in found.values())
    for key in found.values():
        assert key == Key(tags={"owner": key.tags["owner"], "whole": "yes"})
    for client in clients:
        assert unanswered.pop(client.name, 0) <= client.doubtful_creation
    assert not unanswered
    for operation in ("CreateKey", "TagResource", "CreateAlias", "StopKeyUsage", "DeleteKey"):
        acknowledged = sum(client.acknowledged[operation] for client in clients)
        assert acknowledged <= names[operation] <= acknowledged + len(clients)
    created = [arn for name, arn in events.values() if name == "CreateKey"]
    assert len(set(created)) == len(created) == store.count_keys(ACCOUNT)


def check_client(store: SQLStore, client: Client, found: dict[str, Key]) -> None:
    """Take the client's keys out of `found`, each in the state it was told or had asked for."""
    doubtful_arn, asked = client.doubtful_key or ("", Key())
    for arn, told in client.keys.items():
        key = found.pop(arn)
        assert key == told or (arn == doubtful_arn and key == asked), (arn, key, told)
    doubtful_name, asked_arn = client.doubtful_alias or ("", None)
    for name in {*client.aliases, *([doubtful_name] if doubtful_name else [])}:
        alias = store.alias(ACCOUNT, name)
        told_arn = client.aliases.get(name)
        key_id = alias and alias.key_id
        allowed = {told_arn} | ({asked_arn} if name == doubtful_name else set())
        assert key_id in {arn and arn.rpartition("/")[2] for arn in allowed}, name


def trail(store: SQLStore) -> dict[str, tuple[str, str | None]]:
    """Every event of the trail: id to name and the ARN of the key it made."""
    events: dict[str, tuple[str, str | None]] = {}
    position = 0
    while page := store.audit_events(ACCOUNT, after=position, limit=1000):
        position = page[-1][0]
        for _, record in page:
            document = json.loads(record.body)
            key = (document["responseElements"] or {}).get("key") or {}
            events[record.event_id] = (record.event_name, key.get("keyArn"))
    return events


def crash_repeatedly(
    rounds: int, seed: int, folder: Path, serve: Callable[..., ServeProcess]
) -> Counter[str]:
    """Start, load, kill and check `rounds` times; return what was acknowledged in all."""
    rng = random.Random(seed)
    credentials = folder / "credentials.toml"
    credentials.write_text(
        f'[[access_key]]\nid = "CRASHTEST"\nsecret = "{SECRET}"\n'
        f'account = "{ACCOUNT}"\nprincipal = "crash"\n'
    )
    credentials.chmod(0o600)
    database = folder / f"store-{REGION}.sqlite3"
    options = (
        *("--store", f"sqlite:///{folder}/store.sqlite3"),
        *("--master-key", f"file:{folder}/master.key"),
        *("--regions", REGION, "--credentials", str(credentials)),
    )
    clients: list[Client] = []
    for number in range(rounds):
        service = serve(*options)
        # A client's sequence is of the round: what one round left behind stays as it is.
        fresh = [
            Client(f"r{number}-c{which}", service.url, random.Random(rng.random()))
            for which in range(CLIENTS)
        ]
        threads = [threading.Thread(target=client.run) for client in fresh]
        for thread in threads:
            thread.start()
        # The moment of the kill is what is tested: any instant of the load.
        time.sleep(rng.uniform(0.02, 0.5))
        service.process.kill()
        service.process.wait()
        for thread in threads:
            thread.join(30)
        assert [client.failure for client in fresh] == [None] * CLIENTS, f"seed {seed}"
        clients += fresh
        connection = sqlite3.connect(database)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
        with open_store(
            f"sqlite:///{database}",
            region=REGION,
            master_key=f"file:{folder}/master-{REGION}.key",
        ) as store:
            check_store(store, clients)
    return sum((client.acknowledged for client in clients), Counter())


def test_nothing_acknowledged_is_lost(tmp_path: Path, serve: Callable[..., ServeProcess]) -> None:
    """Ten rounds."""
    acknowledged = crash_repeatedly(10, 20260301, tmp_path, serve)
    assert acknowledged["CreateKey"] > 10


@pytest.mark.soak
def test_nothing_acknowledged_is_lost_fifty_times(
    tmp_path: Path, serve: Callable[..., ServeProcess]
) -> None:
    """Fifty rounds on the same files."""
    acknowledged = crash_repeatedly(50, 20260302, tmp_path, serve)
    assert acknowledged["CreateKey"] > 50

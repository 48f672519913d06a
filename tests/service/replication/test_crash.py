"""
A service with two Regions killed while it replicates, again and again.

Each round starts `keyferry serve` on the same files, has clients make, stop, start and remove
replicated keys as fast as they can, and sends SIGKILL at a random moment. The last round is left
alone until nothing is under way: then every key is in the other Region what its primary says, and
both trails tell of each arrival once.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from keyferry.service.store.opening import open_store
from keyferry.service.store.records import KeyState
from keyferry.service.store.replication_records import RegionPart, ReplicaStatus
from keyferry.service.store.store import SQLStore
from keyferry.service.vault.binding import key_binding

EAST, WEST = "us-east-1", "us-west-2"
ACCOUNT = "111122223333"
SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
CVK = {
    "KeyUsage": "TR31_C0_CARD_VERIFICATION_KEY",
    "KeyClass": "SYMMETRIC_KEY",
    "KeyAlgorithm": "TDES_2KEY",
    "KeyModesOfUse": {"Generate": True, "Verify": True},
}


class Client:
    """Calls one Region over a connection of its own until the line goes dead."""

    def __init__(self, url: str, region: str, seed: int) -> None:
        self._url = url
        self._region = region
        self._peer = WEST if region == EAST else EAST
        self._rng = random.Random(seed)
        self.arns: list[str] = []
        self.failure: BaseException | None = None
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        self._signer = SigV4Auth(Credentials("CRASHTEST", SECRET), "payment-cryptography", region)

    def call(self, operation: str, **members: Any) -> dict[str, Any]:
        request = AWSRequest(
            method="POST",
            url=self._url + "/",
            data=json.dumps(members).encode(),
            headers={
                "Content-Type": "application/x-amz-json-1.0",
                "X-Amz-Target": f"PaymentCryptographyControlPlane.{operation}",
            },
        )
        self._signer.add_auth(request)
        prepared = request.prepare()
        self._connection.request("POST", "/", prepared.body, dict(prepared.headers.items()))
        response = self._connection.getresponse()
        body = response.read()
        # A Region that is being removed cannot be removed or added again: that is an answer too.
        assert response.status == 200 or b"ConflictException" in body or b"Validation" in body, body
        answer: dict[str, Any] = json.loads(body)
        return answer

    def work(self) -> None:
        try:
            while True:
                self._change()
        except (OSError, http.client.HTTPException):
            pass
        except BaseException as error:  # noqa: BLE001 (told by the test's own thread)
            self.failure = error

    def _change(self) -> None:
        if len(self.arns) < 3 or self._rng.random() < 0.4:
            answer = self.call(
                "CreateKey",
                KeyAttributes=CVK,
                Exportable=True,
                ReplicationRegions=[self._peer],
            )
            self.arns.append(answer["Key"]["KeyArn"])
            return
        arn = self._rng.choice(self.arns)
        match self._rng.randrange(5):
            case 0:
                self.call("StopKeyUsage", KeyIdentifier=arn)
            case 1:
                self.call("StartKeyUsage", KeyIdentifier=arn)
            case 2:
                self.call(
                    "RemoveKeyReplicationRegions",
                    KeyIdentifier=arn,
                    ReplicationRegions=[self._peer],
                )
            case 3:
                self.call(
                    "AddKeyReplicationRegions", KeyIdentifier=arn, ReplicationRegions=[self._peer]
                )
            case 4:
                self.call("DeleteKey", KeyIdentifier=arn, DeleteKeyInDays=3)
                self.arns.remove(arn)

    def close(self) -> None:
        self._connection.close()


def run_rounds(
    serve: Callable[..., Any], tmp_path: Path, *, rounds: int, workers: int, seed: int
) -> None:
    credentials = tmp_path / "credentials.toml"
    credentials.write_text(
        f'[[access_key]]\nid = "CRASHTEST"\nsecret = "{SECRET}"\n'
        f'account = "{ACCOUNT}"\nprincipal = "tester"\n'
    )
    credentials.chmod(0o600)
    options = [
        *("--regions", f"{EAST},{WEST}", "--data-dir", str(tmp_path)),
        *("--credentials", str(credentials), "--workers", str(workers)),
    ]
    rng = random.Random(seed)
    for number in range(rounds):
        running = serve(*options)
        clients = [Client(running.url, r, seed + number) for r in (EAST, EAST, WEST)]
        threads = [threading.Thread(target=client.work) for client in clients]
        for thread in threads:
            thread.start()
        threading.Event().wait(rng.uniform(0.2, 0.8))
        running.process.kill()
        running.process.wait()
        for thread in threads:
            thread.join(30)
        for client in clients:
            client.close()
            assert client.failure is None
    last = serve(*options)
    wait_until_settled(tmp_path)
    assert last.end() == 0
    check(tmp_path)


def stores(folder: Path) -> dict[str, SQLStore]:
    return {
        region: open_store(
            f"sqlite:///{folder}/keyferry-{region}.sqlite3",
            region=region,
            master_key=f"file:{folder}/master-{region}.key",
        )
        for region in (EAST, WEST)
    }


def wait_until_settled(folder: Path) -> None:
    opened = stores(folder)
    pause = threading.Event()
    deadline = time.monotonic() + 90
    while any(store.outbox_regions() for store in opened.values()):
        assert time.monotonic() < deadline, "the outbox does not empty"
        pause.wait(0.05)
    for store in opened.values():
        store.close()


def check(folder: Path) -> None:
    """Compare both Regions key by key."""
    opened = stores(folder)
    replicated = 0
    for region, peer in ((EAST, WEST), (WEST, EAST)):
        store, other = opened[region], opened[peer]
        for _, record in store.keys(ACCOUNT, limit=100_000):
            part = store.multi_region(ACCOUNT, record.key_id)
            if part is None or part.part is RegionPart.REPLICA:
                continue
            replica = other.key(ACCOUNT, record.key_id)
            entries = store.replicas(ACCOUNT, record.key_id)
            if part.part is RegionPart.SINGLE:
                assert entries == []
                assert replica is None or replica.state is KeyState.DELETE_COMPLETE
                continue
            assert [(e.region, e.status) for e in entries] == [(peer, ReplicaStatus.SYNCHRONIZED)]
            assert replica is not None
            assert replica.state is record.state is KeyState.CREATE_COMPLETE
            assert replica.enabled == record.enabled
            assert replica.usage_stopped_at == record.usage_stopped_at
            assert material(other, peer, replica) == material(store, region, record)
            replicated += 1
    assert replicated > 0
    for region, store in opened.items():
        arrivals: Counter[tuple[str, str]] = Counter()
        departures: Counter[tuple[str, str]] = Counter()
        for _, event in store.audit_events(ACCOUNT, limit=1_000_000):
            if event.event_name == "SynchronizeMultiRegionKey":
                details = json.loads(event.body)["serviceEventDetails"]
                name = (details["keyArn"], details["replicationRegion"])
                if details["replicationType"] == "ImportKeyReplica":
                    arrivals[name] += 1
                elif details["replicationType"] == "DeleteKeyReplica":
                    departures[name] += 1
        for name, count in arrivals.items():
            # It comes once, and once more each time it was taken away. A primary may hear that it
            # is gone without ever having heard that it came.
            assert count <= departures[name] + 1, (region, name)
            assert name[1] != region or count >= departures[name], (region, name)
        store.close()


def material(store: SQLStore, region: str, record: Any) -> bytes:
    return store.vault.open(record.sealed, binding=key_binding(region, record))


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_while_replicating(serve: Callable[..., Any], tmp_path: Path, workers: int) -> None:
    """Three deaths; every replica is what its primary says afterwards."""
    run_rounds(serve, tmp_path, rounds=3, workers=workers, seed=7)


@pytest.mark.soak
def test_killed_while_replicating_many_times(serve: Callable[..., Any], tmp_path: Path) -> None:
    """The long form."""
    run_rounds(serve, tmp_path, rounds=25, workers=2, seed=random.randrange(1 << 30))

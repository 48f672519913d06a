"""A service process for load, and signed requests as they go over the wire."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.load.replay import Server

REGION = "us-east-1"
ACCOUNT = "111122223333"
ACCESS_KEY, SECRET = "BENCHMARK", "benchmark-secret"
_START_S = 60

# Starts `keyferry serve` in the same build, with or without group commit, profiled or not.
_SERVE = """
import sys
import keyferry.service.store.group_commit as group_commit
group_commit.MAX_BATCH = int(sys.argv.pop(1))
profile = sys.argv.pop(1)
from keyferry.__main__ import main
sys.argv[0] = "keyferry"
if profile:
    import cProfile, signal
    recorder = cProfile.Profile()
    signal.signal(signal.SIGUSR1, lambda *_: recorder.enable())
    status = main()
    recorder.disable()
    recorder.dump_stats(profile)
    sys.exit(status)
sys.exit(main())
"""


@contextmanager
def running_service(
    *,
    max_batch: int = 256,
    workers: int = 1,
    data_dir: Path | None = None,
    store: str | None = None,
    profile: Path | None = None,
) -> Iterator[Server]:
    """
    Run a service on SQLite files, or another store, with full durability, on a free port.

    Args:
        max_batch: changes in one transaction; 1 is no group commit.
        data_dir: of a store or a master key that exists already; a fresh one otherwise.
        store: its URL; SQLite files in the data directory otherwise.
        profile: where to write what cProfile saw, from SIGUSR1 until the service ends.
    """
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        credentials = credentials_file(place)
        ready = place / "ready.json"
        with (place / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-c", _SERVE, str(max_batch), str(profile or "")),
                    *("serve", "--port", "0"),
                    *("--regions", REGION, "--data-dir", str(data_dir or place / "data")),
                    *("--credentials", str(credentials), "--ready-file", str(ready)),
                    *("--workers", str(workers)),
                    *(() if store is None else ("--store", store)),
                ],
                stdout=log,
                stderr=log,
                env=os.environ,
            )
        try:
            until = time.monotonic() + _START_S
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError((place / "log").read_text())
                time.sleep(0.05)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            yield Server(
                url=json.loads(ready.read_text())["url"],
                pids=(process.pid, *map(int, children)),
            )
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def credentials_file(place: Path, *, peers: bool = False) -> Path:
    """
    Write the credentials of a service and return their place.

    The key of the benchmarks may administer; with `peers` there is one services share as well.
    """
    tables = [(ACCESS_KEY, SECRET, "admin")]
    if peers:
        tables.append(("PEERS", "secret-of-the-peers", "peer"))
    credentials = place / "credentials.toml"
    credentials.touch(0o600)
    credentials.write_text(
        "".join(
            f'[[access_key]]\nid = "{key_id}"\nsecret = "{secret}"\n'
            f'account = "{ACCOUNT}"\nprincipal = "benchmark"\nrole = "{role}"\n'
            for key_id, secret, role in tables
        )
    )
    return credentials


def signed(
    url: str,
    operation: str,
    parameters: Mapping[str, Any],
    *,
    target: str = "PaymentCryptographyControlPlane",
) -> bytes:
    """A request of the control plane as it goes over the wire; valid for 15 minutes."""
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": f"{target}.{operation}",
    }
    return _signed(url, "/", json.dumps(parameters).encode(), headers)


def signed_data(url: str, path: str, parameters: Mapping[str, Any]) -> bytes:
    """The same of the data plane, whose operation is in the path."""
    body = json.dumps(parameters).encode()
    return _signed(url, path, body, {"Content-Type": "application/json"})


def _signed(url: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    request = AWSRequest(
        method="POST",
        url=url + path,
        data=body,
        headers={**headers, "Host": url.removeprefix("http://")},
    )
    SigV4Auth(Credentials(ACCESS_KEY, SECRET), "payment-cryptography", REGION).add_auth(request)
    head = "".join(
        f"{name}: {value.decode() if isinstance(value, bytes) else value}\r\n"
        for name, value in request.prepare().headers.items()
    )
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def call_admin(url: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """One call of an administrator."""
    return _sent(url, signed(url, operation, parameters, target="KeyferryAdmin"))


def call(url: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """One call of the control plane, for what a benchmark prepares."""
    return _sent(url, signed(url, operation, parameters))


def _sent(url: str, request: bytes) -> dict[str, Any]:
    head, _, body = request.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.request("POST", "/", body, headers)
        response = connection.getresponse()
        document: dict[str, Any] = json.loads(response.read())
    finally:
        connection.close()
    if response.status != 200:
        raise RuntimeError(f"{headers['X-Amz-Target']} refused: {document}")
    return document

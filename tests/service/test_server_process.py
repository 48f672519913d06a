"""`keyferry serve` as a process: start, refusals, signals, TLS, workers, restarts."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import trustme
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from keyferry.cli.main import run

Serve = Callable[..., Any]
RunServe = Callable[..., Any]

KEY_ATTRIBUTES = {
    "KeyUsage": "TR31_P0_PIN_ENCRYPTION_KEY",
    "KeyClass": "SYMMETRIC_KEY",
    "KeyAlgorithm": "TDES_3KEY",
    "KeyModesOfUse": {"Encrypt": True, "Decrypt": True, "Wrap": True, "Unwrap": True},
}
SECRET = "s3cr3t/of+alice"


def client(url: str, *, key: str = "test", secret: str = "test", **options: Any) -> Any:
    return boto3.client(
        "payment-cryptography",
        endpoint_url=url,
        region_name=options.pop("region", "us-east-1"),
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}, **options.pop("config", {})),
        **options,
    )


@dataclass
class Refusal:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run_serve(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Refusal]:
    """Runs a start that is refused before anything is served, in this process."""
    # The command sets logging up for the standard error of this moment.
    monkeypatch.setattr("keyferry.cli.logs.configure_logs", lambda **_: None)

    def refused(*options: str) -> Refusal:
        status = run(["serve", "--port", "0", *options])
        return Refusal(status, *capsys.readouterr())

    return refused


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    path = tmp_path / "credentials.toml"
    path.write_text(
        "[[access_key]]\n"
        f'id = "AKIAEXAMPLE"\nsecret = "{SECRET}"\naccount = "444455556666"\nprincipal = "alice"\n'
    )
    path.chmod(0o600)
    return path


def test_ready_file_and_clean_end(serve: Serve) -> None:
    """The ready file tells url, Regions and process; SIGTERM ends with status 0 and removes it."""
    service = serve("--dev", "--regions", "us-east-1,eu-central-1")
    assert service.ready["regions"] == ["us-east-1", "eu-central-1"]
    assert service.ready["pid"] == service.process.pid
    with urllib.request.urlopen(f"{service.url}/ready") as response:
        assert response.status == 200
    assert service.end() == 0
    assert "service_stopped" in service.log.read_text()


def test_sigint_ends_cleanly_too(serve: Serve) -> None:
    """Control-C in a terminal is an ordinary end."""
    service = serve("--dev", "--regions", "us-east-1")
    service.process.send_signal(signal.SIGINT)
    assert service.process.wait(20) == 0


def test_idle_and_half_sent_connections_do_not_hold_up_the_end(serve: Serve) -> None:
    """SIGTERM does not wait for clients that have nothing in flight."""
    service = serve("--dev", "--regions", "us-east-1")
    port = int(service.url.rpartition(":")[2])
    idle = socket.create_connection(("127.0.0.1", port))
    half = socket.create_connection(("127.0.0.1", port))
    half.sendall(b"POST / HTTP/1.1\r\nHost:")
    assert service.end(timeout_s=8) == 0
    idle.close()
    half.close()


def test_keys_survive_a_restart_and_belong_to_their_account(
    serve: Serve, tmp_path: Path, credentials: Path
) -> None:
    """With a data folder, what was acknowledged is there after SIGTERM and after SIGKILL."""
    options = ("--data-dir", str(tmp_path / "keys"), "--credentials", str(credentials))
    options += ("--regions", "us-east-1")
    arns = []
    for end in (signal.SIGTERM, signal.SIGKILL):
        service = serve(*options)
        alice = client(service.url, key="AKIAEXAMPLE", secret=SECRET)
        made = alice.create_key(KeyAttributes=KEY_ATTRIBUTES, Exportable=True)["Key"]
        assert made["KeyArn"].split(":")[4] == "444455556666"
        arns.append(made["KeyArn"])
        service.process.send_signal(end)
        service.process.wait(20)
    service = serve(*options)
    alice = client(service.url, key="AKIAEXAMPLE", secret=SECRET)
    assert [key["KeyArn"] for key in alice.list_keys()["Keys"]] == arns
    with pytest.raises(alice.exceptions.ClientError) as caught:
        client(service.url, key="test", secret="test").list_keys()
    assert caught.value.response["Error"]["Code"] == "UnrecognizedClientException"
    assert service.end() == 0
    assert SECRET not in "".join(log.read_text() for log in tmp_path.glob("*.log"))


def test_stores_and_master_keys_of_regions_are_files_of_their_own(
    serve: Serve, tmp_path: Path, credentials: Path
) -> None:
    """Each Region has its own store and its own master key, for the owner alone."""
    folder = tmp_path / "keys"
    service = serve("--data-dir", str(folder), "--credentials", str(credentials))
    assert service.end() == 0
    names = sorted(path.name for path in folder.iterdir())
    assert [name for name in names if name.endswith(".key")] == [
        "master-us-east-1.key",
        "master-us-west-2.key",
    ]
    assert [name for name in names if name.endswith(".sqlite3")] == [
        "keyferry-us-east-1.sqlite3",
        "keyferry-us-west-2.sqlite3",
    ]
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path.name


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "no access keys"),
        (("--dev", "--host", "0.0.0.0"), "--dev on 0.0.0.0"),
        (("--dev", "--behind-proxy", "--host", "192.0.2.1"), "--dev on 192.0.2.1"),
        (("--dev", "--workers", "2"), "a store in memory"),
        (("--dev", "--workers", "0"), "--workers 0"),
        (("--dev", "--port", "70000"), "--port 70000"),
        (("--dev", "--regions", "moon"), "'moon' is not a Region"),
        (("--dev", "--regions", ","), "at least one Region"),
        (("--dev", "--regions", "us-east-1,us-east-1"), "named twice"),
        (("--dev", "--store", "sqlite:///x.db"), "--dev keeps its keys in memory"),
        (("--dev", "--limits", "/nonexistent"), "--limits /nonexistent"),
        (("--dev", "--tls-cert", "x.pem"), "go together"),
        (("--dev", "--tls-client-ca", "x.pem"), "--tls-client-ca needs"),
        (("--dev", "--tls-cert", "/no.pem", "--tls-key", "/no.key"), "no such file"),
        (("--dev", "--host", "name.invalid"), "does not resolve"),
        (("--credentials", "/nonexistent"), "/nonexistent"),
        (("--dev", "--peer", "eu-west-1=http://x.invalid"), "does not resolve"),
        (("--dev", "--peers", "eu-west-1=http://x"), "no such option"),
    ],
)
def test_what_cannot_work_is_refused_with_status_2(
    run_serve: RunServe, options: tuple[str, ...], words: str
) -> None:
    """The configuration alone shows it: exit status 2, the reason, no traceback."""
    done = run_serve(*options)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_open_address_needs_tls_or_a_proxy(
    run_serve: RunServe, credentials: Path, tmp_path: Path
) -> None:
    """Signed requests do not travel in the clear beyond this machine."""
    done = run_serve(
        *("--credentials", str(credentials), "--host", "0.0.0.0", "--data-dir", str(tmp_path))
    )
    assert done.returncode == 2
    assert "without TLS" in done.stderr


def test_port_in_use_is_refused(run_serve: RunServe, running_service: Any) -> None:
    """A second service on the same port is told so."""
    done = run_serve("--dev", "--port", str(running_service.port))
    assert done.returncode == 2
    assert "cannot listen" in done.stderr


def test_wrong_master_key_is_refused(
    serve: Serve, run_serve: RunServe, tmp_path: Path, credentials: Path
) -> None:
    """A master key that does not open the store ends the start, and the store is untouched."""
    options = ("--data-dir", str(tmp_path / "keys"), "--credentials", str(credentials))
    assert serve(*options, "--regions", "us-east-1").end() == 0
    other = tmp_path / "other.key"
    other.write_text("00" * 32)
    other.chmod(0o600)
    done = run_serve(*options, "--regions", "us-east-1", "--master-key", f"file:{other}")
    # {region} is not in the URI, so the file is looked for under the Region's own name.
    assert done.returncode == 1
    other.rename(tmp_path / "other-us-east-1.key")
    done = run_serve(*options, "--regions", "us-east-1", "--master-key", f"file:{other}")
    assert done.returncode == 1
    assert "master key" in done.stderr
    assert "Traceback" not in done.stderr
    assert serve(*options, "--regions", "us-east-1").end() == 0


def test_tls_with_client_certificates(serve: Serve, tmp_path: Path) -> None:
    """With a client CA, only clients with a certificate of it are served; the trail knows TLS."""
    authority = trustme.CA()
    ca_file, cert, key = (tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem"))
    authority.cert_pem.write_to_path(ca_file)
    server = authority.issue_cert("127.0.0.1")
    server.private_key_pem.write_to_path(key)
    for position, blob in enumerate(server.cert_chain_pems):
        blob.write_to_path(cert, append=position > 0)
    mine = tmp_path / "client.pem"
    authority.issue_cert("client@example.org").private_key_and_cert_chain_pem.write_to_path(mine)

    service = serve(
        *("--dev", "--regions", "us-east-1", "--tls-cert", str(cert), "--tls-key", str(key)),
        *("--tls-client-ca", str(ca_file)),
    )
    assert service.url.startswith("https://127.0.0.1:")
    known = client(service.url, verify=str(ca_file), config={"client_cert": str(mine)})
    assert known.list_keys()["Keys"] == []
    unknown = client(service.url, verify=str(ca_file))
    with pytest.raises(Exception, match=r"(?i)ssl|certificate|connection"):
        unknown.list_keys()
    trust = ssl.create_default_context(cafile=ca_file)
    trust.load_cert_chain(mine)
    asked = AWSRequest(
        "POST", f"{service.url}/", data=b"{}", headers={"X-Amz-Target": "KeyferryAdmin.ListEvents"}
    )
    SigV4Auth(Credentials("test", "test"), "payment-cryptography", "us-east-1").add_auth(asked)
    request = urllib.request.Request(asked.url, asked.body, dict(asked.headers))
    waited = threading.Event()
    events: list[Any] = []
    while not events:  # reads are written within a second
        with urllib.request.urlopen(request, context=trust) as response:
            events = json.load(response)["Events"]
        waited.wait(0.1)
    assert events[0]["tlsDetails"]["tlsVersion"] == "TLSv1.3"
    assert events[0]["tlsDetails"]["cipherSuite"].startswith("TLS_")
    assert service.end() == 0


def test_several_workers_share_a_store(serve: Serve, tmp_path: Path, credentials: Path) -> None:
    """Two workers serve one store; one that is killed is replaced; SIGTERM ends all."""
    service = serve(
        *("--data-dir", str(tmp_path / "keys"), "--credentials", str(credentials)),
        *("--workers", "2", "--regions", "us-east-1"),
    )
    made = set()
    for _ in range(8):
        # A client of its own each time has a connection of its own, and so some worker.
        alice = client(service.url, key="AKIAEXAMPLE", secret=SECRET)
        made.add(alice.create_key(KeyAttributes=KEY_ATTRIBUTES, Exportable=True)["Key"]["KeyArn"])
    for _ in range(4):
        alice = client(service.url, key="AKIAEXAMPLE", secret=SECRET)
        assert {key["KeyArn"] for key in alice.list_keys()["Keys"]} == made

    def all_counted() -> bool:
        with urllib.request.urlopen(f"{service.url}/metrics") as response:
            text = response.read().decode()
        counted = [line for line in text.splitlines() if 'operation="CreateKey"' in line]
        return any(
            line.startswith("keyferry_requests_total") and line.endswith(" 8.0") for line in counted
        )

    _wait_until(all_counted)  # a worker shows its counts within half a second

    workers = _children(service.process.pid)
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    _wait_until(lambda: _children(service.process.pid) not in ([], workers, workers[1:]))
    alice = client(service.url, key="AKIAEXAMPLE", secret=SECRET)
    assert {key["KeyArn"] for key in alice.list_keys()["Keys"]} == made

    workers = _children(service.process.pid)
    assert service.end() == 0
    for pid in workers:
        assert not Path(f"/proc/{pid}").exists()


def test_workers_end_when_their_parent_is_killed(
    serve: Serve, tmp_path: Path, credentials: Path
) -> None:
    """No worker outlives a parent that was killed."""
    service = serve(
        *("--data-dir", str(tmp_path / "keys"), "--credentials", str(credentials)),
        *("--workers", "2", "--regions", "us-east-1"),
    )
    workers = _children(service.process.pid)
    service.process.kill()
    service.process.wait(10)
    _wait_until(lambda: not any(_alive(pid) for pid in workers))


def _children(pid: int) -> list[int]:
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def _wait_until(condition: Callable[[], bool], deadline_s: float = 15.0) -> None:
    """Wait for something another process does; its end is the only event it gives us."""

    waited = threading.Event()
    for _ in range(int(deadline_s / 0.05)):
        if condition():
            return
        waited.wait(0.05)
    raise AssertionError("it did not happen in time")


def test_a_closed_log_fails_no_request(serve: Serve, tmp_path: Path) -> None:
    """A service whose standard error is gone goes on answering, and ends with status 0."""
    reading, writing = os.pipe()
    ready = tmp_path / "ready.json"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "keyferry", "serve", "--dev", "--port", "0"),
            *("--regions", "us-east-1", "--ready-file", str(ready)),
        ],
        stderr=writing,
    )
    try:
        os.close(writing)
        _wait_until(ready.exists)
        os.close(reading)
        url = json.loads(ready.read_text())["url"]
        for _ in range(3):
            assert client(url).list_keys()["Keys"] == []
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def test_log_is_json_lines_when_asked(serve: Serve) -> None:
    """Machines read one event a line, requests included."""
    service = serve("--dev", "--regions", "us-east-1", "--log-format", "json")
    client(service.url).list_keys()
    assert service.end() == 0
    events = [json.loads(line) for line in service.log.read_text().splitlines()]
    names = [event["event"] for event in events]
    assert names == ["service_ready", "request", "service_stopping", "service_stopped"]
    assert events[1]["operation"] == "ListKeys"

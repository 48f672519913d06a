"""`keyferry serve` twice, a Region each, as two machines would run it."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from keyferry.cli.main import run

EAST, WEST = "us-east-1", "us-west-2"
CVK = {
    "KeyUsage": "TR31_C0_CARD_VERIFICATION_KEY",
    "KeyClass": "SYMMETRIC_KEY",
    "KeyAlgorithm": "TDES_2KEY",
    "KeyModesOfUse": {"Generate": True, "Verify": True},
}
CARD = {"PrimaryAccountNumber": "4000001234567899"}
CVV2 = {"CardVerificationValue2": {"CardExpiryDate": "1228"}}
CREDENTIALS = """
[[access_key]]
id = "AKIAISSUER"
secret = "secret-of-the-issuer"
account = "111122223333"
principal = "issuer"

[[access_key]]
id = "AKIAPEER"
secret = "secret-of-the-services"
account = "111122223333"
principal = "services"
role = "peer"
"""

Serve = Callable[..., Any]


def free_port() -> str:
    """A port that was free a moment ago: a peer's address is known before it runs."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def client(plane: str, url: str, region: str, *, key: tuple[str, str], **options: Any) -> Any:
    return boto3.client(
        plane,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
        config=Config(retries={"total_max_attempts": 1}),
        **options,
    )


def until_status(control: Any, arn: str, *wanted: str) -> Any:
    """GetKey until its Regions have one of the statuses; the round trip is the pause."""
    deadline = time.monotonic() + 30
    key: Any = None
    while time.monotonic() < deadline:
        key = control.get_key(KeyIdentifier=arn)["Key"]
        if {entry["Status"] for entry in key.get("ReplicationStatus", {}).values()} == set(wanted):
            return key
    raise AssertionError(f"still {key}")


def there(arn: str) -> str:
    return arn.replace(EAST, WEST)


def test_on_one_machine_over_plain_http(serve: Serve) -> None:
    """
    A key waits for a peer that is not there yet, arrives when it is, works there under the same
    id, survives a peer that is killed, and goes with its primary.
    """
    ports = {EAST: free_port(), WEST: free_port()}
    urls = {region: f"http://127.0.0.1:{port}" for region, port in ports.items()}
    dev = ("test", "test")

    def start(region: str, other: str) -> Any:
        return serve(
            *("--dev", "--regions", region, "--peer", f"{other}={urls[other]}"), port=ports[region]
        )

    first = start(EAST, WEST)
    east = client("payment-cryptography", urls[EAST], EAST, key=dev)
    made = east.create_key(KeyAttributes=CVK, Exportable=True, ReplicationRegions=[WEST])["Key"]
    arn = made["KeyArn"]
    waiting = until_status(east, arn, "FAILED")
    assert waiting["ReplicationStatus"][WEST]["StatusMessage"].endswith("cannot be reached")

    second = start(WEST, EAST)
    until_status(east, arn, "SYNCHRONIZED")
    west = client("payment-cryptography", urls[WEST], WEST, key=dev)
    replica = west.get_key(KeyIdentifier=there(arn))["Key"]
    assert replica["MultiRegionKeyType"] == "REPLICA"
    assert replica["PrimaryRegion"] == EAST
    assert replica["KeyCheckValue"] == made["KeyCheckValue"]

    value = client("payment-cryptography-data", urls[EAST], EAST, key=dev)
    generated = value.generate_card_validation_data(
        KeyIdentifier=arn, GenerationAttributes=CVV2, **CARD
    )["ValidationData"]
    verifier = client("payment-cryptography-data", urls[WEST], WEST, key=dev)
    verified = verifier.verify_card_validation_data(
        KeyIdentifier=there(arn), VerificationAttributes=CVV2, ValidationData=generated, **CARD
    )
    assert verified["KeyCheckValue"] == made["KeyCheckValue"]

    # A peer that is killed forgets everything, its store being in memory; it has another root then.
    second.process.send_signal(signal.SIGKILL)
    second.process.wait(20)
    east.stop_key_usage(KeyIdentifier=arn)
    second = start(WEST, EAST)
    until_status(east, arn, "SYNCHRONIZED")
    assert west.get_key(KeyIdentifier=there(arn))["Key"]["Enabled"] is False

    east.delete_key(KeyIdentifier=arn, DeleteKeyInDays=3)
    until_status(east, arn)
    assert west.get_key(KeyIdentifier=there(arn))["Key"]["KeyState"] == "DELETE_COMPLETE"
    assert [first.end(), second.end()] == [0, 0]
    logs = first.log.read_text() + second.log.read_text()
    assert "replication_circuit_open" in logs
    assert "Traceback" not in logs


def test_with_certificates_and_several_workers(serve: Serve, tmp_path: Path, files: Any) -> None:
    """Mutual TLS, stores on disk, two workers on each side: keys go both ways."""
    credentials = tmp_path / "credentials.toml"
    credentials.write_text(CREDENTIALS)
    credentials.chmod(0o600)
    hosts = {EAST: "127.0.0.1", WEST: "localhost"}
    ports = {region: free_port() for region in hosts}
    urls = {region: f"https://{host}:{ports[region]}" for region, host in hosts.items()}
    running = []
    for region, other in ((EAST, WEST), (WEST, EAST)):
        cert, key = (str(path) for path in files.issue(hosts[region]))
        running.append(
            serve(
                *("--credentials", str(credentials), "--data-dir", str(tmp_path / region)),
                *("--regions", region, "--workers", "2", "--tls-cert", cert, "--tls-key", key),
                *("--peer", f"{other}={urls[other]}", "--peer-ca", str(files.ca)),
                *("--peer-cert", cert, "--peer-key", key),
                port=ports[region],
            )
        )
    issuer = ("AKIAISSUER", "secret-of-the-issuer")
    trust = {"verify": str(files.ca)}
    for region, other in ((EAST, WEST), (WEST, EAST)):
        made = []
        for _ in range(4):
            # A client of its own has a connection of its own, and so some worker.
            control = client("payment-cryptography", urls[region], region, key=issuer, **trust)
            made.append(
                control.create_key(KeyAttributes=CVK, Exportable=True, ReplicationRegions=[other])[
                    "Key"
                ]["KeyArn"]
            )
        for arn in made:
            until_status(control, arn, "SYNCHRONIZED")
        replica = client("payment-cryptography", urls[other], other, key=issuer, **trust)
        listed = {key["KeyArn"] for key in replica.list_keys()["Keys"]}
        assert {arn.replace(region, other) for arn in made} <= listed
    assert [service.end() for service in running] == [0, 0]
    logs = "".join(service.log.read_text() for service in running)
    assert "Traceback" not in logs
    assert "secret-of-the" not in logs


@pytest.fixture
def refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., str]:
    """Runs a start that is refused before anything is served; what it says."""
    monkeypatch.setattr("keyferry.cli.logs.configure_logs", lambda **_: None)

    def start(*options: str, credentials: str | None = None) -> str:
        access: tuple[str, ...] = ("--dev",)
        if credentials is not None:
            file = tmp_path / "credentials.toml"
            file.write_text(credentials)
            file.chmod(0o600)
            access = ("--credentials", str(file), "--data-dir", str(tmp_path / "data"))
        status = run(["serve", "--port", "0", "--regions", EAST, *access, *options])
        assert status == 2
        said = capsys.readouterr()
        assert said.out == ""
        return said.err

    return start


def test_a_start_that_cannot_work_is_refused(refused: Callable[..., str], files: Any) -> None:
    """What is wrong with a peer, its files or the access keys is told before anything listens."""
    west = f"{WEST}=http://127.0.0.1:1"
    assert "serves that Region itself" in refused("--peer", f"{EAST}=http://127.0.0.1:1")
    assert "named twice" in refused("--peer", west, "--peer", west)
    only_users = CREDENTIALS.partition('\n[[access_key]]\nid = "AKIAPEER"')[0]
    said = refused("--peer", west, credentials=only_users)
    assert "no access key to sign with" in said
    assert 'role = "peer"' in said

    cert, key = (str(path) for path in files.issue("127.0.0.1"))
    _, other_key = (str(path) for path in files.issue("127.0.0.1"))
    secure = ("--peer", f"{WEST}=https://west.example", "--tls-cert", cert, "--tls-key", key)
    ca = str(files.ca)
    assert "--peer-key" in refused(*secure, "--peer-ca", ca, "--peer-cert", cert)
    whole = (*secure, "--peer-cert", cert)
    assert "No such file" in refused(*whole, "--peer-ca", "/nowhere.pem", "--peer-key", key)
    assert "expected certificates" in refused(*whole, "--peer-ca", key, "--peer-key", key)
    mismatch = refused(*whole, "--peer-ca", ca, "--peer-key", other_key)
    assert "--peer-key" in mismatch
    assert "Traceback" not in mismatch


def test_the_ready_file_names_own_regions_only(serve: Serve) -> None:
    """Regions of peers are not served here, and not said to be."""
    service = serve("--dev", "--regions", EAST, "--peer", f"{WEST}=http://127.0.0.1:1")
    assert service.ready["regions"] == [EAST]
    assert service.end() == 0

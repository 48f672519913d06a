"""A drill between two services of two workers each, as two machines would run them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

EAST, WEST = "us-east-1", "us-west-2"
CVK = {
    "KeyUsage": "TR31_C0_CARD_VERIFICATION_KEY",
    "KeyClass": "SYMMETRIC_KEY",
    "KeyAlgorithm": "TDES_2KEY",
    "KeyModesOfUse": {"Generate": True, "Verify": True},
}
CREDENTIALS = """
[[access_key]]
id = "AKIAADMIN"
secret = "secret-of-the-administrator"
account = "111122223333"
principal = "admin"
role = "admin"

[[access_key]]
id = "AKIAPEER"
secret = "secret-of-the-services"
account = "111122223333"
principal = "services"
role = "peer"
"""
ADMIN = {"AWS_ACCESS_KEY_ID": "AKIAADMIN", "AWS_SECRET_ACCESS_KEY": "secret-of-the-administrator"}


def free_port() -> str:
    """A port that was free a moment ago: a peer's address is known before it runs."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def keyferry(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "keyferry", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | ADMIN,
        check=False,
    )


def test_a_drill_between_two_services(serve: Callable[..., Any], tmp_path: Path) -> None:
    """Whichever worker answers, the cut holds, the keys are proven, and canaries come back."""
    credentials = tmp_path / "credentials.toml"
    credentials.write_text(CREDENTIALS)
    credentials.chmod(0o600)
    ports = {EAST: free_port(), WEST: free_port()}
    urls = {region: f"http://127.0.0.1:{port}" for region, port in ports.items()}
    running = [
        serve(
            *("--credentials", str(credentials), "--data-dir", str(tmp_path / region)),
            *("--regions", region, "--workers", "2", "--canary-seconds", "1"),
            *("--peer", f"{other}={urls[other]}"),
            port=ports[region],
        )
        for region, other in ((EAST, WEST), (WEST, EAST))
    ]
    east = boto3.client(
        "payment-cryptography",
        endpoint_url=urls[EAST],
        region_name=EAST,
        aws_access_key_id=ADMIN["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ADMIN["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}),
    )
    arns = {
        east.create_key(KeyAttributes=CVK, Exportable=True, ReplicationRegions=[WEST])["Key"][
            "KeyArn"
        ]
        for _ in range(3)
    }
    done = keyferry(
        *("regions", "drill", "--from", EAST, "--to", WEST, "--output", "json"),
        *("--endpoint-url", urls[EAST], "--replica-endpoint-url", urls[WEST]),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["verdict"] == "PROVEN"
    assert {key["key_arn"] for key in report["keys"]} == arns

    # The canary of a service is known to each of its workers, whichever of them looks after it.
    pause = threading.Event()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        status = keyferry(
            *("regions", "status", "--region", WEST, "--check"),
            *("--endpoint-url", urls[WEST], "--output", "json"),
        )
        if status.returncode == 0:
            break
        pause.wait(0.2)
    assert status.returncode == 0, status.stdout + status.stderr
    assert [service.end() for service in running] == [0, 0]
    logs = "".join(service.log.read_text() for service in running)
    assert "region_cut_off" in logs
    assert "region_restored" in logs
    assert "Traceback" not in logs
    assert "secret-of-the" not in logs

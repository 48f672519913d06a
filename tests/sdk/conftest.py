"""A running `keyferry serve --dev` for clients that are programs of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config


def _wait_for(ready: Path, process: subprocess.Popen[bytes], deadline_s: float = 60.0) -> dict:
    """Return what the server wrote once it was ready."""
    limit = time.monotonic() + deadline_s
    while time.monotonic() < limit:
        if ready.exists():
            return json.loads(ready.read_text())
        if process.poll() is not None:
            raise RuntimeError(f"keyferry serve ended with {process.returncode}")
        try:
            process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            continue
    raise RuntimeError("keyferry serve was not ready in time")


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict]:
    """The ready file of a server with two Regions on a free port."""
    folder = tmp_path_factory.mktemp("serve")
    ready = folder / "ready.json"
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "keyferry", "serve", "--dev", "--port", "0"),
                *("--regions", "us-east-1,us-west-2", "--ready-file", str(ready)),
            ],
            stdout=log,
            stderr=log,
        )
        try:
            yield _wait_for(ready, process)
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture
def client_environment(service: dict, tmp_path: Path) -> dict[str, str]:
    """The environment of an AWS client: only the endpoint differs from the real service."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    return kept | {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY": service["url"],
        "AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY_DATA": service["url"],
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        "KEYFERRY_URL": service["url"],
        "NO_PROXY": "127.0.0.1,localhost",
    }


@pytest.fixture(scope="session")
def make_client(service: dict) -> Callable[..., Any]:
    """Makes boto3 clients of the server by name of the API."""

    def make(name: str, **options: Any) -> Any:
        given = {
            "endpoint_url": service["url"],
            "region_name": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
            "config": Config(retries={"total_max_attempts": 1}, proxies={}),
        }
        return boto3.client(name, **(given | options))

    return make


@pytest.fixture(scope="session")
def control_client(make_client: Callable[..., Any]) -> Any:
    """A client of the control plane, to set up what calls need."""
    return make_client("payment-cryptography")


@pytest.fixture(scope="session")
def data_client(make_client: Callable[..., Any]) -> Any:
    """A client of the data plane."""
    return make_client("payment-cryptography-data")

"""A running service with two Regions, a running payShield simulator, and exchanges between them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import structlog

from keyferry.cli.main import run

REGIONS = ("us-east-1", "us-west-2")
READY_WITHIN_S = 60.0


def _start(folder: Path, *arguments: str) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """Start `keyferry` and return the process and what it wrote once it was ready."""
    ready = folder / "ready.json"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "keyferry", *arguments, "--ready-file", str(ready)],
            stdout=log,
            stderr=log,
        )
    limit = time.monotonic() + READY_WITHIN_S
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > limit:
            process.kill()
            raise RuntimeError((folder / "log").read_text())
        try:
            process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            continue
    return process, json.loads(ready.read_text())


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a service with two Regions."""
    process, ready = _start(
        tmp_path_factory.mktemp("serve"),
        *("serve", "--dev", "--port", "0", "--regions", ",".join(REGIONS)),
    )
    yield ready["url"]
    _stop(process)


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a payShield simulator."""
    process, ready = _start(
        tmp_path_factory.mktemp("payshield"), *("simulate", "payshield", "--port", "0")
    )
    yield ready["port"]
    _stop(process)


@pytest.fixture(scope="session")
def second_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of another payShield simulator: its own key block LMK, and ZMKs may come in."""
    process, ready = _start(
        tmp_path_factory.mktemp("payshield"),
        *("simulate", "payshield", "--port", "0", "--setting", "import_zmk=yes"),
    )
    yield ready["port"]
    _stop(process)


@pytest.fixture(scope="session")
def futurex_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a Futurex simulator."""
    process, ready = _start(
        tmp_path_factory.mktemp("futurex"), *("simulate", "futurex", "--port", "0")
    )
    yield ready["port"]
    _stop(process)


@pytest.fixture(scope="session")
def atalla_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an Atalla simulator with the public test MFK, whose challenges need nobody."""
    folder = tmp_path_factory.mktemp("atalla")
    control = ("--control", str(folder / "control"))
    process, ready = _start(
        folder, *("simulate", "atalla", "--port", "0", "--dual-control", "auto", *control)
    )
    yield ready["port"]
    _stop(process)


@pytest.fixture
def start() -> Iterator[Callable[..., dict[str, Any]]]:
    """Start `keyferry` in the background for one test; return what it wrote once it was ready."""
    processes: list[subprocess.Popen[bytes]] = []

    def begin(folder: Path, *arguments: str) -> dict[str, Any]:
        process, ready = _start(folder, *arguments)
        processes.append(process)
        return ready

    yield begin
    for process in processes:
        _stop(process)


@pytest.fixture
def aws(service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Point the AWS conventions of this process at the service; return its URL."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "no-such-file"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY", service)
    return service


@dataclass(frozen=True, slots=True)
class Done:
    """What one command line did."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The JSON document on standard output of an exchange that went well."""
        assert self.code == 0, self.err
        document: dict[str, Any] = json.loads(self.out)
        return document


@pytest.fixture
def exchange(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Callable[..., Done]]:
    """Run `keyferry exchange METHOD --kdh KDH` with a configuration given as a dictionary."""

    def command(method: str, kdh: str, config: dict[str, Any], *options: str) -> Done:
        file = tmp_path / "input_config.json"
        file.write_text(json.dumps(config))
        capsys.readouterr()
        arguments = ("--kdh", kdh, "--krd", "apc", "--config", str(file), "--output", "json")
        code = run(["exchange", method, *arguments, *options])
        out, err = capsys.readouterr()
        return Done(code, out, err)

    yield command
    structlog.reset_defaults()


@pytest.fixture
def region(aws: str) -> Callable[[str], Any]:
    """Make a boto3 client of a Region of the service."""

    def client(name: str = REGIONS[0]) -> Any:
        return boto3.client("payment-cryptography", region_name=name, endpoint_url=aws)

    return client


@pytest.fixture
def keys(region: Callable[[str], Any]) -> Callable[..., dict[str, dict[str, Any]]]:
    """List the keys of a Region that are not deleted, by ARN."""

    def listed(name: str = REGIONS[0]) -> dict[str, dict[str, Any]]:
        pages = region(name).get_paginator("list_keys").paginate(KeyState="CREATE_COMPLETE")
        return {key["KeyArn"]: key for page in pages for key in page["Keys"]}

    return listed

"""Two Regions in `keyferry serve` processes of their own, started and ended as a test says."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from keyferry.testing.postgresql import PostgreSQLCluster

EAST, WEST = "us-east-1", "us-west-2"
REGIONS = (EAST, WEST)
ACCOUNT = "111122223333"
PEERS_ACCESS_KEY = "AKIAPEER"
CREDENTIALS = f"""
[[access_key]]
id = "AKIAUSER"
secret = "secret-of-the-user"
account = "{ACCOUNT}"
principal = "user"

[[access_key]]
id = "AKIAADMIN"
secret = "secret-of-the-admin"
account = "{ACCOUNT}"
principal = "admin"
role = "admin"

[[access_key]]
id = "{PEERS_ACCESS_KEY}"
secret = "secret-of-the-services"
account = "{ACCOUNT}"
principal = "services"
role = "peer"
"""
CVK = {
    "KeyUsage": "TR31_C0_CARD_VERIFICATION_KEY",
    "KeyClass": "SYMMETRIC_KEY",
    "KeyAlgorithm": "TDES_2KEY",
    "KeyModesOfUse": {"Generate": True, "Verify": True},
}
WAITS_S = 60.0


def other(region: str) -> str:
    return WEST if region == EAST else EAST


@dataclass(frozen=True)
class Answer:
    """Status, exception name and document of an answer."""

    status: int
    code: str
    document: dict[str, Any]


class Site:
    """One service process: its Regions, its files, the port it always has, and how to reach it."""

    def __init__(self, serve: Callable[..., Any], folder: Path, *regions: str) -> None:
        self.regions = regions
        self.folder = folder
        self.options: list[str] = []
        self.tls: ssl.SSLContext | None = None
        self.host = "127.0.0.1"
        self.program: Sequence[str] = (sys.executable, "-m", "keyferry")
        self.running: Any = None
        self.logs: list[Path] = []
        self._serve = serve
        # Bound and not listening: nobody else is given the port, and who connects is refused.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self.port: int = self._reserved.getsockname()[1]
        if sys.platform != "linux":
            self._reserved.close()  # elsewhere the service could not bind beside it

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    @property
    def runs(self) -> bool:
        return self.running is not None and self.running.process.poll() is None

    @property
    def pid(self) -> int:
        return int(self.running.process.pid)

    def start(self) -> None:
        self.running = self._serve(
            *("--regions", ",".join(self.regions), "--data-dir", str(self.folder)),
            *self.options,
            port=str(self.port),
            program=self.program,
        )
        self.logs.append(self.running.log)

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone."""
        self.running.process.send_signal(signal.SIGKILL)
        self.running.process.wait(20)

    def stop(self) -> None:
        """SIGTERM; a service that does not end, or not well, fails the test."""
        assert self.running.end() == 0
        self.running = None

    def log(self) -> str:
        return "".join(path.read_text() for path in self.logs)

    def close(self) -> None:
        self._reserved.close()


class Line:
    """A client of one Region of one site, with a connection that is made again when it broke."""

    def __init__(self, site: Site, region: str) -> None:
        self.region = region
        self._site = site
        self._signer = SigV4Auth(
            Credentials("AKIAUSER", "secret-of-the-user"), "payment-cryptography", region
        )
        self._connection: http.client.HTTPConnection
        if site.tls is None:
            self._connection = http.client.HTTPConnection(site.host, site.port, timeout=30)
        else:
            self._connection = http.client.HTTPSConnection(
                site.host, site.port, timeout=30, context=site.tls
            )

    def call(self, operation: str, **members: Any) -> Answer:
        """An operation of the control plane; OSError or HTTPException if there is no answer."""
        return self._post("/", members, {"X-Amz-Target": f"{_CONTROL}.{operation}"})

    def data(self, path: str, **members: Any) -> Answer:
        """An operation of the data plane."""
        return self._post(path, members, {})

    def _post(self, path: str, members: dict[str, Any], headers: dict[str, str]) -> Answer:
        headers = {"Content-Type": "application/x-amz-json-1.0"} | headers
        body = json.dumps(members).encode()
        request = AWSRequest("POST", self._site.url + path, data=body, headers=headers)
        self._signer.add_auth(request)
        try:
            self._connection.request("POST", path, body, dict(request.headers.items()))
            response = self._connection.getresponse()
            content = json.loads(response.read())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        kind = content.get("__type") or response.getheader("x-amzn-errortype") or ""
        return Answer(response.status, str(kind).rpartition("#")[2], content)

    def close(self) -> None:
        self._connection.close()


_CONTROL = "PaymentCryptographyControlPlane"


@dataclass
class Outcome:
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


class Pair:
    """Two Regions, in two sites or in one."""

    east, west, account = EAST, WEST, ACCOUNT

    def __init__(self, sites: dict[str, Site], run: Callable[..., Outcome], folder: Path) -> None:
        self.folder = folder
        self._sites = sites
        self._run = run

    @property
    def sites(self) -> list[Site]:
        return list(dict.fromkeys(self._sites.values()))

    def site(self, region: str) -> Site:
        return self._sites[region]

    def start(self) -> None:
        """Start every site that does not run, all at once."""
        idle = [site for site in self.sites if not site.runs]
        with ThreadPoolExecutor(len(idle) or 1) as threads:
            list(threads.map(Site.start, idle))

    def line(self, region: str) -> Line:
        """A client of a Region; the caller closes it."""
        return Line(self.site(region), region)

    def command(self, region: str, *arguments: str) -> Outcome:
        """`keyferry regions …` against the site of a Region."""
        return self._run(*arguments, "--endpoint-url", self.site(region).url, "--output", "json")

    def verify(self) -> int:
        """
        `keyferry regions verify` finds nothing to repair, on either side.

        Returns:
            How many comparisons were made.
        """
        compared = 0
        for site in self.sites:
            outcome = self.command(site.regions[0], "verify", "--wait", str(WAITS_S))
            assert outcome.code == 0, outcome
            assert outcome.document["clean"] is True
            compared += sum(pair["compared"] for pair in outcome.document["pairs"])
        return compared

    def stop(self) -> None:
        for site in self.sites:
            site.stop()

    def close(self) -> None:
        for site in self.sites:
            site.close()


class Tools:
    """What test modules share, handed out by a fixture, as test files import nothing of ours."""

    east, west = EAST, WEST
    cvk = CVK


@pytest.fixture(scope="session")
def tools() -> type[Tools]:
    return Tools


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Runs `keyferry regions …` in this process, with the credentials of an administrator."""
    from keyferry.cli import main

    monkeypatch.setattr("keyferry.cli.logs.configure_logs", lambda **_: None)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAADMIN",
        "AWS_SECRET_ACCESS_KEY": "secret-of-the-admin",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = main.run(["regions", *arguments])
        said = capsys.readouterr()
        return Outcome(code, said.out, said.err)

    return run


@pytest.fixture
def make_pair(
    serve: Callable[..., Any], run: Callable[..., Outcome], tmp_path: Path
) -> Iterator[Callable[..., Pair]]:
    """
    Makes two Regions in two sites, or in one; their peers are set, nothing is started.

    Args:
        store: `--store` of all.
        beside: a pair on whose files (and store) this one works too.
        between: gives the port where the peer of a Region finds it, if that is not its own.
        secure: has a site of a Region speak TLS, and gives its options.
    """
    made: list[Pair] = []
    credentials = tmp_path / "credentials.toml"
    credentials.write_text(CREDENTIALS)
    credentials.chmod(0o600)

    def make(
        *,
        together: bool = False,
        store: str | None = None,
        beside: Pair | None = None,
        between: Callable[[str, Site], int] | None = None,
        secure: Callable[[str, Site], list[str]] | None = None,
    ) -> Pair:
        folder = tmp_path / f"pair-{len(made)}" if beside is None else beside.folder
        if together:
            both = Site(serve, folder / "both", *REGIONS)
            sites = dict.fromkeys(REGIONS, both)
        else:
            sites = {region: Site(serve, folder / region, region) for region in REGIONS}
        for region, site in sites.items():
            site.options = ["--credentials", str(credentials)]
            if store is not None:
                site.options += ["--store", store]
            if secure is not None:
                site.options += secure(region, site)
        for region, site in sites.items():
            port = site.port if between is None else between(region, site)
            peer = f"{region}={'https' if site.tls else 'http'}://{site.host}:{port}"
            if not together:
                sites[other(region)].options += ["--peer", peer]
        made.append(Pair(sites, run, folder))
        return made[-1]

    yield make
    for pair in made:
        pair.close()


@pytest.fixture
def shared_store(postgresql: PostgreSQLCluster) -> Iterator[str]:
    """The `--store` of two Regions on one PostgreSQL; its databases are removed afterwards."""
    database = f"keyferry-{secrets.token_hex(6)}"
    yield postgresql.url(database)
    for region in REGIONS:
        postgresql.drop(f"{database}-{region}")


@pytest.fixture
def pair(make_pair: Callable[..., Pair]) -> Pair:
    """Two running sites, which know each other by plain HTTP."""
    made = make_pair()
    made.start()
    return made


@pytest.fixture
def until() -> Callable[..., Any]:
    """Asks again and again until the answer is a good one; the round trip is the pause."""

    def wait(ask: Callable[[], Any], *, within_s: float = WAITS_S) -> Any:
        deadline = time.monotonic() + within_s
        answer = None
        while time.monotonic() < deadline:
            with suppress(OSError, http.client.HTTPException):
                answer = ask()
                if answer:
                    return answer
        raise AssertionError(f"still {answer!r}")

    return wait

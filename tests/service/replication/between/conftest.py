"""Two services with a Region each in one event loop, with real sockets between them."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from keyferry.service.app import Application
from keyferry.service.authz.access_keys import AccessKeys, access_key
from keyferry.service.authz.principal import Role
from keyferry.service.dispatch import Dispatcher
from keyferry.service.region import Region, open_regions
from keyferry.service.replication.peers.remote import RemotePeers
from keyferry.service.replication.peers.settings import PeerSettings
from keyferry.service.server import APIServer, bind, server_config, tls_context
from keyferry.service.settings import ListenerSettings, ServiceSettings

EAST, WEST = "us-east-1", "us-west-2"
ACCOUNT = "111122223333"
# Certificates are for a host; on one machine two names tell two services apart.
HOSTS = {EAST: "127.0.0.1", WEST: "localhost"}
CVK = {
    "KeyUsage": "TR31_C0_CARD_VERIFICATION_KEY",
    "KeyClass": "SYMMETRIC_KEY",
    "KeyAlgorithm": "TDES_2KEY",
    "KeyModesOfUse": {"Generate": True, "Verify": True},
}
SECRETS = {"user": "users-secret", "PEERKEY": "peers-secret"}


@dataclass
class Answer:
    """Status, exception name and document of an answer."""

    status: int
    code: str
    words: str
    document: dict[str, Any]


@dataclass
class Files:
    """Certificates for tests, made by trustme: an independent implementation."""

    folder: Path
    authority: trustme.CA = field(default_factory=trustme.CA)

    @property
    def ca(self) -> Path:
        path = self.folder / "ca.pem"
        self.authority.cert_pem.write_to_path(path)
        return path

    def issue(
        self, *names: str, authority: trustme.CA | None = None, **options: Any
    ) -> tuple[Path, Path]:
        """A certificate for `names` and its key, as files."""
        issued = (authority or self.authority).issue_cert(*names, **options)
        stem = f"cert-{len(list(self.folder.iterdir()))}"
        cert, key = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        for position, blob in enumerate(issued.cert_chain_pems):
            blob.write_to_path(cert, append=position > 0)
        issued.private_key_pem.write_to_path(key)
        return cert, key


class Service:
    """A service of one Region in this event loop. `skew` moves its clock."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.listening = bind("127.0.0.1", 0)
        self.port: int = self.listening.getsockname()[1]
        self.skew = timedelta(0)
        self.tls = False
        self.region: Region
        self.dispatcher: Dispatcher
        self._server: APIServer
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{HOSTS[self.name]}:{self.port}"

    def now(self) -> datetime:
        return datetime.now(UTC) + self.skew

    async def start(
        self, peers: PeerSettings, listener: ListenerSettings, secrets: dict[str, str]
    ) -> None:
        settings = ServiceSettings(dev=True, regions=(self.name,), peers=peers)
        peers.check(
            served=settings.regions,
            tls=listener.tls_cert is not None,
            loopback=True,
            behind_proxy=False,
        )
        tls = tls_context(listener, peers)
        keys = AccessKeys(
            access_key(
                key_id,
                secret,
                account=ACCOUNT,
                principal=key_id,
                roles=frozenset({Role.PEER if key_id == "PEERKEY" else Role.USER}),
            )
            for key_id, secret in secrets.items()
        )
        regions = open_regions(settings)
        self.region = regions[self.name]
        self.dispatcher = Dispatcher(
            regions,
            keys,
            clock=self.now,
            peers=RemotePeers(peers, keys, served=1, clock=self.now),
        )
        application = Application(self.dispatcher, regions, sweeps=False)
        ready = asyncio.Event()
        self._server = APIServer(server_config(application, tls), application, on_ready=ready.set)
        self._serving = asyncio.create_task(self._server.serve(sockets=[self.listening]))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({self._serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        assert ready.is_set()

    async def stop(self) -> None:
        if self._serving is not None:
            self._server.should_exit = True
            await self._serving
            self._serving = None
        self.listening.close()

    def reopen(self) -> None:
        """Listen again where the service was, after `stop`."""
        self.listening = bind("127.0.0.1", self.port)

    async def call(self, target: str, document: dict[str, Any], **options: Any) -> Answer:
        """A request signed by botocore; options as `post`."""
        return await asyncio.to_thread(self.post, target, json.dumps(document).encode(), **options)

    def post(
        self,
        target: str,
        body: bytes,
        *,
        key: str = "user",
        secret: str | None = None,
        headers: dict[str, str] | None = None,
        unsigned: dict[str, str] | None = None,
        certificate: tuple[Path, Path] | None = None,
    ) -> Answer:
        host = HOSTS[self.name]
        request = AWSRequest(
            "POST",
            f"{self.url}/",
            data=body,
            headers={
                "Content-Type": "application/x-amz-json-1.0",
                "X-Amz-Target": target,
                **(headers or {}),
            },
        )
        credentials = Credentials(key, secret or SECRETS[key])
        SigV4Auth(credentials, "payment-cryptography", self.name).add_auth(request)
        connection: http.client.HTTPConnection
        if self.tls:
            # Whom the server shows is not what is tested with this client.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            if certificate is not None:
                context.load_cert_chain(*certificate)
            connection = http.client.HTTPSConnection(host, self.port, timeout=15, context=context)
        else:
            connection = http.client.HTTPConnection(host, self.port, timeout=15)
        try:
            connection.request(
                "POST", "/", body, dict(request.prepare().headers.items()) | (unsigned or {})
            )
            response = connection.getresponse()
            content = json.loads(response.read())
        finally:
            connection.close()
        return Answer(
            response.status,
            str(content.get("__type", "")).rpartition("#")[2],
            str(content.get("message", content.get("Message", ""))),
            content,
        )

    async def create(self, *replicas: str) -> str:
        """CreateKey; the ARN."""
        made = await self.call(
            "PaymentCryptographyControlPlane.CreateKey",
            {"KeyAttributes": CVK, "Exportable": True, "ReplicationRegions": list(replicas)},
        )
        assert made.status == 200, made
        return str(made.document["Key"]["KeyArn"])

    def status(self, arn: str) -> dict[str, tuple[str, str | None]]:
        """Status and message for each Region of a primary."""
        found = self.region.store.replicas(ACCOUNT, arn.rpartition("/")[2])
        return {r.region: (r.status.value, r.message) for r in found}

    def key_state(self, arn: str) -> str | None:
        """The state of the key of that id here; None if there is none."""
        record = self.region.store.key(ACCOUNT, arn.rpartition("/")[2])
        return None if record is None else record.state.value

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the loop run until `condition` holds."""
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 (stores and sockets give no event)
                await asyncio.sleep(0.002)


class Pair:
    """Two services, each the other's peer."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.east, self.west = Service(EAST), Service(WEST)

    async def start(self, service: Service, **options: Any) -> None:
        """Start one of them: `peers` and `listener` members that differ from the usual."""
        other = self.west if service is self.east else self.east
        secrets = options.pop("secrets", SECRETS)
        listener = options.pop("listener", {})
        texts = options.pop("texts", [f"{other.name}={other.url}"])
        await service.start(
            PeerSettings.parse(texts, **({"ca": None, "cert": None, "key": None} | options)),
            ListenerSettings(**listener),
            secrets,
        )

    async def start_both(self) -> None:
        for service in (self.east, self.west):
            await self.start(service)

    async def start_tls(self, service: Service, **options: Any) -> None:
        """Start one with TLS, with one certificate for both directions unless told otherwise."""
        self.east.tls = self.west.tls = True
        cert, key = self.files.issue(HOSTS[service.name])
        listener = {"tls_cert": cert, "tls_key": key} | options.pop("listener", {})
        peers = {"ca": self.files.ca, "cert": cert, "key": key} | options
        await self.start(service, listener=listener, **peers)

    async def stop(self) -> None:
        await self.east.stop()
        await self.west.stop()


class Tools:
    """What test modules share, handed out by a fixture, as test files import nothing of ours."""

    east, west = EAST, WEST
    account = ACCOUNT
    hosts = HOSTS
    secrets = SECRETS
    files = Files
    service = Service


@pytest.fixture(scope="session")
def between() -> type[Tools]:
    return Tools


@pytest.fixture
def files(tmp_path: Path) -> Files:
    folder = tmp_path / "certificates"
    folder.mkdir()
    return Files(folder)


@pytest.fixture
async def pair(files: Files, quiet_log: None) -> AsyncIterator[Pair]:
    """Two services that are not started yet."""
    made = Pair(files)
    yield made
    await made.stop()


@pytest.fixture
def closed_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])

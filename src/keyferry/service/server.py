"""
`keyferry serve`: the service behind a socket, from start-up checks to a clean end.

The order matters: settings are checked, the socket is bound and the Regions are opened before
anything is announced; on SIGTERM the listener closes, requests in flight finish, what waits is
written, and only then the process ends, with status 0.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import uvicorn

from keyferry.errors import ConfigurationError
from keyferry.service import log
from keyferry.service.app import Application
from keyferry.service.authz.access_keys import AccessKeys, development_keys, read_credentials
from keyferry.service.dispatch import Dispatcher
from keyferry.service.protocol import GuardedProtocol
from keyferry.service.region import Region, open_regions
from keyferry.service.replication.peers.remote import RemotePeers, trust_peers
from keyferry.service.replication.peers.settings import PeerSettings
from keyferry.service.settings import ListenerSettings, ServiceSettings

# Longer than clients keep an idle connection before they ask again, shorter than balancers do.
KEEP_ALIVE_S = 75
SHUTDOWN_S = 10
BACKLOG = 2048
GC_THRESHOLDS = (20_000, 20, 20)


def serve(service: ServiceSettings, listener: ListenerSettings) -> int:
    """
    Run the service until SIGTERM or SIGINT; return the exit status.

    Raises:
        ConfigurationError: the settings cannot work.
        StoreError, MasterKeyError: a store does not open.
    """
    listener.check(service)
    keys = access_keys(service)
    tls = tls_context(listener, service.peers)
    if exceptions := service.rules.exceptions():
        log.warning("rules_set_otherwise", **exceptions)
    # Each process makes its own; whether that works is known before anything starts.
    remote_peers(service, keys).close()
    if listener.ready_file is not None:
        # A file of an earlier run would tell whoever waits for it a lie.
        listener.ready_file.unlink(missing_ok=True)
    with contextlib.closing(bind(listener.host, listener.port)) as listening:
        url = endpoint_url(listening, tls=tls is not None, host=listener.host)
        if listener.workers > 1:
            from keyferry.service.workers import run_workers

            return run_workers(service, listener, keys, tls, listening, url)
        regions = open_regions(service)

        def announce() -> None:
            write_ready_file(listener.ready_file, url, service.regions)
            log.info("service_ready", url=url, regions=list(service.regions), pid=os.getpid())

        run_server(service, listener, keys, tls, listening, regions, on_ready=announce)
    if listener.ready_file is not None:
        listener.ready_file.unlink(missing_ok=True)
    return 0


def run_server(
    service: ServiceSettings,
    listener: ListenerSettings,
    keys: AccessKeys,
    tls: ssl.SSLContext | None,
    listening: socket.socket,
    regions: dict[str, Region],
    *,
    on_ready: Callable[[], None],
    sweeps: bool = True,
    should_end: Callable[[], bool] = lambda: False,
) -> None:
    """Serve opened Regions on a bound socket in this process; the Regions are closed at the end."""

    def ready() -> None:
        # What was made so far stays: the collector need not look through it again and again. A
        # request makes some hundred objects and leaves no cycles, so it may look less often too.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        on_ready()

    dispatcher = Dispatcher(
        regions,
        keys,
        limits=service.limits,
        audit_data_events=service.audit_data_events,
        peers=remote_peers(service, keys),
        following=service.following,
        rules=service.rules,
        canary_s=service.canary_s,
    )
    application = Application(dispatcher, regions, sweeps=sweeps)
    APIServer(
        server_config(application, tls, behind_proxy=listener.behind_proxy),
        application,
        on_ready=ready,
        should_end=should_end,
    ).run(sockets=[listening])


def server_config(
    application: Application, tls: ssl.SSLContext | None, *, behind_proxy: bool = False
) -> uvicorn.Config:
    """uvicorn, told what is ours to decide."""
    # Its logger speaks of requests and processes; our own events say what matters.
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    return uvicorn.Config(
        application,
        loop="uvloop",
        http=GuardedProtocol,
        ws="none",
        lifespan="off",  # APIServer starts and stops the application itself
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        # Only a proxy may say where a request came from.
        proxy_headers=behind_proxy,
        forwarded_allow_ips="*" if behind_proxy else "",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S,
        ssl_context_factory=(lambda *_: tls) if tls is not None else None,
    )


class APIServer(uvicorn.Server):
    """uvicorn's server, which starts and stops the application and ends with status 0."""

    def __init__(
        self,
        config: uvicorn.Config,
        application: Application,
        *,
        on_ready: Callable[[], None] = lambda: None,
        should_end: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(config)
        self._application = application
        self._on_ready = on_ready
        self._should_end = should_end

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self._application.start()
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        log.info("service_stopping")
        self._application.dispatcher.ready = False
        await super().shutdown(sockets)
        await self._application.stop()
        log.info("service_stopped")

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._should_end()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on a signal, without raising it again: a service that was asked to end did well."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self.handle_exit)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def access_keys(service: ServiceSettings) -> AccessKeys:
    """The access keys the settings name."""
    if service.credentials is not None:
        return read_credentials(service.credentials)
    return development_keys()


def remote_peers(service: ServiceSettings, keys: AccessKeys) -> RemotePeers:
    """The Regions the settings say other services serve."""
    return RemotePeers(service.peers, keys, served=len(service.regions))


def tls_context(
    listener: ListenerSettings, peers: PeerSettings | None = None
) -> ssl.SSLContext | None:
    """
    TLS 1.2 or newer with the given certificate; clients need one too if a CA is given.

    With `peers` clients are asked for one in any case: peers show theirs.
    """
    if listener.tls_cert is None or listener.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # The password callback answers nothing, so that an encrypted key is an error, not a prompt.
        context.load_cert_chain(listener.tls_cert, listener.tls_key, password=lambda: b"")
        if listener.tls_client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(listener.tls_client_ca)
    except FileNotFoundError:
        missing = [
            str(path)
            for path in (listener.tls_cert, listener.tls_key, listener.tls_client_ca)
            if path is not None and not path.exists()
        ]
        raise ConfigurationError(f"TLS: no such file: {', '.join(missing)}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or "unusable"
        raise ConfigurationError(
            f"TLS certificate {listener.tls_cert} with key {listener.tls_key}: {reason}"
        ) from None
    if peers is not None:
        trust_peers(context, peers)
    return context


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to the first address of `host`; ConfigurationError if that does not work."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError):
        raise ConfigurationError(f"--host {host}: the name does not resolve") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {error.strerror}",
            hint="--port 0 takes a free port",
        ) from None
    listening.setblocking(False)
    return listening


def endpoint_url(listening: socket.socket, *, tls: bool, host: str) -> str:
    """How a client on this machine reaches the socket."""
    port = listening.getsockname()[1]
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (compared only)
    if ":" in reachable:
        reachable = f"[{reachable}]"
    return f"{'https' if tls else 'http'}://{reachable}:{port}"


def write_ready_file(path: Path | None, url: str, regions: Sequence[str]) -> None:
    """Tell whoever waits for the file where the service is; the file appears whole."""
    if path is None:
        return
    document = {"url": url, "regions": list(regions), "pid": os.getpid()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(document) + "\n", encoding="utf-8")
    temporary.replace(path)

"""A simulator as a process: ready file out, until a signal ends it."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import signal
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from keyferry.errors import ConfigurationError
from keyferry.hsm.faults import Fault, FaultKind, FaultyDevice
from keyferry.hsm.firmware_profiles import SIMULATOR_FIRMWARE
from keyferry.hsm.host_server import HostServer, server_tls
from keyferry.hsm.recording import RecordedDevice, Recorder, ReplayedDevice
from keyferry.hsm.traffic import Traffic
from keyferry.log import EventLog

log = EventLog("keyferry.hsm.simulator")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessOptions:
    """What the command line of every simulator says."""

    host: str = "127.0.0.1"
    port: int = 0
    state: Path | None = None
    ready_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    settings: tuple[str, ...] = ()  # NAME=VALUE
    firmware: str = SIMULATOR_FIRMWARE  # name of a profile of the family
    fault: str = ""  # as `Fault.parse` reads it; empty: none
    rate: float = 1.0
    record: Path | None = None
    replay: Path | None = None


def equip(server: HostServer, options: ProcessOptions, traffic: Traffic, *, simulator: str) -> None:
    """
    Put before the device what the options say: a recording in its place, a recorder, faults.

    The recorder stands before the faults, so that it writes what clients saw.

    Raises:
        ConfigurationError: a fault that does not exist, a recording that cannot be used.
    """
    fault = Fault.parse(options.fault, rate=options.rate) if options.fault else None
    if fault is not None and fault.kind is FaultKind.ERROR:
        traffic.check_error_code(fault.error)
    if options.replay is not None:
        replayed = ReplayedDevice(options.replay, traffic, simulator=simulator)
        server.put_before(lambda _: replayed)
    if fault is not None:
        server.put_before(lambda device: FaultyDevice(device, traffic, fault))
    if options.record is not None:
        recorder = Recorder(options.record, simulator=simulator)
        server.put_before(lambda device: RecordedDevice(device, traffic, recorder))


def prepare(options: ProcessOptions) -> ssl.SSLContext | None:
    """
    Check what must hold before a simulator is switched on, and return its TLS context.

    Raises:
        ConfigurationError: a bind beyond loopback without TLS, or TLS files that do not serve.
    """
    tls = _tls(options)
    _check_exposure(options.host, tls is not None)
    if options.ready_file is not None:
        # A file of an earlier run would tell whoever waits for it a lie.
        options.ready_file.unlink(missing_ok=True)
    return tls


def run_until_signal(
    server: HostServer, options: ProcessOptions, *, simulator: str, about: Mapping[str, object]
) -> int:
    """
    Serve until SIGTERM or SIGINT, and return the exit code.

    Args:
        server: not yet started.
        options: of the process; its ready file is written once the server listens.
        simulator: which family, e.g. `futurex`.
        about: what the ready file and the log say beside address and pid; nothing secret.

    Raises:
        HSMConnectionError: the port is taken.
    """
    main = _serve(server, options, simulator, about)
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main)
    return 0


async def _serve(
    server: HostServer, options: ProcessOptions, simulator: str, about: Mapping[str, object]
) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with server:
        # It says what it is, so that nobody takes it for a device.
        log.info(
            "simulator_ready",
            device=f"{simulator} simulator, not an HSM",
            host=server.host,
            port=server.port,
            tls=options.tls_cert is not None,
            **about,
        )
        if options.ready_file is not None:
            _write_ready_file(options.ready_file, server, simulator, about)
        await ended.wait()
        log.info("simulator_stopping")
    if options.ready_file is not None:
        options.ready_file.unlink(missing_ok=True)


def _write_ready_file(
    path: Path, server: HostServer, simulator: str, about: Mapping[str, object]
) -> None:
    """Tell whoever waits for the file where the simulator is; the file appears whole."""
    document = {
        "host": server.host,
        "port": server.port,
        "pid": os.getpid(),
        "simulator": simulator,
        **about,
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(document) + "\n", encoding="utf-8")
    temporary.replace(path)


def _tls(options: ProcessOptions) -> ssl.SSLContext | None:
    if options.tls_cert is None or options.tls_key is None:
        if options.tls_cert or options.tls_key or options.tls_client_ca:
            raise ConfigurationError("TLS needs both --tls-cert and --tls-key")
        return None
    try:
        return server_tls(
            str(options.tls_cert),
            str(options.tls_key),
            str(options.tls_client_ca) if options.tls_client_ca else None,
        )
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"TLS files of the simulator: {error.strerror or type(error).__name__}"
        ) from error


def _check_exposure(host: str, has_tls: bool) -> None:
    if has_tls:
        return
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    if not is_loopback:
        raise ConfigurationError(
            f"--host {host} without TLS: a simulator holds keys in clear",
            hint="use 127.0.0.1, or give --tls-cert and --tls-key",
        )

"""The simulator as a process: options in, ready file out, until a signal ends it."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import signal
import ssl
from dataclasses import dataclass
from pathlib import Path

from keyferry.errors import ConfigurationError
from keyferry.hsm.payshield.simulator.activities import check_activity
from keyferry.hsm.payshield.simulator.device import Device
from keyferry.hsm.payshield.simulator.firmware import FIRMWARE
from keyferry.hsm.payshield.simulator.server import SimulatorServer, server_tls
from keyferry.hsm.payshield.simulator.state import LMKRecord, State, fresh_state, load_state
from keyferry.log import EventLog

log = EventLog("keyferry.hsm.payshield.simulator")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """What the command line says."""

    host: str = "127.0.0.1"
    port: int = 1500
    state: Path | None = None
    ready_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    lmk_ports: bool = False
    settings: tuple[str, ...] = ()  # NAME=VALUE
    unauthorised: tuple[str, ...] = ()  # activities
    old_lmks: tuple[str, ...] = ()  # ID=FROM: key change storage of LMK ID holds LMK FROM


def run_simulator(options: SimulatorOptions) -> int:
    """
    Run until SIGTERM or SIGINT, and return the exit code.

    Raises:
        ConfigurationError: the options cannot work; nothing has listened yet.
        HSMConnectionError: a port is taken.
    """
    tls = _tls(options)
    _check_exposure(options.host, tls is not None)
    if options.ready_file is not None:
        # A file of an earlier run would tell whoever waits for it a lie.
        options.ready_file.unlink(missing_ok=True)
    device = open_device(options)
    try:
        import uvloop
    except ImportError:
        asyncio.run(_serve(device, options, tls))
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(device, options, tls))
    return 0


def open_device(options: SimulatorOptions) -> Device:
    """Switch on the device the options describe."""
    state = load_state(options.state) if options.state is not None else fresh_state()
    state.old_lmks = _with_old_lmks(state, options.old_lmks)
    return Device(
        state,
        path=options.state,
        settings=state.settings.changed(list(options.settings)),
        unauthorised=frozenset(check_activity(text) for text in options.unauthorised),
    )


def _with_old_lmks(state: State, assignments: tuple[str, ...]) -> list[LMKRecord]:
    records = {record.id: record for record in state.lmks}
    old = {record.id: record for record in state.old_lmks}
    for assignment in assignments:
        new_id, _, old_id = assignment.partition("=")
        if new_id not in records or old_id not in records:
            raise ConfigurationError(
                f"old LMK {assignment[:20]!r}: expected ID=FROM of loaded LMKs",
                hint="loaded: " + ", ".join(sorted(records)),
            )
        source = records[old_id]
        old[new_id] = LMKRecord(
            id=new_id,
            scheme=source.scheme,
            cipher=source.cipher,
            key=source.key,
            comment=f"old, as {old_id}",
        )
    return list(old.values())


async def _serve(device: Device, options: SimulatorOptions, tls: ssl.SSLContext | None) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    server = SimulatorServer(
        device, host=options.host, port=options.port, tls=tls, lmk_ports=options.lmk_ports
    )
    async with server:
        _write_ready_file(options.ready_file, server)
        await ended.wait()
        log.info("simulator_stopping")
    if options.ready_file is not None:
        options.ready_file.unlink(missing_ok=True)


def _write_ready_file(path: Path | None, server: SimulatorServer) -> None:
    """Tell whoever waits for the file where the simulator is; the file appears whole."""
    if path is None:
        return
    document = {
        "host": server.host,
        "port": server.port,
        "pid": os.getpid(),
        "simulator": "payshield",
        "firmware": FIRMWARE,
        "lmks": {lmk.identifier: lmk.scheme.name.lower() for lmk in server.device.lmks},
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(document) + "\n", encoding="utf-8")
    temporary.replace(path)


def _tls(options: SimulatorOptions) -> ssl.SSLContext | None:
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

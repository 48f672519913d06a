"""The Futurex simulator as a process."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from keyferry.hsm.futurex.framing import TokenFrameParser, encode_frame
from keyferry.hsm.futurex.simulator.device import Device
from keyferry.hsm.futurex.simulator.state import fresh_state, load_state
from keyferry.hsm.host_server import HostServer, Limits
from keyferry.hsm.simulator_process import ProcessOptions, prepare, run_until_signal


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions(ProcessOptions):
    """What the command line says."""

    port: int = 9000
    mfk: bool = False
    settings: tuple[str, ...] = ()  # NAME=VALUE


def run_simulator(options: SimulatorOptions) -> int:
    """
    Run until SIGTERM or SIGINT, and return the exit code.

    Raises:
        ConfigurationError: the options cannot work; nothing has listened yet.
        HSMConnectionError: the port is taken.
    """
    tls = prepare(options)
    device = open_device(options)
    server = serve(device, host=options.host, port=options.port, tls=tls)
    keys = ["PMK", "MFK"] if device.state.mfk else ["PMK"]
    about = {"serial": device.state.serial, "major_keys": keys}
    return run_until_signal(server, options, simulator="futurex", about=about)


def open_device(options: SimulatorOptions) -> Device:
    """Switch on the device the options describe."""
    state = (
        load_state(options.state, mfk=options.mfk)
        if options.state is not None
        else fresh_state(mfk=options.mfk)
    )
    return Device(
        state, path=options.state, settings=state.settings.changed(list(options.settings))
    )


def serve(
    device: Device,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    limits: Limits | None = None,
) -> HostServer:
    """Return a server for a device; use it as a context manager, also inside another program."""
    return HostServer(
        device,
        parser=TokenFrameParser,
        encode_frame=encode_frame,
        host=host,
        port=port,
        tls=tls,
        limits=limits or Limits(),
    )

"""The Futurex simulator as a process."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from keyferry.hsm.firmware_profiles import profile_named
from keyferry.hsm.futurex.framing import CLOSE, OPEN, TokenFrameParser
from keyferry.hsm.futurex.simulator.device import Device
from keyferry.hsm.futurex.simulator.firmware import PROFILES
from keyferry.hsm.futurex.simulator.state import fresh_state, load_state
from keyferry.hsm.futurex.simulator.traffic import FuturexTraffic
from keyferry.hsm.host_server import HostServer, Limits
from keyferry.hsm.simulator_process import ProcessOptions, equip, prepare, run_until_signal


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions(ProcessOptions):
    """What the command line says."""

    port: int = 9000
    mfk: bool = False


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
    equip(server, options, FuturexTraffic(), simulator="futurex")
    firmware = device.firmware
    loaded = {"PMK": firmware.has_pmk, "MFK": bool(device.state.mfk)}
    about = {
        "firmware": firmware.name,
        "serial": device.state.serial,
        "major_keys": [name for name, is_loaded in loaded.items() if is_loaded],
    }
    return run_until_signal(server, options, simulator="futurex", about=about)


def open_device(options: SimulatorOptions) -> Device:
    """Switch on the device the options describe."""
    firmware = profile_named(PROFILES, options.firmware)
    mfk = options.mfk or not firmware.has_pmk
    state = load_state(options.state, mfk=mfk) if options.state else fresh_state(mfk=mfk)
    return Device(
        state,
        path=options.state,
        settings=state.settings.changed([*firmware.settings, *options.settings]),
        firmware=firmware,
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
        # Unlike a client's, its messages may hold anything: an answer garbled on purpose leaves.
        encode_frame=lambda message: OPEN + message + CLOSE,
        host=host,
        port=port,
        tls=tls,
        limits=limits or Limits(),
    )

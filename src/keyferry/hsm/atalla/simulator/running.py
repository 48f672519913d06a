"""The simulator as a process: host port and control socket, until a signal ends it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from keyferry.errors import ConfigurationError
from keyferry.hsm.atalla.framing import FrameParser, encode_frame
from keyferry.hsm.atalla.simulator.challenges import DualControl
from keyferry.hsm.atalla.simulator.console import Console, control_path
from keyferry.hsm.atalla.simulator.device import Device
from keyferry.hsm.atalla.simulator.firmware import PROFILES
from keyferry.hsm.atalla.simulator.state import fresh_state, load_state
from keyferry.hsm.atalla.simulator.traffic import AtallaTraffic
from keyferry.hsm.firmware_profiles import profile_named
from keyferry.hsm.host_server import HostServer, Limits
from keyferry.hsm.simulator_process import ProcessOptions, equip, prepare, run_until_signal
from keyferry.log import EventLog

log = EventLog("keyferry.hsm.atalla.simulator")

IDLE_S = 600.0  # the published samples open a connection for each command and close none


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions(ProcessOptions):
    """What the command line says."""

    port: int = 7000
    dual_control: DualControl = DualControl.CONSOLE
    control: Path | None = None
    mfk: str = ""  # random, test, or empty: test without a state file, random in a new one


class AtallaServer(HostServer):
    """A simulated device on its host port, with its console beside it."""

    def __init__(
        self,
        device: Device,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        state: Path | None = None,
        control: Path | None = None,
        with_console: bool = True,
    ) -> None:
        """
        Prepare a server; nothing listens yet.

        Args:
            device: answers.
            host, port, tls, limits: of the host port.
            state, control: decide where the control socket is.
            with_console: whether there is one at all.
        """
        line_end = b"\r\n" if device.settings.crlf else b""
        super().__init__(
            device,
            parser=FrameParser,
            encode_frame=lambda message: encode_frame(message) + line_end,
            host=host,
            port=port,
            tls=tls,
            limits=limits or Limits(idle_s=IDLE_S),
        )
        self._console = Console(device.challenges) if with_console else None
        self._state = state
        self._control = control
        self.about: dict[str, object] = {"firmware": device.firmware.name}

    async def start(self) -> None:
        """Listen on the host port and on the control socket."""
        await super().start()
        if self._console is None:
            return
        path = control_path(self._state, self._control, self.port)
        try:
            await self._console.start(path)
        except ConfigurationError:
            await super().stop()
            raise
        self.about["control"] = str(path)

    async def stop(self) -> None:
        """Stop listening."""
        if self._console is not None:
            await self._console.stop()
        await super().stop()


def run_simulator(options: SimulatorOptions) -> int:
    """
    Run until SIGTERM or SIGINT, and return the exit code.

    Raises:
        ConfigurationError: the options cannot work; nothing has listened yet.
        HSMConnectionError: the port is taken.
    """
    tls = prepare(options)
    device = open_device(options)
    server = AtallaServer(
        device,
        host=options.host,
        port=options.port,
        tls=tls,
        state=options.state,
        control=options.control,
    )
    traffic = AtallaTraffic(settings=device.settings)
    equip(server, options, traffic, simulator="atalla")
    server.about["dual_control"] = options.dual_control.value
    if options.dual_control is DualControl.AUTO:
        log.warning("dual_control_off", consequence="challenges of 12A approve themselves")
    return run_until_signal(server, options, simulator="atalla", about=server.about)


def open_device(options: SimulatorOptions) -> Device:
    """Switch on the device the options describe."""
    firmware = profile_named(PROFILES, options.firmware)
    if options.state is None:
        state = fresh_state(test_mfk=options.mfk != "random")
    else:
        state = load_state(options.state, test_mfk=options.mfk == "test")
    return Device(
        state,
        path=options.state,
        settings=state.settings.changed((*firmware.settings, *options.settings)),
        firmware=firmware,
        dual_control=options.dual_control,
    )

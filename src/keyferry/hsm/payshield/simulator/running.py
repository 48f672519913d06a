"""The simulator as a process: what its command line says, and the device it describes."""

from __future__ import annotations

from dataclasses import dataclass

from keyferry.errors import ConfigurationError
from keyferry.hsm.firmware_profiles import profile_named
from keyferry.hsm.payshield.simulator.activities import check_activity
from keyferry.hsm.payshield.simulator.device import Device
from keyferry.hsm.payshield.simulator.firmware import PROFILES
from keyferry.hsm.payshield.simulator.server import SimulatorServer
from keyferry.hsm.payshield.simulator.state import LMKRecord, State, fresh_state, load_state
from keyferry.hsm.payshield.simulator.traffic import PayShieldTraffic
from keyferry.hsm.simulator_process import ProcessOptions, equip, prepare, run_until_signal


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions(ProcessOptions):
    """What the command line says beyond what every simulator has."""

    lmk_ports: bool = False
    unauthorised: tuple[str, ...] = ()  # activities
    old_lmks: tuple[str, ...] = ()  # ID=FROM: key change storage of LMK ID holds LMK FROM


def run_simulator(options: SimulatorOptions) -> int:
    """
    Run until SIGTERM or SIGINT, and return the exit code.

    Raises:
        ConfigurationError: the options cannot work; nothing has listened yet.
        HSMConnectionError: a port is taken.
    """
    tls = prepare(options)
    device = open_device(options)
    server = SimulatorServer(
        device, host=options.host, port=options.port, tls=tls, lmk_ports=options.lmk_ports
    )
    traffic = PayShieldTraffic(
        header_length=device.settings.header_length, context=device.settings.context()
    )
    equip(server, options, traffic, simulator="payshield")
    about = {
        "firmware": device.firmware.name,
        "lmks": {lmk.identifier: lmk.scheme.name.lower() for lmk in device.lmks},
    }
    return run_until_signal(server, options, simulator="payshield", about=about)


def open_device(options: SimulatorOptions) -> Device:
    """Switch on the device the options describe."""
    state = load_state(options.state) if options.state is not None else fresh_state()
    state.old_lmks = _with_old_lmks(state, options.old_lmks)
    return Device(
        state,
        path=options.state,
        settings=state.settings.changed(list(options.settings)),
        firmware=profile_named(PROFILES, options.firmware),
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

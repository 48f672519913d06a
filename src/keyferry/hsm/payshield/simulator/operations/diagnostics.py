"""NC, NO, NI, N0, B2, J2, J4, J8, JK: what the device says of itself."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Final

from keyferry.hsm.payshield.simulator.call import Call, Result, handles

_BUFFER_32_KB: Final = "3"
_TCP: Final = "1"
_SOCKETS: Final = 256
_RUNNING: Final = "1"
_NOT_RUNNING: Final = "2"
_NOT_CONFIGURED: Final = "3"
_SEPARATED: Final = "2"  # some settings are not compliant, type 002 separation is
_NOT_COMPLIANT: Final = "0"


def _date_time(moment: datetime) -> tuple[str, str]:
    return moment.strftime("%y%m%d"), moment.strftime("%H%M%S")


@handles("NC")
def diagnose(call: Call) -> Result:
    """Return the check value of the LMK and the firmware."""
    return {
        "lmk_check": call.lmk.check_value.ljust(16, "0"),
        "firmware": call.device.firmware.field,
    }


@handles("NO")
def report_status(call: Call) -> Result:
    """Return buffer, network, sockets and firmware, or how far PCI settings are met."""
    if call.values.text("status_mode") == "01":
        separated = call.settings.separate_type_002
        return {"pci_flag": _SEPARATED if separated else _NOT_COMPLIANT}
    firmware = call.device.firmware
    sockets = min(_SOCKETS, 10**firmware.socket_digits - 1)
    return {
        "io_buffer": _BUFFER_32_KB,
        "ethernet": _TCP,
        "sockets_and_firmware": f"{sockets:0{firmware.socket_digits}d}{firmware.field}00000",
    }


@handles("NI")
def report_network(call: Call) -> Result:
    """Return the connections and the traffic counted so far."""
    network = call.device.network
    records = [
        {
            "protocol": "0",
            "local_port": f"{connection.local_port:04X}",
            "address": connection.address_hex,
            "remote_port": f"{connection.remote_port:04X}",
            "status": "0",
            "duration": f"{int(network.clock() - connection.opened) % 10**8:08d}",
        }
        for connection in network
    ]
    counters = (
        network.messages_sent,
        network.messages_received,
        0,
        0,
        0,
        0,
        0,
        network.errors_received,
        0,
    )
    return {
        "records": tuple(records),
        "bytes_sent": f"{network.bytes_sent:016X}",
        "bytes_received": f"{network.bytes_received:016X}",
        "counters": tuple({"count": f"{count & 0xFFFFFFFF:08X}"} for count in counters),
    }


@handles("N0")
def generate_random(call: Call) -> Result:
    """Return random bytes."""
    return {"random": os.urandom(call.values.number("random_bytes"))}


@handles("B2")
def echo(call: Call) -> Result:
    """Return the data of the request."""
    return {"echoed": call.values.maybe("data", bytes) or b""}


def _period(call: Call) -> dict[str, object]:
    now = call.device.now()
    start, current = _date_time(call.device.started), _date_time(now)
    return {
        "serial": call.device.state.serial,
        "start_date": start[0],
        "start_time": start[1],
        # Statistics are never frozen here: the period ends now.
        "end_date": current[0],
        "end_time": current[1],
        "current_date": current[0],
        "current_time": current[1],
    }


@handles("J2")
def report_loading(call: Call) -> Result:
    """Return how many seconds the device was how busy."""
    loads = tuple(
        {"from_percent": f"{low:03d}", "to_percent": f"{high:03d}", "count": count, "end": ";"}
        for low, high, count in call.device.workload.bands()
    )
    return {**_period(call), "seconds": f"{call.device.workload.seconds:010d}", "loads": loads}


@handles("J4")
def report_volumes(call: Call) -> Result:
    """Return how often each command was called."""
    volumes = tuple(
        {"command": command, "count": count}
        for command, count in sorted(call.device.volumes.items())
    )
    return {
        **_period(call),
        "seconds": f"{call.device.workload.seconds:010d}",
        "volumes": volumes,
    }


@handles("J8")
def report_health(call: Call) -> Result:
    """Return how often the device was started, and that nobody attacked it."""
    return {
        **_period(call),
        "reboots": call.device.state.restarts,
        "tampers": 0,
        "pin_failures_minute": 0,
        "pin_failures_hour": 0,
        "pin_attacks": 0,
    }


@handles("JK")
def report_instantaneous(call: Call) -> Result:
    """Return the state of the ports and of every LMK; the simulator's are all test LMKs."""
    device = call.device
    date, time = _date_time(device.now())
    authorised = device.activity_count
    lmks = tuple(
        {
            "id": lmk.identifier,
            "authorised": "1" if authorised else "0",
            "activities": min(authorised, 99),
            "scheme": lmk.scheme.value,
            "algorithm": lmk.algorithm,
            "status": "T",
            "comment": device.lmks.comments[lmk.identifier],
        }
        for lmk in device.lmks
    )
    return {
        "serial": device.state.serial,
        "date": date,
        "time": time,
        "console": _NOT_RUNNING,
        "manager": _NOT_RUNNING,
        "host_1": _RUNNING,
        "host_2": _NOT_CONFIGURED,
        "reserved_1": "0",
        "reserved_2": "0",
        "tamper": "1",
        "lmks": lmks,
        "test_lmks": len(lmks),
        "old_lmks": device.lmks.old_count,
        "fraud": "0",
        "pin_attack": "0",
    }

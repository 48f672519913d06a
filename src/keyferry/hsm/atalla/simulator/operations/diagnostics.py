"""00, 1101, 9A, 93."""

from __future__ import annotations

import secrets
from typing import Final

from keyferry.crypto.check_values import tdes_kcv
from keyferry.hsm.atalla.simulator.call import HANDLERS, MFK_NAME, VALUE, Call, Result, handles
from keyferry.hsm.atalla.simulator.outcome import CommandRefusedError

MOST_RANDOM_DIGITS: Final = 2000


@handles("00")
def echo(call: Call) -> Result:
    """Send text back."""
    return {"status": f"0000{call.device.settings.software}", "echoed": call.values.text("text")}


@handles("1101")
def version(call: Call) -> Result:
    """Say which software this is, as the one published answer does."""
    number = call.device.settings.software
    release = call.device.firmware.release or f"{number[0]}.{number[1]}3"
    return {
        "software": f"Atalla HSM AT1000-AKB Version: {release}",
        "crc": "B19C",
        "product": "3",
    }


@handles("93")
def random_number(call: Call) -> Result:
    """Return random hexadecimal digits."""
    count = int(call.values.text("count"))
    if not 0 < count <= MOST_RANDOM_DIGITS:
        raise CommandRefusedError(VALUE, "count")
    return {"random": secrets.token_hex((count + 1) // 2).upper()[:count]}


@handles("9A")
def configuration(call: Call) -> Result:
    """Report on keys, options and counters. Only KEY and CONFIG-ON have a published answer."""
    device, what = call.device, call.values.text("what")
    serial, settings = device.state.serial, device.settings
    known = HANDLERS.keys() & device.firmware.commands
    enabled = sorted(known - settings.disabled_commands)
    disabled = sorted(known & settings.disabled_commands)
    options_on = [f'(E0)="{settings.e0}"', f'(E1)="{settings.e1}"']
    options_off: list[str] = []
    (options_on if settings.e2 else options_off).append("(E2)")
    (options_on if settings.option_21 else options_off).append("(21)")
    answers = {
        "ID": (serial, "ID", "AT1000", settings.software),
        "KEY": _keys(call),
        "CONFIG-ON": (serial, what, ",".join((*enabled, *options_on))),
        "CONFIG-OFF": (serial, what, ",".join((*disabled, *options_off))),
        "CONFIG-ALL": (serial, what, ",".join((*enabled, *disabled, *options_on, *options_off))),
        "COUNT": (serial, what, str(device.volumes.total())),
        "DIAGTEST": (serial, what, "OK"),
    }
    return {"items": answers[what]}


def _keys(call: Call) -> tuple[str, ...]:
    mfk = bytes.fromhex(call.device.state.mfk)
    length = "T" if len(mfk) == 24 else "D"
    digits = tdes_kcv(mfk, size=2).hex().upper()
    # Name, check digits and length of the MFK, of the pending MFK, of a third key nobody names.
    return ("9999", MFK_NAME, digits, length, "", "", "", "", "", "", "", "", "")

"""Double-length keys that travel as two single-length halves, or in one key block."""

from __future__ import annotations

from keyferry.hsm.futurex.refusals import INVALID, MISSING
from keyferry.hsm.futurex.simulator.call import Call
from keyferry.hsm.futurex.simulator.device_key import DeviceKey
from keyferry.hsm.futurex.simulator.outcome import CommandRefusedError

HALF_BYTES = 8


def open_halves(
    call: Call, left: tuple[str, str], right: tuple[str, str], *, modifier: int
) -> DeviceKey:
    """
    Open a card or PIN verification key.

    Args:
        call: the command in progress.
        left, right: name and tag of the two tokens. The right one may be missing when the left
            holds the whole key, as a key block does (our reading: no public client sends one).
        modifier: under which cryptograms are.
    """
    first = call.open(*left, modifier=modifier)
    name, tag = right
    if call.values.get(name) is None:
        if len(first.material) == HALF_BYTES:
            raise CommandRefusedError(MISSING, tag)
        return first
    second = call.open(name, tag, modifier=modifier)
    if len(first.material) != HALF_BYTES or first.header is not None:
        raise CommandRefusedError(INVALID, left[1])
    if len(second.material) != HALF_BYTES or second.header is not None:
        raise CommandRefusedError(INVALID, tag)
    return DeviceKey(tag=left[1], material=first.material + second.material)

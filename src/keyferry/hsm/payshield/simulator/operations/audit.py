"""Q2 and Q6: hand out audit records, and delete them."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.payshield.simulator.call import Call, Result, handles
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError

NO_RECORD: Final = "35"
ALL_RETRIEVED: Final = "36"
_RETRIEVED: Final = "0"  # of Q6; 1 deletes all (inferred)


@handles("Q2")
def retrieve_record(call: Call) -> Result:
    """Return the oldest record that was not retrieved yet."""
    log = call.device.audit
    if not len(log):
        raise CommandRefusedError(NO_RECORD)
    record = log.retrieve()
    if record is None:
        raise CommandRefusedError(ALL_RETRIEVED)
    return {"record": record.hex().upper()}


@handles("Q6")
def delete_records(call: Call) -> Result:
    """Delete the retrieved records, or all."""
    log = call.device.audit
    if not len(log):
        raise CommandRefusedError(NO_RECORD)
    count = log.retrieved if call.values.text("which") == _RETRIEVED else len(log)
    if not count:
        raise CommandRefusedError(ALL_RETRIEVED)
    log.delete(count)
    return {"deleted": count}

"""11A: a key leaves in a TR-31 block under a key block protection key."""

from __future__ import annotations

from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import (
    KBPK,
    Algorithm,
    BlockVersion,
    Exportability,
    KeyBlockHeader,
)
from keyferry.errors import MalformedKeyBlockError
from keyferry.hsm.atalla.simulator.call import KEY_LENGTH, USAGE, VALUE, Call, Result, handles
from keyferry.hsm.atalla.simulator.operations.keys import EVERY_MODE, EVERY_USAGE
from keyferry.hsm.atalla.simulator.outcome import CommandRefusedError
from keyferry.hsm.atalla.usages import tr31_mode, tr31_usages


@handles("11A")
def export_tr31(call: Call) -> Result:
    """Wrap a working key; block version B, length hidden as in the published example."""
    kek = call.long_key("kek", "k", modes="NE")
    key = call.key("key", EVERY_USAGE, modes=EVERY_MODE)
    call.check_may_leave(key, "key")
    usage, mode = _usage(call, tr31_usages(key.header)), tr31_mode(key.header)
    if mode is None:
        raise CommandRefusedError(USAGE, "key")
    if int(call.values.text("optional_block_count")) or call.values.get("optional_blocks"):
        raise CommandRefusedError(VALUE, "optional_block_count")
    # Everything that leaves under a TR-31 wrapping key needs the option (inferred).
    call.check_e2()
    if len(kek.material) < len(key.material):
        raise CommandRefusedError(KEY_LENGTH, "kek")
    try:
        header = KeyBlockHeader(
            version=BlockVersion.B,
            usage=usage,
            algorithm=Algorithm.DES if len(key.material) == 8 else Algorithm.TDES,
            mode=mode,
            key_version=call.values.text("key_version"),
            exportability=Exportability(key.header.exportability),
        )
    except MalformedKeyBlockError as error:
        raise CommandRefusedError(VALUE, "key_version") from error
    return {
        "tr31_block": KBPK(Cipher.TDES, kek.material).wrap(header, key.material),
        "check_digits": call.check_digits(key.material),
    }


def _usage(call: Call, possible: tuple[str, ...]) -> str:
    """Return the usage of the block: what the header says, or for a MAC key what is asked."""
    # Which field carries it is not certain, so both places are looked at.
    asked = call.values.maybe("usage", str) or call.values.maybe("mode", str)
    if not possible:
        raise CommandRefusedError(USAGE, "key")
    if len(possible) == 1 and asked is None:
        return possible[0]
    if len(possible) == 1 or asked not in possible:
        raise CommandRefusedError(VALUE, "usage")
    return asked

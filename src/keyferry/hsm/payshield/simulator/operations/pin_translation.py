"""CA, CC, CI and G0: PIN blocks from key to key, the PIN never outside."""

from __future__ import annotations

from typing import Final

from keyferry.crypto.ciphers import CipherKey
from keyferry.crypto.dukpt import TDESPurpose
from keyferry.hsm.payshield.commands.pin_fields import BDK_FLAGS
from keyferry.hsm.payshield.simulator.call import SECOND_KEY, Call, Result, handles
from keyferry.hsm.payshield.simulator.dukpt_keys import transaction_key
from keyferry.hsm.payshield.simulator.key_roles import (
    ENCRYPT,
    ZPK,
    KeyRole,
    bdk,
    cipher_key,
    pin_key_role,
    ready,
)
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError
from keyferry.hsm.payshield.simulator.pin_blocks import (
    BAD_ACCOUNT,
    PIN_LENGTH,
    check_format,
    pan_of,
    read_block,
    write_block,
)

_IMPLIED: Final = "01"  # the source format of CI
_DESTINATION: Final = ZPK.for_(ENCRYPT)
_BDK: Final = bdk("009")
_NO_ACCOUNT: Final = "05"


@handles("CC")
def between_zones(call: Call) -> Result:
    """Translate from ZPK to ZPK."""
    source = ready(call, "source", ZPK, cipher_key, CipherKey)
    destination = ready(
        call, "destination", _DESTINATION, cipher_key, CipherKey, parity_code=SECOND_KEY
    )
    return _translate(call, source, destination)


@handles("CA")
def from_terminal(call: Call) -> Result:
    """Translate from TPK to ZPK, or to a transaction key of a BDK."""
    role = pin_key_role(call, terminal=True)
    source = ready(call, "source", role, cipher_key, CipherKey)
    return _translate(call, source, _destination(call))


@handles("CI")
def from_transaction(call: Call) -> Result:
    """Translate from a transaction key to ZPK; the source has format 01."""
    return _translate(call, _transaction(call, _BDK), _destination(call), source_format=_IMPLIED)


@handles("G0")
def from_transaction_to_any(call: Call) -> Result:
    """Translate from a transaction key to another one, or to ZPK."""
    flag = call.values.maybe("bdk_flag", str)
    role = _BDK if flag is None else bdk(BDK_FLAGS[flag])
    return _translate(call, _transaction(call, role), _destination(call))


def _transaction(call: Call, role: KeyRole) -> CipherKey:
    return transaction_key(call, "bdk", role, TDESPurpose.PIN)


def _destination(call: Call) -> CipherKey:
    flag = call.values.maybe("destination_flag", str)
    if flag is None:
        return ready(
            call, "destination", _DESTINATION, cipher_key, CipherKey, parity_code=SECOND_KEY
        )
    return transaction_key(
        call,
        "destination",
        bdk(BDK_FLAGS[flag]),
        TDESPurpose.PIN,
        ksn="destination_ksn",
        descriptor="destination_descriptor",
        parity_code=SECOND_KEY,
    )


def _translate(
    call: Call, source: CipherKey, destination: CipherKey, *, source_format: str | None = None
) -> Result:
    values = call.values
    incoming = source_format or values.text("source_format")
    outgoing = values.text("destination_format")
    pan = pan_of(values)
    check_format(destination, outgoing)
    pin = read_block(source, incoming, values.text("block"), pan)
    most = values.get("max_pin_length", 12)
    if not isinstance(most, int) or len(pin) > most:
        raise CommandRefusedError(PIN_LENGTH)
    new_pan = values.maybe("destination_pan", str)
    # A block with an account may become one for another account only out of a block without.
    if new_pan not in (None, pan) and incoming != _NO_ACCOUNT:
        raise CommandRefusedError(BAD_ACCOUNT)
    block = write_block(destination, outgoing, pin, new_pan or pan)
    return {"pin_length": len(pin), "new_block": block, "new_format": outgoing}

"""CK CM GO GQ: PINs verified out of DUKPT, with the MAC of the message beside them."""

from __future__ import annotations

from typing import Final

from keyferry.crypto.ciphers import CipherKey
from keyferry.crypto.dukpt import TDESPurpose
from keyferry.hsm.payshield.simulator.call import Call, Result, handles
from keyferry.hsm.payshield.simulator.dukpt_keys import transaction_key
from keyferry.hsm.payshield.simulator.key_roles import bdk
from keyferry.hsm.payshield.simulator.operations.macs import dukpt_mac, same_mac
from keyferry.hsm.payshield.simulator.operations.pin_verification import (
    MISMATCH,
    ibm,
    verify_offset,
    verify_pvv,
    visa_pvk,
)
from keyferry.hsm.payshield.simulator.outcome import Answer
from keyferry.hsm.payshield.simulator.pin_blocks import pan_of, read_block

_BDK: Final = bdk("009")
_IMPLIED: Final = "01"  # the format of CK and CM
_WITH_MAC: Final = "1"


def _pin(call: Call) -> str:
    key: CipherKey = transaction_key(call, "bdk", _BDK, TDESPurpose.PIN)
    values = call.values
    pin_format = values.maybe("format", str) or _IMPLIED
    return read_block(key, pin_format, values.text("block"), pan_of(values))


@handles("CK", "GO")
def verify_by_offset(call: Call) -> Result:
    """Verify a PIN by IBM offset."""
    pin = _pin(call)
    verification = ibm(call)
    verify_offset(call, pin, verification)
    # Only GO warns of a PVK that is not single length.
    return Answer(_mac_result(call), verification.code if call.command.warnings else "00")


@handles("CM", "GQ")
def verify_by_pvv(call: Call) -> Result:
    """Verify a PIN by PVV."""
    pin = _pin(call)
    verify_pvv(call, pin, visa_pvk(call))
    return _mac_result(call)


def _mac_result(call: Call) -> dict[str, object]:
    """Return whether the MAC beside the PIN verifies, where there is one."""
    values = call.values
    if values.maybe("mode", str) != _WITH_MAC:
        return {}
    mac = dukpt_mac(call, _BDK, values.raw("message"))
    mode, shown = values.text("mac_mode"), values.text("mac")
    expected = mac[4:] if mode == "3" else mac
    return {"mac_result": "00" if same_mac(expected, shown) else MISMATCH}

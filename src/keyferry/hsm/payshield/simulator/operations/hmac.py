"""LQ and LS: HMACs under keys of the LMK."""

from __future__ import annotations

from hmac import compare_digest
from typing import Final

from keyferry.crypto.mac import HMACKey
from keyferry.hsm.payshield.commands.hmac import HASHES
from keyferry.hsm.payshield.simulator.call import SCHEMES_DIFFER, Call, Result, handles
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError

MISMATCH: Final = "01"
WRONG_LENGTH: Final = "80"
HASH: Final = "79"
_KEY_BLOCK: Final = "04"
_BY_USAGE: Final = {"62": "SHA224", "63": "SHA256", "64": "SHA384", "65": "SHA512"}


@handles("LQ")
def generate_hmac(call: Call) -> Result:
    """Return the leftmost bytes of an HMAC."""
    return {"new_mac": _hmac(call, "CGN")}


@handles("LS")
def verify_hmac(call: Call) -> Result:
    """Answer 01 unless an HMAC is right."""
    if not compare_digest(_hmac(call, "CVN"), call.values.raw("mac")):
        raise CommandRefusedError(MISMATCH)
    return {}


def _hmac(call: Call, modes: str) -> bytes:
    values = call.values
    if (values.text("key_format") == _KEY_BLOCK) is call.is_variant:
        raise CommandRefusedError(SCHEMES_DIFFER)
    if call.is_variant:
        material, usage = call.variant_lmk.open_hmac(call.key("key")), ""
    else:
        material, usage = call.key_block_lmk.open_hmac(call.key("key"), modes)
    name = HASHES.get(values.text("hash")) or _BY_USAGE.get(usage)
    if name is None:
        raise CommandRefusedError(HASH)
    mac = HMACKey(material, name).mac(values.raw("message"))
    size = values.number("mac_bytes")
    if size > len(mac):
        raise CommandRefusedError(WRONG_LENGTH)
    return mac[:size]

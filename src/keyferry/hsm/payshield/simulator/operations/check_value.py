"""BU and KA: key check values."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.payshield.key_types import KEY_BLOCK_TYPE, KEY_TYPES, PAIR_CODES
from keyferry.hsm.payshield.simulator.call import SCHEMES_DIFFER, Call, Result, handles
from keyferry.hsm.payshield.simulator.device_key import DeviceKey
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError

TYPED: Final = "FF"  # the three-digit type follows
WHOLE: Final = "0"
INVALID_TYPE_CODE: Final = "04"
INVALID_LENGTH_FLAG: Final = "05"
_FLAGS: Final = {8: "0", 16: "1", 24: "23"}  # one public page gives 2 for triple length, one 3


def check_text(call: Call, key: DeviceKey, *, legacy: bool = False) -> str:
    """Return the check value in the length the request and the device's settings give."""
    kcv_type = call.values.get("kcv_type", WHOLE)
    whole = kcv_type == WHOLE and call.is_variant
    if whole and not call.settings.restrict_check_values:
        if not legacy:
            call.authorise("generate", key.activity_key)
        return key.check_text(characters=16)
    return key.check_text()


@handles("BU")
def generate_check_value(call: Call) -> Result:
    """Return the check value of a key."""
    code, flag = call.values.text("type_code"), call.values.text("length_flag")
    if not call.is_variant:
        if code != TYPED:
            raise CommandRefusedError(INVALID_TYPE_CODE)
        if flag != "F":
            raise CommandRefusedError(INVALID_LENGTH_FLAG)
        if call.values.get("key_type", KEY_BLOCK_TYPE) != KEY_BLOCK_TYPE:
            raise CommandRefusedError(SCHEMES_DIFFER)
        return {"kcv": call.open("key", KEY_BLOCK_TYPE).check_text()}
    key = call.open("key", plain_key_type(call, code))
    if flag not in _FLAGS[len(key.material)]:
        raise CommandRefusedError(INVALID_LENGTH_FLAG)
    return {"kcv": check_text(call, key)}


def plain_key_type(call: Call, code: str) -> str:
    """Return the key type a two-digit code means, or the one that follows after `;`."""
    if code != TYPED:
        if code not in PAIR_CODES:
            raise CommandRefusedError(INVALID_TYPE_CODE)
        # A code names a pair; a pair without a plain type has the variants' keys only.
        return f"0{code}" if f"0{code}" in KEY_TYPES else _only_type(code)
    key_type = call.values.maybe("key_type", str)
    if key_type is None or key_type not in KEY_TYPES:
        raise CommandRefusedError("28")
    return key_type


def _only_type(code: str) -> str:
    return next(key_type for key_type in KEY_TYPES if key_type[1:] == code)


@handles("KA")
def generate_check_value_legacy(call: Call) -> Result:
    """Return the check value of a key of the four oldest types."""
    if call.settings.separate_type_002:
        raise CommandRefusedError("68")
    lmk = call.variant_lmk
    field = call.device.dereference(call.key("key"))
    key = lmk.open(field, f"0{call.values.text('type_code')}", parity_code="10")
    return {"kcv": check_text(call, key, legacy=True)}

"""BW: from the old LMK to the new one. B0: to another key scheme. BS: forget the old LMK."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from keyferry.hsm.payshield.key_types import KEY_BLOCK_TYPE
from keyferry.hsm.payshield.lmk import LMKScheme
from keyferry.hsm.payshield.simulator.call import FIRST_KEY, SYNTAX, Call, Result, handles
from keyferry.hsm.payshield.simulator.device_key import DeviceKey
from keyferry.hsm.payshield.simulator.lmk import BAD_SCHEME
from keyferry.hsm.payshield.simulator.operations.check_value import plain_key_type
from keyferry.hsm.payshield.simulator.operations.headers import check_usage, header_blocks
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError

UNSEPARATED: Final = "F2"  # type 002 as it was before PCI separation
_DEFAULT_TAG: Final = {8: "Z", 16: "U", 24: "T"}


@handles("BW")
def translate_key(call: Call) -> Result:
    """Open under the old LMK, seal under the new one; a variant key may become a key block."""
    old = call.device.lmks.old(call.lmk.identifier)
    code = call.values.text("type_code")
    if old.scheme is LMKScheme.KEY_BLOCK:
        if call.is_variant:
            raise CommandRefusedError("A1")
        key_type = KEY_BLOCK_TYPE
    else:
        key_type = "002" if code == UNSEPARATED else plain_key_type(call, code)
    field = call.device.dereference(call.key("key"))
    key = old.open(field, key_type, parity_code=FIRST_KEY)
    expected = {8: "0", 16: "1", 24: "23"}[len(key.material)] if not field.is_block else "F"
    if call.values.text("length_flag") not in expected:
        raise CommandRefusedError("05")
    if not call.is_variant:
        key = _as_block(call, key)
    tag = call.values.maybe("lmk_scheme", str)
    sealed = call.seal(key, tag or ("S" if not call.is_variant else _tag_of(key)))
    values: dict[str, object] = {"new_key": sealed}
    if call.values.get("kcv_flag") == "1":
        values["kcv"] = key.check_text()
    return values


def _tag_of(key: DeviceKey) -> str:
    return _DEFAULT_TAG[len(key.material)]


def _as_block(call: Call, key: DeviceKey) -> DeviceKey:
    usage = call.values.maybe("header_usage", str)
    if usage is None:
        if key.key_type != KEY_BLOCK_TYPE:
            raise CommandRefusedError(SYNTAX)  # a variant key has nothing to say of itself
        return key
    mode = call.values.text("header_mode")
    check_usage(usage, mode)
    return replace(
        key,
        key_type=KEY_BLOCK_TYPE,
        usage=usage,
        mode=mode,
        key_version=call.values.text("header_version"),
        exportability=call.values.text("header_exportability"),
        optional_blocks=header_blocks(call.values),
    )


@handles("B0")
def translate_scheme(call: Call) -> Result:
    """Write the same key in another scheme of the same length."""
    lmk = call.variant_lmk
    key_type, tag = call.key_type(), call.values.text("lmk_scheme")
    if tag not in ("U", "X", "T", "Y", "Z"):
        raise CommandRefusedError(BAD_SCHEME)
    key = call.open("key", key_type)
    return {"new_key": lmk.seal(key, tag)}


@handles("BS")
def erase_old_lmk(call: Call) -> Result:
    """Erase key change storage of the LMK in force; erasing nothing is no error."""
    kept = [record for record in call.device.state.old_lmks if record.id != call.lmk.identifier]
    call.device.remember(old_lmks=kept)
    call.device.lmks.erase_old(call.lmk.identifier)
    return {}

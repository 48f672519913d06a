"""A6: import a key. A8: export one."""

from __future__ import annotations

from dataclasses import replace

from keyferry.hsm.payshield.key_field import WireKey
from keyferry.hsm.payshield.simulator.call import SECOND_KEY, SYNTAX, Call, Result, handles
from keyferry.hsm.payshield.simulator.device_key import DeviceKey
from keyferry.hsm.payshield.simulator.operations.headers import (
    check_usage,
    header_blocks,
    require_header,
)
from keyferry.hsm.payshield.simulator.operations.wrapping import (
    export_key,
    import_key,
    open_wrapping_key,
)
from keyferry.hsm.payshield.simulator.outcome import Answer, CommandRefusedError

PARITY_ADJUSTED = "01"


@handles("A6")
def import_(call: Call) -> Result:
    """Import a key from under a ZMK."""
    key_type = call.key_type()
    field = call.key("wrapped_key")
    if call.is_variant:
        if call.values.get("header_count") is not None:
            raise CommandRefusedError(SYNTAX)
        call.authorise("import", key_type.lower())
    elif not field.is_block:
        require_header(call)
    scheme = call.values.text("lmk_scheme")
    zmk = open_wrapping_key(call, wraps=False, scheme=field.scheme)
    key, adjusted = import_key(call, zmk, field, key_type)
    if not call.is_variant:
        key = _with_header(call, key, field)
    sealed = call.seal(key, scheme)
    return Answer(
        {"new_key": sealed, "kcv": key.check_text()}, PARITY_ADJUSTED if adjusted else "00"
    )


def _with_header(call: Call, key: DeviceKey, field: WireKey) -> DeviceKey:
    """Return the key with the header the request gives it; a TR-31 block may get a new usage."""
    usage = call.values.maybe("header_usage", str)
    if field.scheme == "S":
        if usage is not None:
            raise CommandRefusedError(SYNTAX)
        return key
    if field.scheme == "R":
        blocks = header_blocks(call.values)
        if any(block.id in ("KS", "KV", "PB") for block in blocks):
            raise CommandRefusedError("AC")
        known = {block.id for block in key.optional_blocks}
        if known & {block.id for block in blocks}:
            raise CommandRefusedError("BC")
        changed = replace(
            key, usage=usage or key.usage, optional_blocks=(*key.optional_blocks, *blocks)
        )
        check_usage(changed.usage, changed.mode)
        return changed
    check_usage(call.values.text("header_usage"), call.values.text("header_mode"))
    if call.values.text("header_exportability") == "E":
        raise CommandRefusedError("AA")
    return replace(
        key,
        usage=call.values.text("header_usage"),
        mode=call.values.text("header_mode"),
        key_version=call.values.text("header_version"),
        exportability=call.values.text("header_exportability"),
        optional_blocks=header_blocks(call.values),
    )


@handles("A8")
def export(call: Call) -> Result:
    """Export a key under a ZMK or TMK."""
    key_type = call.key_type()
    scheme = call.values.text("zmk_scheme")
    # The usage stands in the block's clear header, so authorisation comes before any key opens.
    call.authorise("export", key_type.lower() if call.is_variant else call.key("key").usage)
    zmk = open_wrapping_key(call, wraps=True, scheme=scheme)
    key = call.open("key", key_type, parity_code=SECOND_KEY)
    if call.values.get("changed_exportability") is not None and call.is_variant:
        raise CommandRefusedError(SYNTAX)
    return {"exported_key": export_key(call, zmk, key, scheme), "kcv": key.check_text()}

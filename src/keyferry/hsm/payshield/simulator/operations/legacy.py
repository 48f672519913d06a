"""The key commands of older firmware, under a variant LMK: what A0, A6 and A8 do, key by key."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Final

from keyferry.crypto.components import odd_parity
from keyferry.hsm.payshield.commands.legacy import (
    EXPORTS,
    GENERATES,
    GENERATES_ALONE,
    IMPORTS,
    LegacyKey,
)
from keyferry.hsm.payshield.key_field import WireKey
from keyferry.hsm.payshield.key_types import KEY_TYPES
from keyferry.hsm.payshield.simulator.call import FIRST_KEY, SECOND_KEY, Call, Result, handles
from keyferry.hsm.payshield.simulator.device_key import DeviceKey, tdes_algorithm
from keyferry.hsm.payshield.simulator.lmk import BAD_SCHEME
from keyferry.hsm.payshield.simulator.operations.check_value import check_text
from keyferry.hsm.payshield.simulator.operations.generate import formed
from keyferry.hsm.payshield.simulator.operations.wrapping import export_key, import_key
from keyferry.hsm.payshield.simulator.outcome import Answer, CommandRefusedError

_SIZES: Final = {"Z": 8, "U": 16, "X": 16, "T": 24, "Y": 24}
_ZMK_TRANSLATE: Final = ("BY",)
_PLAIN: Final = {8: "Z", 16: "X", 24: "Y"}  # bare keys are encrypted without scheme variants
_OWN_LENGTH: Final = "0"  # the tag of a position a command does not use


def _key_type(call: Call, legacy: LegacyKey) -> str:
    code = legacy.type_of(call.values.maybe("key_flag", str))
    if call.settings.separate_type_002 and code == "002":
        raise CommandRefusedError("68")
    return code


def _bare(key: WireKey) -> WireKey:
    """Return a key without its scheme letter, as answers without the `;` group have it."""
    return WireKey("", key.body, key.under)


def _seal(call: Call, key: DeviceKey) -> WireKey:
    """Wrap under the LMK in the scheme asked for, else in the key's own length without letter."""
    tag = call.values.maybe("lmk_tag", str)
    if tag is None or tag == _OWN_LENGTH:
        return _bare(call.seal(key, _PLAIN[len(key.material)]))
    return call.seal(key, tag)


def _export(call: Call, zmk: DeviceKey, key: DeviceKey) -> WireKey:
    tag = call.values.maybe("zmk_tag", str)
    if tag is None or tag == _OWN_LENGTH:
        return _bare(export_key(call, zmk, key, _PLAIN[len(key.material)]))
    if tag not in _SIZES:
        raise CommandRefusedError(BAD_SCHEME)
    return export_key(call, zmk, key, tag)


def _random_key(code: str, size: int) -> DeviceKey:
    known = KEY_TYPES[code]
    return DeviceKey(
        material=odd_parity(os.urandom(size)),
        algorithm=tdes_algorithm(size),
        usage=known.usages[0],
        mode=known.mode,
        key_type=code,
    )


def _size(call: Call, tag_name: str, default: int) -> int:
    return _SIZES.get(call.values.maybe(tag_name, str) or "", default)


@handles(*IMPORTS)
def import_key_of_kind(call: Call) -> Result:
    """FA, BY, FC, FK, DW, AW: a key from under a ZMK."""
    call.require_variant()
    code = _key_type(call, IMPORTS[call.command.code])
    if call.command.code in _ZMK_TRANSLATE and not call.settings.zmk_translate:
        raise CommandRefusedError("68")
    call.authorise("import", code.lower())
    zmk = call.open("zmk", "000")
    key, adjusted = import_key(call, zmk, call.key("wrapped_key"), code)
    known = KEY_TYPES[code]
    key = replace(key, usage=known.usages[0], mode=known.mode, key_type=code)
    values = {"new_key": _seal(call, key), "kcv": check_text(call, key, legacy=True)}
    return Answer(values, "01" if adjusted else "00")


@handles(*EXPORTS)
def export_key_of_kind(call: Call) -> Result:
    """GC, FE, FM, DY, AU: a key to under a ZMK."""
    call.require_variant()
    code = _key_type(call, EXPORTS[call.command.code])
    call.authorise("export", code.lower())
    zmk = call.open("zmk", "000")
    key = call.open("key", code, parity_code=SECOND_KEY)
    return {
        "exported_key": _export(call, zmk, key),
        "kcv": check_text(call, key, legacy=True),
    }


@handles(*GENERATES)
def generate_under_zmk(call: Call) -> Result:
    """IA, FI: a new key under a ZMK and under the LMK; single length unless a scheme says more."""
    call.require_variant()
    code = _key_type(call, GENERATES[call.command.code])
    call.authorise("generate", code.lower())
    zmk = call.open("zmk", "000")
    key = _random_key(code, _size(call, "lmk_tag", 8))
    return {
        "exported_key": _export(call, zmk, key),
        "new_key": _seal(call, key),
        "kcv": check_text(call, key, legacy=True),
    }


@handles("HC")
def generate_terminal_key(call: Call) -> Result:
    """A new TMK, TPK or PVK under the terminal's current TMK and under the LMK."""
    call.require_variant()
    code = "80D" if call.settings.separate_type_002 else "002"
    call.authorise("generate", code.lower())
    current = call.open("current_key", code, parity_code=FIRST_KEY)
    key = _random_key(code, _size(call, "lmk_tag", len(current.material)))
    return {"exported_key": _export(call, current, key), "new_key": _seal(call, key)}


@handles(*GENERATES_ALONE)
def generate_for_lmk(call: Call) -> Result:
    """AS, BI: a new double-length key under the LMK only."""
    call.require_variant()
    code = _key_type(call, GENERATES_ALONE[call.command.code])
    call.authorise("generate", code.lower())
    key = _random_key(code, _size(call, "lmk_tag", 16))
    return {"new_key": _seal(call, key), "kcv": check_text(call, key, legacy=True)}


@handles("GG", "GY")
def form_zmk(call: Call) -> Result:
    """Form a ZMK from components encrypted as ZMKs."""
    lmk = call.variant_lmk
    call.authorise("component", "000")
    parts = [
        lmk.open(
            call.device.dereference(row.typed("component", WireKey)), "000", parity_code=FIRST_KEY
        )
        for row in call.values.rows("components")
    ]
    tag = call.values.maybe("lmk_tag", str) or _OWN_LENGTH
    scheme = _PLAIN[len(parts[0].material)] if tag == _OWN_LENGTH else tag
    values = formed(call, parts, scheme)
    new_key = values["new_key"]
    if tag == _OWN_LENGTH and isinstance(new_key, WireKey):
        values["new_key"] = _bare(new_key)
    return values

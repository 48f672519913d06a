"""A0: generate or derive a key, and export it in the same breath. A4: form one from components."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Final

from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.components import combine, odd_parity
from keyferry.crypto.dukpt import aes_initial_key, tdes_initial_key
from keyferry.errors import KeySizeError
from keyferry.hsm.payshield.key_field import WireKey
from keyferry.hsm.payshield.key_types import BDK_TYPE_CODES, BDK_USAGES, KEY_TYPES
from keyferry.hsm.payshield.simulator.call import FIRST_KEY, SYNTAX, Call, Result, handles
from keyferry.hsm.payshield.simulator.device_key import (
    ALGORITHM_BYTES,
    DeviceKey,
    algorithm_of,
    generate_material,
)
from keyferry.hsm.payshield.simulator.lmk import BAD_SCHEME
from keyferry.hsm.payshield.simulator.operations.headers import (
    check_usage,
    header_blocks,
    require_header,
)
from keyferry.hsm.payshield.simulator.operations.wrapping import export_key, open_wrapping_key
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError

_CODE_OF_SCHEME: Final = {"Z": "D1", "U": "T2", "X": "T2", "T": "T3", "Y": "T3"}
_DUKPT: Final = "0"
_KSN_COUNTER: Final = "00000"  # a KSN is given without the 5 digits in which the counter lies

NOT_HERE: Final = "68"


@handles("A0")
def generate_key(call: Call) -> Result:
    """Generate (modes 0, 1) or derive (A, B), and export (1, B)."""
    mode = call.values.text("mode")
    exports = mode in ("1", "B")
    template = _template(call)
    call.authorise("generate", template.activity_key)
    if exports:
        call.authorise("export", template.activity_key)
    if mode in ("A", "B"):
        key = _derive(call, template)
    else:
        size = len(template.material)
        key = replace(template, material=generate_material(template.code, os.urandom(size)))
    values: dict[str, object] = {}
    if exports:
        scheme = call.values.text("zmk_scheme")
        zmk = open_wrapping_key(call, wraps=True, scheme=scheme)
        values["exported_key"] = export_key(call, zmk, key, scheme)
    values["new_key"] = call.seal(key, call.values.text("lmk_scheme"))
    values["kcv"] = key.check_text()
    return values


def _template(call: Call) -> DeviceKey:
    """Return the key to be made, with zeros where its bytes will stand."""
    key_type = call.key_type()
    scheme = call.values.text("lmk_scheme")
    if call.is_variant:
        known = KEY_TYPES[key_type]
        code = _CODE_OF_SCHEME.get(scheme)
        if code is None:
            raise CommandRefusedError(BAD_SCHEME)
        if call.values.get("header_usage") is not None:
            raise CommandRefusedError(SYNTAX)
        return DeviceKey(
            material=bytes(ALGORITHM_BYTES[code]),
            algorithm=algorithm_of(code),
            usage=known.usages[0],
            mode=known.mode,
            key_type=key_type,
        )
    if scheme != "S":
        raise CommandRefusedError(BAD_SCHEME)
    require_header(call)
    code = call.values.text("header_algorithm")
    usage, key_mode = call.values.text("header_usage"), call.values.text("header_mode")
    check_usage(usage, key_mode)
    return DeviceKey(
        material=bytes(ALGORITHM_BYTES[code]),
        algorithm=algorithm_of(code),
        usage=usage,
        mode=key_mode,
        key_version=call.values.text("header_version"),
        exportability=call.values.text("header_exportability"),
        optional_blocks=header_blocks(call.values),
    )


def _derive(call: Call, template: DeviceKey) -> DeviceKey:
    """Derive a terminal's initial key from a BDK; ZKA derivation is not public and refused."""
    if call.values.text("derive_mode") != _DUKPT:
        raise CommandRefusedError(NOT_HERE)
    bdk = open_bdk(call, "dukpt_key", call.values.text("dukpt_type"))
    ksn = call.values.text("ksn")
    if bdk.cipher is Cipher.AES:
        material = aes_initial_key(bdk.material, bytes.fromhex(ksn))
    else:
        if int(ksn[-1], 16) & 1:
            # The lowest bit of the last digit belongs to the counter, which must be zero.
            raise CommandRefusedError(SYNTAX)
        try:
            material = tdes_initial_key(bdk.material, bytes.fromhex(ksn + _KSN_COUNTER))
        except KeySizeError as error:
            raise CommandRefusedError("27") from error
    if len(material) != len(template.material) or bdk.cipher is not template.cipher:
        raise CommandRefusedError("A7" if not call.is_variant else BAD_SCHEME)
    if call.is_variant:
        material = odd_parity(material)
    return replace(template, material=material)


def open_bdk(call: Call, name: str, bdk_type: str, *, parity_code: str = FIRST_KEY) -> DeviceKey:
    """Open a base derivation key of type 1 to 4; A6 or A8 where a block is none."""
    if call.is_variant:
        return call.open(name, BDK_TYPE_CODES[bdk_type], parity_code=parity_code)
    key = call.open(name, "FFF")
    if key.usage not in BDK_USAGES[bdk_type]:
        raise CommandRefusedError("A6")
    if key.mode not in "XN":
        raise CommandRefusedError("A8")
    return key


@handles("A4")
def form_key(call: Call) -> Result:
    """XOR the clear components."""
    key_type = call.key_type()
    scheme = call.values.text("lmk_scheme")
    if not call.is_variant:
        if scheme != "S":
            raise CommandRefusedError(BAD_SCHEME)
        require_header(call)
    components = call.values.rows("components")
    parts = [
        call.lmk.open(
            call.device.dereference(row.typed("component", WireKey)),
            key_type,
            parity_code=FIRST_KEY,
        )
        for row in components
    ]
    call.authorise("component", parts[0].activity_key)
    return formed(call, parts, scheme)


def formed(call: Call, parts: list[DeviceKey], scheme: str) -> dict[str, object]:
    """Return the key that components make, sealed, and its check value."""
    first = parts[0]
    attributes = {(part.algorithm, len(part.material), part.usage, part.mode) for part in parts}
    if len(attributes) > 1:
        raise CommandRefusedError("B5")
    material = combine([part.material for part in parts])
    if first.cipher is Cipher.TDES:
        # The XOR of an even number of components has even parity; DES keys are kept odd.
        material = odd_parity(material)
    if not any(material):
        raise CommandRefusedError("11")
    key = replace(
        first,
        material=material,
        key_version=call.values.maybe("header_version", str) or "00",
        optional_blocks=header_blocks(call.values),
    )
    if key.is_doubled:
        raise CommandRefusedError("75")
    return {"new_key": call.seal(key, scheme), "kcv": key.check_text()}

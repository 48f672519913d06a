"""TWKA, TWKM, TWKS: keys between major key and KEK. GKBL: a cryptogram becomes a key block."""

from __future__ import annotations

from dataclasses import replace

from keyferry.crypto.keyblock import KBPK, BlockVersion, KeyBlockHeader
from keyferry.errors import KeyBlockAuthenticationError, KeyferryError
from keyferry.hsm.futurex.codes import MajorKey
from keyferry.hsm.futurex.refusals import INVALID, MISSING, NOT_AUTHENTIC
from keyferry.hsm.futurex.simulator.call import Call, Result, handles
from keyferry.hsm.futurex.simulator.device_key import (
    KEK_USAGES,
    UNWRAPPING_MODES,
    WRAPPING_MODES,
    DeviceKey,
    check_symmetric,
)
from keyferry.hsm.futurex.simulator.major_keys import wrap_block
from keyferry.hsm.futurex.simulator.mfk import (
    KEK_MODIFIER,
    is_cryptogram,
    unwrap_from_kek,
    wrap_under_kek,
)
from keyferry.hsm.futurex.simulator.operations.generate import read_header
from keyferry.hsm.futurex.simulator.outcome import CommandRefusedError


@handles("TWKA")
def export_under_kek(call: Call) -> Result:
    """Export a key: as a TR-31 block with OF, as a bare cryptogram without."""
    if call.values.get("output_format") is None:
        return _export_cryptogram(call)
    if _major_key(call) is not MajorKey.PMK:
        # TR-31 of cryptograms has no public form: nothing says what the header would be.
        raise CommandRefusedError(INVALID, "OF")
    kek, key = call.open("kek", "AP"), call.open("key", "BG")
    kek.require(KEK_USAGES, WRAPPING_MODES)
    key.require_exportable()
    _check_strength(call, kek, key)
    if key.header is None:
        raise CommandRefusedError(INVALID, "BG")
    version = BlockVersion.D if kek.is_aes else BlockVersion.B
    block = wrap_block(
        KBPK(kek.cipher, kek.material), replace(key.header, version=version), key.material
    )
    return {"wrapped_key": block, "check_value": call.check_value(key)}


def _export_cryptogram(call: Call) -> Result:
    modifier = _modifier(call)
    kek = call.open("kek", "AP", modifier=KEK_MODIFIER)
    key = call.open("key", "BG", modifier=modifier)
    if key.header is not None or kek.header is not None:
        # A bare cryptogram would drop what the block says of its key.
        raise CommandRefusedError(MISSING, "OF")
    _check_strength(call, kek, key)
    return {
        "wrapped_key": wrap_under_kek(kek.tdes_material(), key.material, modifier),
        "check_value": call.check_value(key),
    }


@handles("TWKM", "TWKS")
def import_under_kek(call: Call) -> Result:
    """Import a key block with FS6, else a cryptogram; TWKS puts the modifier on the KEK too."""
    if call.command.code == "TWKM" and _major_key(call) is MajorKey.PMK:
        return _import_block(call)
    modifier = _modifier(call)
    kek = call.open("kek", "AP", modifier=KEK_MODIFIER)
    wrapped = call.values.text("wrapped_key")
    if not is_cryptogram(wrapped):
        raise CommandRefusedError(INVALID, "BH")
    on_kek = modifier if call.command.code == "TWKS" else KEK_MODIFIER
    material = unwrap_from_kek(kek.tdes_material(), wrapped, on_kek)
    key = DeviceKey(tag="BH", material=material)
    return {
        "new_key": call.keys.mfk("AP").encrypt(material, modifier),
        "check_value": call.check_value(key),
    }


def _import_block(call: Call) -> Result:
    kek = call.open("kek", "AP")
    kek.require(KEK_USAGES, UNWRAPPING_MODES)
    try:
        unwrapped = KBPK(kek.cipher, kek.material).unwrap(call.values.text("wrapped_key"))
    except KeyBlockAuthenticationError:
        raise CommandRefusedError(NOT_AUTHENTIC, "BH") from None
    except KeyferryError:
        raise CommandRefusedError(INVALID, "BH") from None
    header = replace(unwrapped.header, version=BlockVersion.D)
    key = check_symmetric(DeviceKey(tag="BH", material=unwrapped.key, header=header))
    _check_strength(call, kek, key)
    return {
        "new_key": call.keys.wrap(header, key.material, "FS"),
        "check_value": call.check_value(key),
    }


@handles("GKBL")
def put_into_block(call: Call) -> Result:
    """Give a cryptogram a header; its version says under which major key the block will be."""
    key = call.open("key", "BG", modifier=_modifier(call))
    if key.header is not None:
        raise CommandRefusedError(INVALID, "BG")
    text = call.values.text("header")
    header: KeyBlockHeader = read_header(
        text, MajorKey.PMK if text.startswith(BlockVersion.D) else MajorKey.MFK
    )
    sealed = check_symmetric(replace(key, header=header))
    if sealed.is_aes:
        # What comes from under the MFK is TDES.
        raise CommandRefusedError(INVALID, "AK")
    block = call.keys.wrap(header, key.material, "AK")
    return {"check_value": call.check_value(key), "status_block": block, "new_key": block}


def _major_key(call: Call) -> MajorKey:
    return MajorKey(call.values.maybe("major_key", str) or MajorKey.MFK)


def _modifier(call: Call) -> int:
    text = call.values.maybe("modifier", str)
    if text is None:
        raise CommandRefusedError(MISSING, "AS")
    return int(text)


def _check_strength(call: Call, kek: DeviceKey, key: DeviceKey) -> None:
    if call.settings.pci_hsm:
        kek.require_strength(key)

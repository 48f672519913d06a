"""
Keys under a wrapping key: ZMK, TMK, KEK. The one place that decides what may leave, and how.

Sources: docs/evidence.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.components import odd_parity
from keyferry.crypto.keyblock import (
    KBPK,
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    ModeOfUse,
    ThalesHeader,
)
from keyferry.crypto.variant_lmk import decrypt_under_zmk, encrypt_under_zmk
from keyferry.errors import (
    DataSizeError,
    KeyBlockAuthenticationError,
    KeySizeError,
    MalformedKeyBlockError,
    UnsupportedAlgorithmError,
    UnsupportedKeyBlockError,
)
from keyferry.hsm.payshield.key_field import Under, WireKey
from keyferry.hsm.payshield.key_types import KEY_TYPES, exported_usage
from keyferry.hsm.payshield.simulator.call import NOT_PERMITTED, SYNTAX, Call
from keyferry.hsm.payshield.simulator.device_key import DeviceKey, tdes_algorithm
from keyferry.hsm.payshield.simulator.key_block_lmk import BlockCipher, block_field
from keyferry.hsm.payshield.simulator.lmk import BAD_SCHEME, device_key
from keyferry.hsm.payshield.simulator.operations.headers import header_blocks
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError

INVALID_WRAPPING_KEY: Final = "BB"
INCOMPATIBLE_LENGTH: Final = "A5"
EXPORT_FIELD: Final = "AA"
BLOCK_AUTHENTICATION: Final = "A4"
BLOCK_ERROR: Final = "B2"
INVALID_ALGORITHM: Final = "A7"
INVALID_USAGE: Final = "A6"
ALL_ZEROS: Final = "11"
DRESSED_UP: Final = "75"

UNDER_ZMK: Final = "FF"  # the LMK identifier of a Thales block that travels
_SIZES: Final = {"Z": 8, "U": 16, "X": 16, "T": 24, "Y": 24}
# A TMK (51) wraps what goes to a terminal; nothing comes in under one.
_WRAPPING_USAGES: Final = ("K0", "51", "52")
_UNWRAPPING_USAGES: Final = ("K0", "52")
_TR31_ONLY: Final = ("K1",)
_KEPT_LENGTHS: Final = {"D": (8,), "T": (16, 24), "A": (16, 24, 32)}


# --- the wrapping key ---------------------------------------------------------------------------


def open_wrapping_key(call: Call, *, wraps: bool, scheme: str) -> DeviceKey:
    """
    Open the ZMK or TMK of a request.

    Args:
        call: its field `zmk`, and `zmk_flag` where it may be a TMK.
        wraps: whether it is to wrap; else it is to unwrap.
        scheme: how the other key is written, which decides what the key must be for.

    Refused with BB where usage or mode do not allow it, with 10 or A4 where it does not open.
    """
    if call.is_variant:
        is_tmk = call.values.get("zmk_flag") == "1"
        terminal = "80D" if call.settings.separate_type_002 else "002"
        return call.open("zmk", terminal if is_tmk else "000")
    key = call.open("zmk", "FFF")
    usages: tuple[str, ...] = _WRAPPING_USAGES if wraps else _UNWRAPPING_USAGES
    if scheme == "R":
        usages += _TR31_ONLY
    if key.usage not in usages or key.mode not in ("BEN" if wraps else "BDN"):
        raise CommandRefusedError(INVALID_WRAPPING_KEY)
    return key


def _atalla(call: Call) -> int | None:
    variant = call.values.get("atalla_variant")
    return int(variant) if isinstance(variant, str) else None


# --- out ----------------------------------------------------------------------------------------


def export_key(call: Call, zmk: DeviceKey, key: DeviceKey, scheme: str) -> WireKey:
    """
    Wrap a key for another zone, as the request's tail says.

    Refused with AA (not exportable), 17 (settings forbid it), 26 (scheme), A5 (stronger than its
    wrapping key), BB (block version that is not the wrapping key's).
    """
    if not call.is_variant:
        key = replace(key, exportability=_exported_exportability(call, key))
    elif key.key_type == "000" and not call.settings.export_zmk:
        raise CommandRefusedError(NOT_PERMITTED)
    if scheme in ("R", "S"):
        if key.is_stronger_than(zmk):
            raise CommandRefusedError(INCOMPATIBLE_LENGTH)
        return _export_tr31(call, zmk, key) if scheme == "R" else _export_thales(zmk, key)
    return _export_untrusted(call, zmk, key, scheme)


def _exported_exportability(call: Call, key: DeviceKey) -> str:
    """Return what the exported copy says of itself; `&` may only take rights away."""
    if key.exportability == "N":
        raise CommandRefusedError(EXPORT_FIELD)
    if call.values.get("attributes_usage") is not None:
        raise CommandRefusedError(SYNTAX)  # the block says all that, and may not be contradicted
    changed = call.values.maybe("changed_exportability", str)
    if changed is None:
        return key.exportability
    if changed == "S" and key.exportability != "S":
        raise CommandRefusedError(EXPORT_FIELD)
    return changed


def _export_tr31(call: Call, zmk: DeviceKey, key: DeviceKey) -> WireKey:
    default = BlockVersion.D if zmk.cipher is Cipher.AES else BlockVersion.B
    asked = call.values.maybe("block_version", str)
    if asked is not None and asked not in call.device.firmware.block_versions:
        raise CommandRefusedError(SYNTAX)  # an older release does not know the letter
    version = default if asked is None else VERSIONS[asked]
    if version.cipher is not zmk.cipher:
        raise CommandRefusedError(INVALID_WRAPPING_KEY)
    header = tr31_header(call, key, version)
    try:
        # The caller named the legacy version; a device that offers it obeys.
        block = KBPK(zmk.cipher, zmk.material).wrap(
            header, key.material, masked_bytes=0, allow_legacy=True
        )
    except KeySizeError as error:
        raise CommandRefusedError(INVALID_WRAPPING_KEY) from error
    return WireKey("R", block.encode("ascii"), Under.ZMK)


VERSIONS: Final = {member.value: member for member in BlockVersion}


def tr31_header(call: Call, key: DeviceKey, version: BlockVersion) -> KeyBlockHeader:
    """
    Return the header a key leaves with: its own, or for a variant key the `&` attributes.

    Refused with 15 where a variant key comes without attributes, with A6 where they contradict
    its type.
    """
    if call.is_variant:
        key = _with_attributes(call, key)
    return KeyBlockHeader(
        version=version,
        usage=exported_usage(key.usage),
        algorithm=key.algorithm,
        mode=ModeOfUse(key.mode),
        key_version=key.key_version,
        exportability=Exportability(key.exportability),
        optional_blocks=key.optional_blocks,
    )


def _with_attributes(call: Call, key: DeviceKey) -> DeviceKey:
    if call.values.get("attributes_usage") is None:
        raise CommandRefusedError(SYNTAX)
    usage = call.values.text("attributes_usage")
    if exported_usage(usage) not in KEY_TYPES[key.key_type].usages:
        raise CommandRefusedError(INVALID_USAGE)
    return replace(
        key,
        usage=usage,
        mode=call.values.text("attributes_mode"),
        key_version=call.values.text("attributes_version"),
        exportability=call.values.text("attributes_exportability"),
        optional_blocks=header_blocks(call.values, "attributes"),
    )


def _export_thales(zmk: DeviceKey, key: DeviceKey) -> WireKey:
    cipher = BlockCipher(zmk.cipher, zmk.material)
    header = ThalesHeader(
        version=cipher.version,
        usage=key.usage,
        algorithm=key.algorithm,
        mode=ModeOfUse(key.mode),
        key_version=key.key_version,
        exportability=Exportability(key.exportability),
        lmk_id=UNDER_ZMK,
        optional_blocks=key.optional_blocks,
    )
    return block_field(cipher.seal(header, key.material), under=Under.ZMK)


def _export_untrusted(call: Call, zmk: DeviceKey, key: DeviceKey, scheme: str) -> WireKey:
    """Encrypt under the variant or X9.17 method: nothing goes along that says what the key is."""
    if call.settings.trusted_format_only:
        raise CommandRefusedError(NOT_PERMITTED)
    is_tmk = call.values.get("zmk_flag") == "1"
    if scheme in ("X", "Y") and not call.settings.x917_export and not is_tmk:
        raise CommandRefusedError(BAD_SCHEME)
    if not call.is_variant and key.exportability != "S":
        raise CommandRefusedError(NOT_PERMITTED)
    if Cipher.AES in (zmk.cipher, key.cipher):
        raise CommandRefusedError(BAD_SCHEME)
    try:
        text = encrypt_under_zmk(zmk.material, key.material, scheme, atalla_variant=_atalla(call))
    except (KeySizeError, UnsupportedAlgorithmError) as error:
        raise CommandRefusedError(BAD_SCHEME) from error
    return WireKey.parse(text, under=Under.ZMK)


# --- in -----------------------------------------------------------------------------------------


def import_key(call: Call, zmk: DeviceKey, field: WireKey, key_type: str) -> tuple[DeviceKey, bool]:
    """
    Unwrap a key that came from another zone.

    Returns:
        The key as its block describes it, or bare under a variant method, and whether its parity
        had to be set right.

    Refused with A4 where a block does not authenticate, 11 where the key is all zeros, 75 where
    its halves are equal, 17 or 26 where settings forbid the form.
    """
    if field.scheme == "R":
        if field.body[:1].decode("ascii") not in call.device.firmware.block_versions:
            raise CommandRefusedError(SYNTAX)  # an older release does not know the letter
        key = _import_tr31(zmk, field)
    elif field.scheme == "S":
        key = _import_thales(zmk, field)
    else:
        key = _import_untrusted(call, zmk, field)
    if not any(key.material):
        raise CommandRefusedError(ALL_ZEROS)
    if key.is_doubled:
        raise CommandRefusedError(DRESSED_UP)
    if call.is_variant:
        if key_type == "000" and not call.settings.import_zmk:
            raise CommandRefusedError(NOT_PERMITTED)
        if field.is_block and exported_usage(key.usage) not in KEY_TYPES[key_type].usages:
            raise CommandRefusedError(INVALID_USAGE)
        key = replace(key, key_type=key_type)
    adjusted = key.cipher is Cipher.TDES and not key.has_parity
    if adjusted and (call.is_variant or not field.is_block):
        # A block is authenticated and keeps its bytes; elsewhere parity is all there is.
        return replace(key, material=odd_parity(key.material)), True
    return key, False


def _import_tr31(zmk: DeviceKey, field: WireKey) -> DeviceKey:
    try:
        unwrapped = KBPK(zmk.cipher, zmk.material).unwrap(field.body.decode("ascii"))
    except KeyBlockAuthenticationError as error:
        raise CommandRefusedError(BLOCK_AUTHENTICATION) from error
    except (UnsupportedKeyBlockError, KeySizeError) as error:
        raise CommandRefusedError(INVALID_WRAPPING_KEY) from error
    except MalformedKeyBlockError as error:
        raise CommandRefusedError(BLOCK_ERROR) from error
    header = unwrapped.header
    key = DeviceKey(
        material=unwrapped.key,
        algorithm=header.algorithm,
        usage=header.usage,
        mode=header.mode.value,
        key_version=header.key_version,
        exportability=header.exportability.value,
        optional_blocks=tuple(b for b in header.optional_blocks if b.id != "PB"),
    )
    _check_length(key)
    if key.is_stronger_than(zmk):
        raise CommandRefusedError(INCOMPATIBLE_LENGTH)
    return key


def _import_thales(zmk: DeviceKey, field: WireKey) -> DeviceKey:
    if field.lmk_identifier != UNDER_ZMK:
        raise CommandRefusedError("A3")
    cipher = BlockCipher(zmk.cipher, zmk.material)
    header, material = cipher.open(field.body)
    key = device_key(header, material)
    _check_length(key)
    return key


def _import_untrusted(call: Call, zmk: DeviceKey, field: WireKey) -> DeviceKey:
    if call.settings.trusted_format_only:
        raise CommandRefusedError(NOT_PERMITTED)
    is_x917 = field.scheme in ("X", "Y") or (not field.scheme and len(field.body) > 16)
    if is_x917 and not call.settings.x917_import:
        raise CommandRefusedError(BAD_SCHEME)
    if zmk.cipher is Cipher.AES:
        raise CommandRefusedError(BAD_SCHEME)
    try:
        material = decrypt_under_zmk(zmk.material, field.text, atalla_variant=_atalla(call))
    except UnsupportedAlgorithmError as error:
        raise CommandRefusedError(BAD_SCHEME) from error
    except DataSizeError as error:
        raise CommandRefusedError(SYNTAX) from error
    return DeviceKey(
        material=material, algorithm=tdes_algorithm(len(material)), usage="", key_type="FFF"
    )


def _check_length(key: DeviceKey) -> None:
    lengths = _KEPT_LENGTHS.get(key.algorithm.value)
    if lengths is None:
        raise CommandRefusedError(INVALID_ALGORITHM)
    if len(key.material) not in lengths:
        raise CommandRefusedError(INCOMPATIBLE_LENGTH)

"""Values for the fields of requests, from what the driver's methods are given; and back."""

from __future__ import annotations

from typing import Final

from keyferry.errors import ConfigurationError, HSMFrameError, UnsupportedAlgorithmError
from keyferry.hsm.payshield.commands import COMMANDS
from keyferry.hsm.payshield.key_field import WireKey
from keyferry.hsm.payshield.key_types import KEY_BLOCK_TYPE, key_type_for
from keyferry.hsm.payshield.lmk import LMKSelection
from keyferry.hsm.payshield.results import TR31Attributes
from keyferry.hsm.values import Values

_VARIANT_SCHEMES: Final = {"D1": "Z", "T2": "U", "T3": "T"}
_CURVES: Final = {"P256": "00", "P384": "01", "P521": "02"}
_KEY_BITS: Final = {"T2": 128, "T3": 192, "A1": 128, "A2": 192, "A3": 256}


def new_key_values(
    lmk: LMKSelection,
    usage: str,
    algorithm: str,
    mode: str,
    exportability: str,
    key_version: str,
    key_type: str | None,
) -> dict[str, object]:
    """Return the fields of A0 that say which key to make."""
    if not lmk.is_variant:
        return {
            "key_type": KEY_BLOCK_TYPE,
            "lmk_scheme": "S",
            "header_usage": usage,
            "header_algorithm": algorithm,
            "header_mode": mode,
            "header_version": key_version,
            "header_exportability": exportability,
            "header_blocks": (),
        }
    scheme = _VARIANT_SCHEMES.get(algorithm)
    if scheme is None:
        raise UnsupportedAlgorithmError(
            f"key of algorithm {algorithm[:8]!r} under a variant LMK: expected a DES key",
            hint="use a key block LMK for AES keys",
        )
    return {"key_type": key_type_of(lmk, key_type or key_type_for(usage)), "lmk_scheme": scheme}


def key_type_of(lmk: LMKSelection, key_type: str | None) -> str:
    """Return the key type field: FFF under a key block LMK, else the type that must be given."""
    if not lmk.is_variant:
        return KEY_BLOCK_TYPE
    if key_type is None:
        raise ConfigurationError(
            "a key under a variant LMK has a key type, and none was given",
            hint="give key_type, e.g. 009 for a BDK",
        )
    return key_type


def export_values(
    lmk: LMKSelection, version: str | None, attributes: TR31Attributes | None
) -> dict[str, object]:
    """Return the tail of an export: block version, and the header of a variant key."""
    if not lmk.is_variant:
        return {"block_version": version}
    if attributes is None:
        raise ConfigurationError(
            "a key under a variant LMK says nothing of itself: TR-31 attributes are needed"
        )
    return {
        "block_version": version,
        "attributes_usage": attributes.usage,
        "attributes_mode": attributes.mode,
        "attributes_version": attributes.key_version,
        "attributes_exportability": attributes.exportability,
        "attributes_blocks": (),
    }


def unnamed(lmk: LMKSelection) -> LMKSelection:
    """Return a selection without identifier where the block itself names the LMK (B8, IG)."""
    return lmk if lmk.is_variant else LMKSelection(scheme=lmk.scheme)


def check_key_block(lmk: LMKSelection, code: str) -> None:
    """Refuse before any call what a variant LMK does not have."""
    if lmk.is_variant:
        raise ConfigurationError(
            f"{COMMANDS[code].title} exists under a key block LMK only",
            hint="set variant_lmk to false, or use TR-34 or TR-31",
        )


def curve_code(name: str) -> str:
    """Return the code of a curve."""
    code = _CURVES.get(name)
    if code is None:
        raise UnsupportedAlgorithmError(
            f"curve {name[:20]!r}: expected one of {', '.join(_CURVES)}"
        )
    return code


def key_text(values: Values, name: str) -> str:
    """Return a key of a response in wire form."""
    return values.typed(name, WireKey).text


def tr31_text(values: Values) -> str:
    """Return the TR-31 block of a response."""
    key = values.typed("exported_key", WireKey)
    if key.scheme != "R":
        raise HSMFrameError("exported key: expected a TR-31 block", field="exported_key")
    # The letter belongs to the host command, not to the block.
    return key.body.decode("ascii")


def key_bits(algorithm: str) -> int:
    """Return the bits of a derived key of an algorithm code."""
    bits = _KEY_BITS.get(algorithm)
    if bits is None:
        raise UnsupportedAlgorithmError(
            f"derived key {algorithm[:8]!r}: expected one of {', '.join(_KEY_BITS)}"
        )
    return bits

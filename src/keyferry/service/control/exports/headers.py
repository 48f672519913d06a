"""The header a key leaves under, and what the caller may change of it."""

from __future__ import annotations

from keyferry.crypto.keyblock import (
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    OptionalBlock,
)
from keyferry.keys import header_from_attributes
from keyferry.service.control.answers import modes_of
from keyferry.service.control.exports.departure import (
    INITIAL_KEY_MODE,
    INITIAL_KEY_MODES,
    INITIAL_KEY_USAGE,
    Departure,
)
from keyferry.service.errors import InvalidRequestError
from keyferry.service.wire import control_types as t

_LETTERS = {
    "EXPORTABLE": Exportability.EXPORTABLE,
    "NON_EXPORTABLE": Exportability.NONE,
    "SENSITIVE": Exportability.SENSITIVE,
}
# From free to strict: an override only goes on in this order.
_ORDER = (Exportability.SENSITIVE, Exportability.EXPORTABLE, Exportability.NONE)
_UNUSED_VERSION = "00"
_OPTIONAL_OVERHEAD = 4  # characters of id and length
_OPTIONAL_LIMIT = 112  # characters of all blocks the caller brings
# These are the service's own: HM is the key's algorithm, PB is fill.
_RESERVED = ("HM", "PB")


def export_header(
    departure: Departure, overrides: t.KeyBlockHeaders | None, *, version: BlockVersion
) -> KeyBlockHeader:
    """
    Make the header of an export.

    Args:
        departure: the key.
        overrides: what the caller wants written instead; only ever more restrictive.
        version: B under a TDES key, D under an AES key; a formality in a TR-34 token.

    Raises:
        InvalidRequestError: an override that permits more than the key does, or optional blocks
            that are reserved or too long.
        KeyAttributesError: modes that are no valid set for the key's usage, or go beyond its own.
    """
    record = departure.record
    overrides = t.KeyBlockHeaders() if overrides is None else overrides
    exportability = _exportability(record.exportability, overrides.key_exportability)
    key_version = overrides.key_version or _UNUSED_VERSION
    blocks = _optional_blocks(departure, overrides.optional_blocks)
    requested = overrides.key_modes_of_use
    mode = None if requested is None else modes_of(requested).letter
    if departure.is_initial_key:
        if mode is not None and mode is not INITIAL_KEY_MODE:
            flags = ", ".join(INITIAL_KEY_MODES.names)
            raise InvalidRequestError(f"KeyModesOfUse: an initial key has {flags} only")
        return KeyBlockHeader(
            version=version,
            usage=INITIAL_KEY_USAGE,
            algorithm=departure.algorithm.block_algorithm,
            mode=INITIAL_KEY_MODE,
            key_version=key_version,
            exportability=exportability,
            optional_blocks=blocks,
        )
    return header_from_attributes(
        record.attributes,
        version=version,
        exportability=exportability,
        key_version=key_version,
        mode=mode,
        optional_blocks=blocks,
    )


def _exportability(own: Exportability, requested: str | None) -> Exportability:
    if requested is None:
        return own
    letter = _LETTERS[requested]
    if _ORDER.index(letter) < _ORDER.index(own):
        raise InvalidRequestError(f"KeyExportability: {requested} permits more than the key does")
    return letter


def _optional_blocks(
    departure: Departure, requested: dict[str, str] | None
) -> tuple[OptionalBlock, ...]:
    """The blocks kept from the import, replaced or followed by those of the caller."""
    blocks = {block.id: block for block in departure.record.optional_blocks}
    if departure.is_initial_key:
        # It is the check value of the BDK, and another key leaves.
        blocks.pop("KC", None)
    total = 0
    for name, value in (requested or {}).items():
        if name in _RESERVED:
            raise InvalidRequestError(f"OptionalBlocks: {name} is written by the service")
        total += _OPTIONAL_OVERHEAD + len(value)
        blocks[name] = OptionalBlock(name, value)
    if total > _OPTIONAL_LIMIT:
        raise InvalidRequestError(
            f"OptionalBlocks: {total} characters, each block counted with"
            f" {_OPTIONAL_OVERHEAD} more: expected at most {_OPTIONAL_LIMIT}"
        )
    return tuple(blocks.values())

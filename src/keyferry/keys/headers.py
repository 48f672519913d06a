"""From a key block header to the attributes of a key, and back."""

from __future__ import annotations

from collections.abc import Iterable

from keyferry.crypto.keyblock import (
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    ModeOfUse,
    OptionalBlock,
)
from keyferry.errors import KeyAttributesError
from keyferry.keys.algorithms import KeyAlgorithm
from keyferry.keys.attributes import KeyAttributes, check_attributes
from keyferry.keys.material import check_material
from keyferry.keys.modes import ModesOfUse
from keyferry.keys.usages import KeyClass, KeyUsage

HMAC_HASH_BLOCK = "HM"


def attributes_from_header(header: KeyBlockHeader, key: bytes) -> KeyAttributes:
    """
    Read what a key is from the header of its authenticated block and the length of the key.

    Version and length of the header are not looked at: in a TR-34 token they mean nothing.

    Args:
        header: the header, optional blocks included.
        key: the clear key.

    Returns:
        Valid attributes of class SYMMETRIC_KEY.

    Raises:
        KeyAttributesError: the header describes a key the API cannot hold.
        KeyMaterialError: the key does not fit the algorithm, or is a degenerate TDES key.
    """
    usage = KeyUsage.from_code(header.usage)
    if usage is None:
        raise KeyAttributesError(f"key usage {header.usage} has no KeyUsage")
    if header.key_version.startswith("c"):
        raise KeyAttributesError("the block holds a key component, not a whole key")
    attributes = KeyAttributes(
        key_usage=usage,
        key_class=KeyClass.SYMMETRIC_KEY,
        key_algorithm=_algorithm(header, key),
        modes_of_use=ModesOfUse.from_letter(header.mode),
    )
    check_attributes(attributes)
    check_material(attributes.key_algorithm, key)
    return attributes


def _algorithm(header: KeyBlockHeader, key: bytes) -> KeyAlgorithm:
    letter = header.algorithm.value
    if letter == "T":
        found, what = KeyAlgorithm.tdes_of(len(key)), f"TDES key of {8 * len(key)} bits"
    elif letter == "A":
        found, what = KeyAlgorithm.aes_of(len(key)), f"AES key of {8 * len(key)} bits"
    elif letter == "H":
        # The hash is not in the 16 characters: without HM nobody can say which HMAC this is.
        codes = [block.data for block in header.optional_blocks if block.id == HMAC_HASH_BLOCK]
        if not codes:
            raise KeyAttributesError("algorithm H without an HM block has no KeyAlgorithm")
        found, what = KeyAlgorithm.hmac_of(codes[0]), f"HM block with hash {codes[0]}"
    else:
        found, what = None, f"algorithm {letter}"
    if found is None:
        raise KeyAttributesError(f"{what} has no KeyAlgorithm")
    return found


def header_from_attributes(
    attributes: KeyAttributes,
    *,
    version: BlockVersion,
    exportability: Exportability,
    key_version: str = "00",
    mode: ModeOfUse | None = None,
    optional_blocks: Iterable[OptionalBlock] = (),
) -> KeyBlockHeader:
    """
    Make the header a key travels under.

    Args:
        attributes: of a symmetric key.
        version: how the block will be protected.
        exportability: the letter to write.
        key_version: two characters, `00` if unused.
        mode: a narrower mode of use than the key's own, if wanted; None is the key's own.
        optional_blocks: in the order to write; an HM block must not be among them, it is written
            for HMAC keys here, since nothing else in a block says which hash the key is for.

    Raises:
        KeyAttributesError: the key is asymmetric, the mode does not fit its usage or goes beyond
            its own modes, or the caller brought an HM block.
    """
    if attributes.key_class is not KeyClass.SYMMETRIC_KEY:
        raise KeyAttributesError(f"KeyClass: {attributes.key_class} does not travel in key blocks")
    modes = attributes.modes_of_use
    if mode is not None:
        narrowed = ModesOfUse.from_letter(mode)
        if not modes.allows(narrowed):
            raise KeyAttributesError(f"KeyModesOfUse: {mode.value} goes beyond the key's own modes")
        modes = narrowed
    check_attributes(
        KeyAttributes(
            key_usage=attributes.key_usage,
            key_class=attributes.key_class,
            key_algorithm=attributes.key_algorithm,
            modes_of_use=modes,
        )
    )
    blocks = tuple(optional_blocks)
    if any(block.id == HMAC_HASH_BLOCK for block in blocks):
        raise KeyAttributesError("OptionalBlocks: HM is written by the key's own algorithm")
    hash_code = attributes.key_algorithm.hmac_block
    if hash_code is not None:
        blocks = (OptionalBlock(HMAC_HASH_BLOCK, hash_code), *blocks)
    return KeyBlockHeader(
        version=version,
        usage=attributes.key_usage.code,
        algorithm=attributes.key_algorithm.block_algorithm,
        mode=modes.letter,
        key_version=key_version,
        exportability=exportability,
        optional_blocks=blocks,
    )

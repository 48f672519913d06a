"""What all imports have in common: a key that has arrived, told by a key block header."""

from __future__ import annotations

import hmac

from keyferry.crypto.check_values import aes_legacy_kcv, cmac_kcv, tdes_kcv
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import KeyBlockHeader, OptionalBlock
from keyferry.keys import KeyAttributes, attributes_from_header
from keyferry.service.control.new_keys import NewKey
from keyferry.service.errors import InvalidRequestError
from keyferry.service.store.records import KeyOrigin, KeyRecord

# What is not kept with a key: HM is its algorithm, KP speaks of the wrapping key, PB is fill.
_NOT_KEPT = frozenset({"HM", "KP", "PB"})


def key_from_header(
    header: KeyBlockHeader,
    key: bytes,
    attributes: KeyAttributes,
    *,
    helpers: tuple[KeyRecord, ...],
) -> NewKey:
    """
    The key of an opened block. The caller has checked the attributes and the strength.

    Raises:
        InvalidRequestError: the block carries a check value of its key (KC) that is another's.
    """
    for block in header.optional_blocks:
        if block.id == "KC" and attributes.key_algorithm.cipher is not None:
            _check_value(block, attributes.key_algorithm.cipher, key, whose="the key")
    return NewKey(
        attributes=attributes,
        exportability=header.exportability,
        origin=KeyOrigin.EXTERNAL,
        material=key,
        optional_blocks=tuple(b for b in header.optional_blocks if b.id not in _NOT_KEPT),
        key_version=header.key_version,
        helpers=helpers,
    )


def read_header(header: KeyBlockHeader, key: bytes) -> KeyAttributes:
    """
    Read the attributes of an opened block's key.

    Raises:
        InvalidRequestError: the header's reserved field is set.
        KeyAttributesError, KeyMaterialError: as `attributes_from_header`.
    """
    if header.context != "0":
        raise InvalidRequestError("key block reserved field: expected 00")
    return attributes_from_header(header, key)


def check_wrapping_key_value(header: KeyBlockHeader, cipher: Cipher, wrapping_key: bytes) -> None:
    """Refuse a block whose KP says that another key wrapped it."""
    for block in header.optional_blocks:
        if block.id == "KP":
            _check_value(block, cipher, wrapping_key, whose="the wrapping key")


def _check_value(block: OptionalBlock, cipher: Cipher, key: bytes, *, whose: str) -> None:
    """Compare a KC or KP block (method 00 or 01, then hex) at the length it carries."""
    method, value = block.data[:2], block.data[2:]
    try:
        carried = bytes.fromhex(value)
    except ValueError:
        carried = b""
    if method not in ("00", "01") or not 0 < len(carried) <= cipher.block_size:
        raise InvalidRequestError(
            f"key block optional block {block.id}: expected method 00 or 01 and a check value"
        )
    size = len(carried)
    if method == "01":
        computed = cmac_kcv(cipher, key, size=size)
    elif cipher is Cipher.TDES:
        computed = tdes_kcv(key, size=size)
    else:
        computed = aes_legacy_kcv(key, size=size)
    if not hmac.compare_digest(computed, carried):
        raise InvalidRequestError(
            f"key block optional block {block.id}: the check value is not that of {whose}"
        )

"""Tr31KeyBlock and DiffieHellmanTr31KeyBlock: a key block under a KEK, or an agreed key."""

from __future__ import annotations

from keyferry.crypto.keyblock import KBPK, KeyBlockHeader
from keyferry.errors import UnsupportedKeyBlockError
from keyferry.keys import KeyAlgorithm, WrappingMethod, check_strength
from keyferry.service.context import Context
from keyferry.service.control.imports.arrival import (
    check_wrapping_key_value,
    key_from_header,
    read_header,
)
from keyferry.service.control.new_keys import NewKey
from keyferry.service.control.sealing import open_key
from keyferry.service.control.wrapping_keys import (
    agree_on_key,
    find_wrapping_key,
    kbpk_cipher,
)
from keyferry.service.wire import control_types as t

# Version E (ISO 20038) opens in the library, but is not in the documentation of the API.
_VERSIONS = ("A", "B", "C", "D")


async def import_tr31_key_block(context: Context, asked: t.ImportTr31KeyBlock) -> NewKey:
    """Open a block under a stored KEK."""
    wrapping = find_wrapping_key(
        context, asked.wrapping_key_identifier, action="ImportKey", to_wrap=False
    )
    algorithm = wrapping.attributes.key_algorithm
    with open_key(context, wrapping) as material:
        header, key = _unwrap(asked.wrapped_key_block, algorithm, material.reveal())
    attributes = read_header(header, key)
    if context.rules.strength_on_tr31_import:
        check_strength(attributes.key_algorithm, method=WrappingMethod.TR31, wrapping=algorithm)
    return key_from_header(header, key, attributes, helpers=(wrapping,))


async def import_ecdh_key_block(
    context: Context, asked: t.ImportDiffieHellmanTr31KeyBlock
) -> NewKey:
    """
    Open a block under a key agreed by ECDH.

    The curve limits the key that travels, and so does the derived key, which is a wrapping key
    like any other.
    """
    derived = agree_on_key(context, asked, action="ImportKey")
    with derived.key as material:
        header, key = _unwrap(asked.wrapped_key_block, derived.algorithm, material.reveal())
    attributes = read_header(header, key)
    check_strength(
        attributes.key_algorithm,
        method=WrappingMethod.ECDH,
        wrapping=derived.pair.attributes.key_algorithm,
    )
    check_strength(attributes.key_algorithm, method=WrappingMethod.TR31, wrapping=derived.algorithm)
    return key_from_header(header, key, attributes, helpers=(derived.pair, derived.authority))


def _unwrap(
    block: str, algorithm: KeyAlgorithm, wrapping_key: bytes
) -> tuple[KeyBlockHeader, bytes]:
    """Authenticate and open a block of version A, B, C or D; nothing is read of it before."""
    if block[0] not in _VERSIONS:
        raise UnsupportedKeyBlockError(f"key block version: expected one of {', '.join(_VERSIONS)}")
    cipher = kbpk_cipher(algorithm)
    unwrapped = KBPK(cipher, wrapping_key).unwrap(block)
    check_wrapping_key_value(unwrapped.header, cipher, wrapping_key)
    return unwrapped.header, unwrapped.key

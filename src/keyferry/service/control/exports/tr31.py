"""Tr31KeyBlock and DiffieHellmanTr31KeyBlock: a key block under a KEK, or an agreed key."""

from __future__ import annotations

from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import KBPK, BlockVersion
from keyferry.keys import KeyAlgorithm, WrappingMethod, check_strength
from keyferry.service.context import Context
from keyferry.service.control.exports.departure import Departure
from keyferry.service.control.exports.headers import export_header
from keyferry.service.control.exports.wrapped import Wrapped
from keyferry.service.control.wrapping_keys import (
    agree_on_key,
    find_wrapping_key,
    kbpk_cipher,
    open_kbpk,
)
from keyferry.service.errors import InvalidRequestError
from keyferry.service.wire import control_types as t

TR31_KEY_BLOCK = "TR31_KEY_BLOCK"
_VERSIONS = {Cipher.TDES: BlockVersion.B, Cipher.AES: BlockVersion.D}


async def export_tr31_key_block(
    context: Context, departure: Departure, asked: t.ExportTr31KeyBlock
) -> Wrapped:
    """Wrap under a stored KEK."""
    wrapping = find_wrapping_key(
        context, asked.wrapping_key_identifier, action="ExportKey", to_wrap=True
    )
    if wrapping.key_id == departure.record.key_id:
        raise InvalidRequestError("WrappingKeyIdentifier: a key does not wrap itself")
    algorithm = wrapping.attributes.key_algorithm
    check_strength(departure.algorithm, method=WrappingMethod.TR31, wrapping=algorithm)
    block = _wrap(departure, asked.key_block_headers, algorithm, open_kbpk(context, wrapping))
    return Wrapped(
        text=block,
        material_format=TR31_KEY_BLOCK,
        wrapping_key=wrapping,
        helpers=(wrapping,),
    )


async def export_ecdh_key_block(
    context: Context, departure: Departure, asked: t.ExportDiffieHellmanTr31KeyBlock
) -> Wrapped:
    """Wrap under a key agreed by ECDH, which must be as strong as a stored one would have to be."""
    derived = agree_on_key(context, asked, action="ExportKey")
    check_strength(
        departure.algorithm,
        method=WrappingMethod.ECDH,
        wrapping=derived.pair.attributes.key_algorithm,
    )
    check_strength(departure.algorithm, method=WrappingMethod.TR31, wrapping=derived.algorithm)
    with derived.key:
        block = _wrap(departure, asked.key_block_headers, derived.algorithm, derived.kbpk())
    return Wrapped(
        text=block,
        material_format=TR31_KEY_BLOCK,
        wrapping_key=derived.pair,
        helpers=(derived.pair, derived.authority),
    )


def _wrap(
    departure: Departure,
    overrides: t.KeyBlockHeaders | None,
    wrapping: KeyAlgorithm,
    kbpk: KBPK,
) -> str:
    """Wrap with the length of the key hidden, as the service does."""
    header = export_header(departure, overrides, version=_VERSIONS[kbpk_cipher(wrapping)])
    return kbpk.wrap(header, departure.key.reveal())

"""ExportKey: prepares the key and hands it to the module that knows the form it leaves in."""

from __future__ import annotations

from keyferry.service.context import Context
from keyferry.service.control.exports.as2805 import export_as2805_key_cryptogram
from keyferry.service.control.exports.cryptogram import export_key_cryptogram
from keyferry.service.control.exports.departure import Departure, prepare
from keyferry.service.control.exports.tr31 import export_ecdh_key_block, export_tr31_key_block
from keyferry.service.control.exports.tr34 import export_tr34_key_block
from keyferry.service.control.exports.wrapped import Wrapped
from keyferry.service.control.identifiers import same_key
from keyferry.service.control.states import require_usable
from keyferry.service.errors import InvalidRequestError
from keyferry.service.operation import CONTROL
from keyferry.service.store.interface import Transaction
from keyferry.service.wire import control_types as t


@CONTROL.operation("ExportKey")
async def export_key(context: Context, request: t.ExportKeyInput) -> t.ExportKeyOutput:
    """
    Wrap a key, or the initial key of a BDK, for somebody else. The key itself is unchanged.

    Nothing is stored, yet the answer goes through a change: the audit record of an export is on
    disk before the key leaves, and a key stopped in the meantime does not leave any more.
    """
    departure = prepare(context, request)
    with departure.key:
        wrapped = await _wrap(context, departure, request.key_material)
    answer = t.ExportKeyOutput(
        wrapped_key=t.WrappedKey(
            wrapping_key_arn=context.key_arn(wrapped.wrapping_key.key_id),
            wrapped_key_material_format=wrapped.material_format,
            key_material=wrapped.text,
            key_check_value=departure.check_value,
            key_check_value_algorithm=departure.check_value_algorithm,
        )
    )

    def change(tx: Transaction) -> t.ExportKeyOutput:
        for record in (departure.record, *wrapped.helpers):
            current = same_key(tx, record, identifier=context.key_arn(record.key_id))
            require_usable(context, current)
        return answer

    return await context.write(change)


async def _wrap(context: Context, departure: Departure, material: t.ExportKeyMaterial) -> Wrapped:
    """Wrap by the one variant that is present."""
    if material.tr31_key_block is not None:
        return await export_tr31_key_block(context, departure, material.tr31_key_block)
    if material.tr34_key_block is not None:
        return await export_tr34_key_block(context, departure, material.tr34_key_block)
    if material.diffie_hellman_tr31_key_block is not None:
        return await export_ecdh_key_block(
            context, departure, material.diffie_hellman_tr31_key_block
        )
    if material.key_cryptogram is not None:
        return await export_key_cryptogram(context, departure, material.key_cryptogram)
    if material.as2805_key_cryptogram is not None:
        return await export_as2805_key_cryptogram(
            context, departure, material.as2805_key_cryptogram
        )
    raise InvalidRequestError("KeyMaterial: expected exactly one of its variants")

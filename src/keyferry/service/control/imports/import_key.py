"""ImportKey: hands the material to the module that knows its form, and stores what comes back."""

from __future__ import annotations

from keyferry.service.context import Context
from keyferry.service.control.imports.as2805 import import_as2805_key_cryptogram
from keyferry.service.control.imports.cryptogram import import_key_cryptogram
from keyferry.service.control.imports.public_keys import (
    import_root_certificate,
    import_trusted_certificate,
)
from keyferry.service.control.imports.tr31 import import_ecdh_key_block, import_tr31_key_block
from keyferry.service.control.imports.tr34 import import_tr34_key_block
from keyferry.service.control.new_keys import NewKey, insert_key, make_record
from keyferry.service.control.replication_regions import check_choice, check_regions
from keyferry.service.control.tags import check_tags
from keyferry.service.errors import InvalidRequestError
from keyferry.service.operation import CONTROL
from keyferry.service.store.interface import Transaction
from keyferry.service.wire import control_types as t


@CONTROL.operation("ImportKey")
async def import_key(context: Context, request: t.ImportKeyInput) -> t.ImportKeyOutput:
    """Store a key that was made elsewhere. The same material twice gives two keys."""
    tags = check_tags(request.tags)
    check_regions(context, request.replication_regions or ())
    new = await _open(context, request.key_material)
    # What the key is was inside its block.
    regions = check_choice(context, request.replication_regions, new.attributes, new.exportability)
    record = make_record(
        context,
        new,
        enabled=request.enabled,
        check_value_method=request.key_check_value_algorithm,
    )

    def change(tx: Transaction) -> t.ImportKeyOutput:
        return t.ImportKeyOutput(
            key=insert_key(context, tx, record, tags=tags, regions=regions, helpers=new.helpers)
        )

    return await context.write(change, about=((record.account, record.key_id),))


async def _open(context: Context, material: t.ImportKeyMaterial) -> NewKey:
    """Open the one variant that is present."""
    if material.tr31_key_block is not None:
        return await import_tr31_key_block(context, material.tr31_key_block)
    if material.tr34_key_block is not None:
        return await import_tr34_key_block(context, material.tr34_key_block)
    if material.diffie_hellman_tr31_key_block is not None:
        return await import_ecdh_key_block(context, material.diffie_hellman_tr31_key_block)
    if material.key_cryptogram is not None:
        return await import_key_cryptogram(context, material.key_cryptogram)
    if material.as2805_key_cryptogram is not None:
        return await import_as2805_key_cryptogram(context, material.as2805_key_cryptogram)
    if material.root_certificate_public_key is not None:
        return await import_root_certificate(context, material.root_certificate_public_key)
    if material.trusted_certificate_public_key is not None:
        return await import_trusted_certificate(context, material.trusted_certificate_public_key)
    raise InvalidRequestError("KeyMaterial: expected exactly one of its variants")

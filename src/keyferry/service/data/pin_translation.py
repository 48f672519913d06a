"""TranslatePinData: a PIN from one key and format to another; the PIN stays inside."""

from __future__ import annotations

from keyferry.crypto.as2805 import session_pin_key
from keyferry.crypto.pin_block import PINBlockFormat, translate_pin_block
from keyferry.crypto.tdes_key import TDESKey
from keyferry.service.data.context import DataContext
from keyferry.service.data.eligibility import Role
from keyferry.service.data.pin_keys import block_bytes, pin_key
from keyferry.service.data.refusals import refused
from keyferry.service.data.working_keys import KeySource, WorkingKey
from keyferry.service.errors import InvalidRequestError
from keyferry.service.operation import DATA
from keyferry.service.wire import data_types as t


@DATA.operation("TranslatePinData", read_only=True)
async def translate_pin_data(
    context: DataContext, request: t.TranslatePinDataInput
) -> t.TranslatePinDataOutput:
    """Translate a PIN block; the answer names the outgoing key."""
    incoming = KeySource.find(
        context, request.incoming_key_identifier, request.incoming_wrapped_key
    )
    outgoing = KeySource.find(
        context, request.outgoing_key_identifier, request.outgoing_wrapped_key
    )
    # Two stored keys are the most of all translations; they need no coroutines.
    incoming_key = (
        incoming.stored(context, Role.DECRYPT_PIN)
        if incoming.wrapped is None
        and request.incoming_dukpt_attributes is None
        and request.incoming_as2805_attributes is None
        else await _incoming_key(context, incoming, request)
    )
    outgoing_key = (
        outgoing.stored(context, Role.ENCRYPT_PIN)
        if outgoing.wrapped is None and request.outgoing_dukpt_attributes is None
        else await _pin_key(context, outgoing, Role.ENCRYPT_PIN, request.outgoing_dukpt_attributes)
    )
    incoming_format, incoming_pan = _format(request.incoming_translation_attributes)
    outgoing_format, outgoing_pan = _format(request.outgoing_translation_attributes)
    block = translate_pin_block(
        block_bytes(request.encrypted_pin_block, incoming_format),
        incoming_key=incoming_key.key,
        incoming_format=incoming_format,
        incoming_pan=incoming_pan,
        outgoing_key=outgoing_key.key,
        outgoing_format=outgoing_format,
        outgoing_pan=outgoing_pan,
    )
    return t.TranslatePinDataOutput(
        pin_block=block.hex().upper(),
        key_arn=outgoing_key.arn,
        key_check_value=outgoing_key.check_value,
    )


async def _incoming_key(
    context: DataContext, source: KeySource, request: t.TranslatePinDataInput
) -> WorkingKey:
    """The incoming key; with AS2805 attributes, the session key derived from it."""
    dukpt = request.incoming_dukpt_attributes
    session = request.incoming_as2805_attributes
    if session is None:
        return await _pin_key(context, source, Role.DECRYPT_PIN, dukpt)
    kpp = context.require(source.key, Role.DECRYPT_PIN_AS2805)
    if dukpt is not None or source.wrapped is not None:
        raise refused("IncomingAs2805Attributes", "not together with DUKPT or a wrapped key")
    if request.incoming_translation_attributes.as2805_format0 is None:
        raise refused("IncomingAs2805Attributes", "expected with As2805Format0 only")
    with kpp.material() as material:
        key = session_pin_key(
            material.reveal(), session.system_trace_audit_number, session.transaction_amount
        )
    return WorkingKey(TDESKey(key), kpp.arn, kpp.check_value)


async def _pin_key(
    context: DataContext,
    source: KeySource,
    role: Role,
    dukpt: t.DukptDerivationAttributes | None,
) -> WorkingKey:
    return await pin_key(
        context,
        source,
        role=role,
        dukpt_role=Role.TRANSLATE_PIN_DUKPT,
        ksn=None if dukpt is None else dukpt.key_serial_number,
        key_type=None if dukpt is None else dukpt.dukpt_key_derivation_type,
    )


def _format(attributes: t.TranslationIsoFormats) -> tuple[PINBlockFormat, str | None]:
    """The format and PAN of one side; that of AS2805 is laid out as ISO format 0."""
    if (format0 := attributes.iso_format0) is not None:
        return PINBlockFormat.ISO_0, format0.primary_account_number
    if (format4 := attributes.iso_format4) is not None:
        return PINBlockFormat.ISO_4, format4.primary_account_number
    if (format3 := attributes.iso_format3) is not None:
        return PINBlockFormat.ISO_3, format3.primary_account_number
    if (as2805 := attributes.as2805_format0) is not None:
        return PINBlockFormat.ISO_0, as2805.primary_account_number
    if attributes.iso_format1 is not None:
        return PINBlockFormat.ISO_1, None
    raise InvalidRequestError("TranslationAttributes: exactly one format is expected")

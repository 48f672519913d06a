"""VerifyPinData: whether the PIN in a block is the card's."""

from __future__ import annotations

from keyferry.crypto.pin_block import decrypt_pin_block
from keyferry.crypto.pin_verification import (
    pad_validation_data,
    verify_ibm3624,
    verify_visa_pvv,
)
from keyferry.service.data.context import DataContext
from keyferry.service.data.eligibility import Role
from keyferry.service.data.pin_keys import FORMATS, block_bytes, needs_pan, pin_key
from keyferry.service.data.refusals import refused
from keyferry.service.data.working_keys import KeySource
from keyferry.service.errors import InvalidRequestError
from keyferry.service.operation import DATA
from keyferry.service.wire import data_types as t


@DATA.operation("VerifyPinData", read_only=True)
async def verify_pin_data(
    context: DataContext, request: t.VerifyPinDataInput
) -> t.VerifyPinDataOutput:
    """
    Open the PIN block and compare its PIN.

    Raises:
        PINBlockError: what comes out is no PIN block: another key, PAN or format.
        PINVerificationError: it is one, with another PIN.
    """
    attributes = request.verification_attributes
    verification_key = context.find(request.verification_key_identifier)
    source = KeySource.find(
        context, request.encryption_key_identifier, request.encryption_wrapped_key
    )
    is_visa = attributes.visa_pin is not None
    context.require(verification_key, Role.VERIFY_PVV if is_visa else Role.VERIFY_IBM3624)
    dukpt = request.dukpt_attributes
    pek = await pin_key(
        context,
        source,
        role=Role.DECRYPT_PIN,
        dukpt_role=Role.VERIFY_PIN_DUKPT,
        ksn=None if dukpt is None else dukpt.key_serial_number,
        key_type=None if dukpt is None else dukpt.dukpt_derivation_type,
    )
    pin_format = FORMATS[request.pin_block_format]
    pan = request.primary_account_number
    if is_visa or pin_format.has_pan:
        needs_pan(pan)
    block = block_bytes(request.encrypted_pin_block, pin_format)
    pin = decrypt_pin_block(pek.key, pin_format, block, pan)
    if request.pin_data_length is not None and request.pin_data_length != len(pin):
        raise refused("PinDataLength", "expected the length of the PIN")
    pvk = verification_key.tdes_key()
    if (visa := attributes.visa_pin) is not None:
        verify_visa_pvv(
            pvk,
            pan=needs_pan(pan),
            pvki=str(visa.pin_verification_key_index),
            pin=pin,
            pvv=visa.verification_value,
        )
    elif (ibm := attributes.ibm3624_pin) is not None:
        verify_ibm3624(
            pvk,
            decimalization_table=ibm.decimalization_table,
            validation_data=pad_validation_data(
                ibm.pin_validation_data, ibm.pin_validation_data_pad_character
            ),
            offset=ibm.pin_offset,
            pin=pin,
        )
    else:
        raise InvalidRequestError("VerificationAttributes: exactly one method is expected")
    return t.VerifyPinDataOutput(
        verification_key_arn=verification_key.arn,
        verification_key_check_value=verification_key.check_value,
        encryption_key_arn=pek.arn,
        encryption_key_check_value=pek.check_value,
    )

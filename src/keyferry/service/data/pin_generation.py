"""GeneratePinData: PINs, PIN verification values and offsets."""

from __future__ import annotations

from dataclasses import dataclass

from keyferry.crypto.digits import random_digits
from keyferry.crypto.pin_block import PINBlockFormat, decrypt_pin_block, encrypt_pin_block
from keyferry.crypto.pin_verification import (
    ibm3624_natural_pin,
    ibm3624_offset,
    ibm3624_pin_from_offset,
    ibm3624_random_pin,
    pad_validation_data,
    visa_pvv,
)
from keyferry.crypto.tdes_key import TDESKey
from keyferry.service.data.context import DataContext
from keyferry.service.data.eligibility import Role
from keyferry.service.data.pin_keys import FORMATS, block_bytes, needs_pan, pin_key
from keyferry.service.data.refusals import refused
from keyferry.service.data.working_keys import KeySource, WorkingKey
from keyferry.service.errors import InvalidRequestError
from keyferry.service.operation import DATA
from keyferry.service.wire import data_types as t

DEFAULT_PIN_DIGITS = 4


@dataclass(slots=True)
class Generated:
    """A PIN block, and what recognises its PIN."""

    block: str  # hex
    data: t.PinData


@dataclass(frozen=True, slots=True, kw_only=True)
class PINKeys:
    """The opened keys of a request, and where its PIN is put or found."""

    pvk: TDESKey  # PIN verification key
    pek: WorkingKey
    pin_format: PINBlockFormat
    pan: str | None

    def encrypted(self, pin: str) -> str:
        """A fresh block with a PIN, upper-case hex."""
        return encrypt_pin_block(self.pek.key, self.pin_format, pin, self.pan).hex().upper()

    def decrypted(self, block: str) -> str:
        """The PIN in a block; PINBlockError if there is none."""
        data = block_bytes(block, self.pin_format)
        return decrypt_pin_block(self.pek.key, self.pin_format, data, self.pan)


@DATA.operation("GeneratePinData", read_only=True)
async def generate_pin_data(
    context: DataContext, request: t.GeneratePinDataInput
) -> t.GeneratePinDataOutput:
    """
    Make a PIN, or take one from a block, and compute what recognises it.

    A PIN that comes in a block needs a key that decrypts, one that is made a key that encrypts.
    """
    attributes = request.generation_attributes
    generation_key = context.find(request.generation_key_identifier)
    source = KeySource.find(
        context, request.encryption_key_identifier, request.encryption_wrapped_key
    )
    is_visa = (attributes.visa_pin or attributes.visa_pin_verification_value) is not None
    context.require(generation_key, Role.GENERATE_PVV if is_visa else Role.GENERATE_IBM3624)
    consumes = (attributes.visa_pin_verification_value or attributes.ibm3624_pin_offset) is not None
    pek = await pin_key(context, source, role=Role.DECRYPT_PIN if consumes else Role.ENCRYPT_PIN)
    pin_format = FORMATS[request.pin_block_format]
    pan = request.primary_account_number
    if is_visa or pin_format.has_pan:
        needs_pan(pan)
    keys = PINKeys(pvk=generation_key.tdes_key(), pek=pek, pin_format=pin_format, pan=pan)
    generated = _visa(keys, request) if is_visa else _ibm3624(keys, request)
    return t.GeneratePinDataOutput(
        generation_key_arn=generation_key.arn,
        generation_key_check_value=generation_key.check_value,
        encryption_key_arn=pek.arn,
        encryption_key_check_value=pek.check_value,
        encrypted_pin_block=generated.block,
        pin_data=generated.data,
    )


def _visa(keys: PINKeys, request: t.GeneratePinDataInput) -> Generated:
    """A random PIN, or one from a block, with its PVV."""
    attributes = request.generation_attributes
    if (given := attributes.visa_pin_verification_value) is not None:
        pin, block = keys.decrypted(given.encrypted_pin_block), given.encrypted_pin_block.upper()
        index = given.pin_verification_key_index
    elif (made := attributes.visa_pin) is not None:
        pin = random_digits(request.pin_data_length or DEFAULT_PIN_DIGITS)
        block, index = keys.encrypted(pin), made.pin_verification_key_index
    else:
        raise InvalidRequestError("GenerationAttributes: exactly one method is expected")
    pvv = visa_pvv(keys.pvk, pan=needs_pan(keys.pan), pvki=str(index), pin=pin)
    return Generated(block, t.PinData(verification_value=pvv))


def _ibm3624(keys: PINKeys, request: t.GeneratePinDataInput) -> Generated:
    """A PIN by IBM 3624 with its offset; that of the natural PIN is zeros."""
    attributes = request.generation_attributes
    digits = request.pin_data_length
    if (natural := attributes.ibm3624_natural_pin) is not None:
        pin = ibm3624_natural_pin(
            keys.pvk,
            decimalization_table=natural.decimalization_table,
            validation_data=_validation_data(natural),
            size=digits or DEFAULT_PIN_DIGITS,
        )
        return Generated(keys.encrypted(pin), t.PinData(pin_offset="0" * len(pin)))
    if (random := attributes.ibm3624_random_pin) is not None:
        pin, offset = ibm3624_random_pin(
            keys.pvk,
            decimalization_table=random.decimalization_table,
            validation_data=_validation_data(random),
            size=digits or DEFAULT_PIN_DIGITS,
        )
        return Generated(keys.encrypted(pin), t.PinData(pin_offset=offset))
    if (from_offset := attributes.ibm3624_pin_from_offset) is not None:
        offset = from_offset.pin_offset
        if digits is not None and digits != len(offset):
            raise refused("PinDataLength", "expected the length of PinOffset")
        pin = ibm3624_pin_from_offset(
            keys.pvk,
            decimalization_table=from_offset.decimalization_table,
            validation_data=_validation_data(from_offset),
            offset=offset,
        )
        return Generated(keys.encrypted(pin), t.PinData(pin_offset=offset))
    if (to_offset := attributes.ibm3624_pin_offset) is not None:
        offset = ibm3624_offset(
            keys.pvk,
            decimalization_table=to_offset.decimalization_table,
            validation_data=_validation_data(to_offset),
            pin=keys.decrypted(to_offset.encrypted_pin_block),
        )
        block = to_offset.encrypted_pin_block.upper()
        return Generated(block, t.PinData(pin_offset=offset))
    raise InvalidRequestError("GenerationAttributes: exactly one method is expected")


def _validation_data(
    attributes: t.Ibm3624NaturalPin
    | t.Ibm3624RandomPin
    | t.Ibm3624PinFromOffset
    | t.Ibm3624PinOffset,
) -> str:
    return pad_validation_data(
        attributes.pin_validation_data, attributes.pin_validation_data_pad_character
    )

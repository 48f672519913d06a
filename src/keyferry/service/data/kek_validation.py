"""GenerateAs2805KekValidation: two nodes convince each other that they hold the same KEK."""

from __future__ import annotations

from keyferry.crypto.as2805 import (
    ValidationMask,
    kek_validation_request,
    kek_validation_response,
)
from keyferry.service.data.context import DataContext
from keyferry.service.data.eligibility import Role
from keyferry.service.data.refusals import refused
from keyferry.service.errors import InvalidRequestError
from keyferry.service.operation import DATA
from keyferry.service.wire import data_types as t

_RANDOM_KEY_BYTES = {"TDES_2KEY": 16, "TDES_3KEY": 24}
_LIMITS = {"BYTES_8": 8, "BYTES_16": 16, "BYTES_24": 24}


@DATA.operation("GenerateAs2805KekValidation", read_only=True)
async def generate_as2805_kek_validation(
    context: DataContext, request: t.GenerateAs2805KekValidationInput
) -> t.GenerateAs2805KekValidationOutput:
    """
    Make a random key and what the partner must answer, or answer the partner's.

    Nobody is told here whether the KEKs are the same: the nodes compare RandomKeyReceive.
    """
    key = context.require(context.find(request.key_identifier), Role.VALIDATE_KEK)
    mask = ValidationMask[request.random_key_send_variant_mask]
    asked = request.kek_validation_type
    if (begun := asked.kek_validation_request) is not None:
        size = _RANDOM_KEY_BYTES.get(begun.derive_key_algorithm)
        if size is None:
            raise refused("DeriveKeyAlgorithm", "expected TDES_2KEY or TDES_3KEY")
        if begun.random_key_max_length is not None:
            size = min(size, _LIMITS[begun.random_key_max_length])
        with key.material() as kek:
            send, receive = kek_validation_request(kek.reveal(), random_key_bytes=size, mask=mask)
        sent = send.hex().upper()
    elif (answered := asked.kek_validation_response) is not None:
        sent = answered.random_key_send.upper()
        with key.material() as kek:
            receive = kek_validation_response(kek.reveal(), bytes.fromhex(sent), mask=mask)
    else:
        raise InvalidRequestError("KekValidationType: exactly one is expected")
    return t.GenerateAs2805KekValidationOutput(
        key_arn=key.arn,
        key_check_value=key.check_value,
        random_key_send=sent,
        random_key_receive=receive.hex().upper(),
    )

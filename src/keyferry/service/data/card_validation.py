"""GenerateCardValidationData, VerifyCardValidationData: CVV and its family."""

from __future__ import annotations

from collections.abc import Callable

from keyferry.crypto.card_verification import (
    CVV2_SERVICE_CODE,
    CSCVersion,
    amex_csc,
    atc_digits,
    cardholder_value,
    check_card_value,
    cvc3,
    cvv,
    dcvv,
)
from keyferry.crypto.emv import derive_icc_master_key
from keyferry.crypto.tdes_key import TDESKey
from keyferry.service.data.context import DataContext
from keyferry.service.data.eligibility import Role
from keyferry.service.data.refusals import refused
from keyferry.service.errors import InvalidRequestError
from keyferry.service.opened_keys import OpenedKey
from keyferry.service.operation import DATA
from keyferry.service.wire import data_types as t

DEFAULT_DIGITS = 3

Attributes = t.CardGenerationAttributes | t.CardVerificationAttributes
# From the PAN and the number of digits to the value.
Compute = Callable[[str, int], str]


@DATA.operation("GenerateCardValidationData", read_only=True)
async def generate_card_validation_data(
    context: DataContext, request: t.GenerateCardValidationDataInput
) -> t.GenerateCardValidationDataOutput:
    """Compute a card value; of 3 digits unless asked for more."""
    key = context.find(request.key_identifier)
    compute = _computation(context, key, request.generation_attributes, verifies=False)
    value = compute(
        request.primary_account_number, request.validation_data_length or DEFAULT_DIGITS
    )
    return t.GenerateCardValidationDataOutput(
        key_arn=key.arn, key_check_value=key.check_value, validation_data=value
    )


@DATA.operation("VerifyCardValidationData", read_only=True)
async def verify_card_validation_data(
    context: DataContext, request: t.VerifyCardValidationDataInput
) -> t.VerifyCardValidationDataOutput:
    """
    Compute the value with as many digits as the caller sent and compare.

    Raises:
        CardDataVerificationError: it is another one.
    """
    key = context.find(request.key_identifier)
    attributes = request.verification_attributes
    if attributes.discover_dynamic_card_verification_code is not None:
        key.require_usable()
        raise refused(
            "DiscoverDynamicCardVerificationCode", "not supported: its algorithm is not public"
        )
    compute = _computation(context, key, attributes, verifies=True)
    value = request.validation_data
    check_card_value(compute(request.primary_account_number, len(value)), value)
    return t.VerifyCardValidationDataOutput(key_arn=key.arn, key_check_value=key.check_value)


def _computation(
    context: DataContext, key: OpenedKey, attributes: Attributes, *, verifies: bool
) -> Compute:
    """Check that the key is one for the attributes, and return what computes their value."""
    if (v1 := attributes.card_verification_value1) is not None:
        cvk = _cvk(context, key, verifies=verifies)
        return lambda pan, digits: cvv(
            cvk,
            pan=pan,
            expiry=v1.card_expiry_date,
            service_code=v1.service_code,
            size=digits,
        )
    if (v2 := attributes.card_verification_value2) is not None:
        cvk = _cvk(context, key, verifies=verifies)
        return lambda pan, digits: cvv(
            cvk,
            pan=pan,
            expiry=v2.card_expiry_date,
            service_code=CVV2_SERVICE_CODE,
            size=digits,
        )
    csc_role = Role.VERIFY_CSC if verifies else Role.GENERATE_CSC
    if (csc1 := attributes.amex_card_security_code_version1) is not None:
        csck = context.require(key, csc_role).tdes_key()
        return lambda pan, digits: amex_csc(
            csck, pan=pan, expiry=csc1.card_expiry_date, size=digits
        )
    if (csc2 := attributes.amex_card_security_code_version2) is not None:
        csck = context.require(key, csc_role).tdes_key()
        return lambda pan, digits: amex_csc(
            csck,
            pan=pan,
            expiry=csc2.card_expiry_date,
            version=CSCVersion.V2,
            service_code=csc2.service_code,
            size=digits,
        )
    return _dynamic_computation(context, key, attributes)


def _cvk(context: DataContext, key: OpenedKey, *, verifies: bool) -> TDESKey:
    return context.require(key, Role.VERIFY_CVV if verifies else Role.GENERATE_CVV).tdes_key()


def _dynamic_computation(context: DataContext, key: OpenedKey, attributes: Attributes) -> Compute:
    """The values of chips, under a key derived for the card: option A, as no member says else."""
    if (dynamic := attributes.dynamic_card_verification_value) is not None:
        imk = context.require(key, Role.DYNAMIC_CVV).tdes_key()
        return lambda pan, digits: dcvv(
            TDESKey(derive_icc_master_key(imk, pan=pan, psn=dynamic.pan_sequence_number)),
            pan=pan,
            expiry=dynamic.card_expiry_date,
            service_code=dynamic.service_code,
            atc=atc_digits(_number(dynamic.application_transaction_counter, 2)),
            size=digits,
        )
    if (code := attributes.dynamic_card_verification_code) is not None:
        imk = context.require(key, Role.DYNAMIC_CVC).tdes_key()
        return lambda pan, digits: cvc3(
            TDESKey(derive_icc_master_key(imk, pan=pan, psn=code.pan_sequence_number)),
            track=_track(code.track_data),
            unpredictable_number=_number(code.unpredictable_number, 4),
            atc=_number(code.application_transaction_counter, 2),
            size=digits,
        )
    if (holder := attributes.card_holder_verification_value) is not None:
        imk = context.require(key, Role.CARDHOLDER_VALUE).tdes_key()
        return lambda pan, digits: cardholder_value(
            TDESKey(derive_icc_master_key(imk, pan=pan, psn=holder.pan_sequence_number)),
            unpredictable_number=_number(holder.unpredictable_number, 4),
            atc=_number(holder.application_transaction_counter, 2),
            size=digits,
        )
    raise InvalidRequestError("exactly one kind of card data is expected")


def _number(digits: str, size: int) -> bytes:
    """Hex digits of a number, of which leading zeros may be left out, as `size` bytes."""
    return int(digits, 16).to_bytes(size)


def _track(digits: str) -> bytes:
    """Track data as bytes; an odd number of digits is filled with F, as on the card."""
    return bytes.fromhex(digits + "F" * (len(digits) % 2))

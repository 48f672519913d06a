"""GenerateMacEmvPinChange: a new PIN on its way into a chip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keyferry.crypto.emv import (
    EMV2000_FRAMING,
    MASTERCARD_FRAMING,
    VISA_FRAMING,
    ScriptFraming,
    ScriptMode,
    derive_common_session_key,
    derive_emv2000_session_key,
    derive_visa_script_key,
    make_pin_change,
    visa_pin_block,
)
from keyferry.crypto.padding import Padding
from keyferry.crypto.pin_block import PINBlockFormat, decrypt_pin_block, encode_pin_block
from keyferry.crypto.tdes_key import TDESKey
from keyferry.service.data.context import DataContext
from keyferry.service.data.eligibility import Role
from keyferry.service.data.emv_keys import icc_master_key
from keyferry.service.data.pin_keys import FORMATS, block_bytes
from keyferry.service.data.refusals import refused
from keyferry.service.errors import InvalidRequestError
from keyferry.service.opened_keys import OpenedKey
from keyferry.service.operation import DATA
from keyferry.service.wire import data_types as t

Card = (
    t.EmvCommonAttributes
    | t.MasterCardAttributes
    | t.Emv2000Attributes
    | t.VisaAttributes
    | t.AmexAttributes
)
VisaOrAmex = t.VisaAttributes | t.AmexAttributes
SessionKey = Callable[[bytes, bytes], bytes]  # from master key and what differs by transaction


@dataclass(frozen=True, slots=True)
class Method:
    """How a scheme secures a script."""

    derive: SessionKey
    diversifier: bytes
    framing: ScriptFraming


@DATA.operation("GenerateMacEmvPinChange", read_only=True)
async def generate_mac_emv_pin_change(
    context: DataContext, request: t.GenerateMacEmvPinChangeInput
) -> t.GenerateMacEmvPinChangeOutput:
    """
    Take the PIN out of its block, lay it out for the card, encrypt it and authenticate the script.

    The answer's EncryptedPinBlock is under the card's key, not under the PEK.
    """
    pek = context.find(request.new_pin_pek_identifier)
    integrity = context.find(request.secure_messaging_integrity_key_identifier)
    confidentiality = context.find(request.secure_messaging_confidentiality_key_identifier)
    attributes = request.derivation_method_attributes
    visa_amex = attributes.visa or attributes.amex
    cryptogram_key = current_pek = None
    if visa_amex is not None:
        cryptogram_key = context.find(visa_amex.authorization_request_key_identifier)
        if (current := visa_amex.current_pin_attributes) is not None:
            current_pek = context.find(current.current_pin_pek_identifier)

    context.require(pek, Role.SCRIPT_PIN_KEY)
    context.require(integrity, Role.SCRIPT_INTEGRITY)
    context.require(confidentiality, Role.SCRIPT_CONFIDENTIALITY)
    if cryptogram_key is not None:
        context.require(cryptogram_key, Role.SCRIPT_CRYPTOGRAM)
    if current_pek is not None:
        context.require(current_pek, Role.SCRIPT_PIN_KEY)

    card, method = _method(attributes)

    def master_key(key: OpenedKey) -> bytes:
        return icc_master_key(
            key.tdes_key(),
            mode=card.major_key_derivation_mode,
            pan=card.primary_account_number,
            psn=card.pan_sequence_number,
        )

    def session_key(key: OpenedKey) -> TDESKey:
        return TDESKey(method.derive(master_key(key), method.diversifier))

    pin_format = FORMATS[request.pin_block_format]

    def pin_of(key: OpenedKey, block: str) -> str:
        data = block_bytes(block, pin_format)
        return decrypt_pin_block(key.cipher_key(), pin_format, data, card.primary_account_number)

    confidentiality_key, integrity_key = session_key(confidentiality), session_key(integrity)
    pin = pin_of(pek, request.new_encrypted_pin_block)
    if visa_amex is None or cryptogram_key is None:
        block = encode_pin_block(PINBlockFormat.ISO_2, pin)
    else:
        current = visa_amex.current_pin_attributes
        current_pin = None
        if current is not None and current_pek is not None:
            current_pin = pin_of(current_pek, current.current_encrypted_pin_block)
        block = visa_pin_block(master_key(cryptogram_key), pin, current_pin=current_pin)
    change = make_pin_change(
        confidentiality_key=confidentiality_key,
        integrity_key=integrity_key,
        pin_block=block,
        framing=method.framing,
        header=bytes.fromhex(request.message_data),
    )
    return t.GenerateMacEmvPinChangeOutput(
        new_pin_pek_arn=pek.arn,
        secure_messaging_integrity_key_arn=integrity.arn,
        secure_messaging_confidentiality_key_arn=confidentiality.arn,
        mac=change.mac.hex().upper(),
        encrypted_pin_block=change.encrypted_pin_block.hex().upper(),
        new_pin_pek_key_check_value=pek.check_value,
        secure_messaging_integrity_key_check_value=integrity.check_value,
        secure_messaging_confidentiality_key_check_value=confidentiality.check_value,
        visa_amex_derivation_outputs=_visa_amex_outputs(cryptogram_key, current_pek),
    )


def _method(attributes: t.DerivationMethodAttributes) -> tuple[Card, Method]:
    if (common := attributes.emv_common) is not None:
        cryptogram = bytes.fromhex(common.application_cryptogram)
        return common, Method(derive_common_session_key, cryptogram, _common_framing(common))
    if (mastercard := attributes.mastercard) is not None:
        cryptogram = bytes.fromhex(mastercard.application_cryptogram)
        return mastercard, Method(derive_common_session_key, cryptogram, MASTERCARD_FRAMING)
    if (emv2000 := attributes.emv2000) is not None:
        atc = bytes.fromhex(emv2000.application_transaction_counter)
        return emv2000, Method(derive_emv2000_session_key, atc, EMV2000_FRAMING)
    if (visa_amex := attributes.visa or attributes.amex) is not None:
        # That Amex frames its block as Visa does is inferred.
        atc = bytes.fromhex(visa_amex.application_transaction_counter)
        return visa_amex, Method(derive_visa_script_key, atc, VISA_FRAMING)
    raise InvalidRequestError("DerivationMethodAttributes: exactly one method is expected")


def _common_framing(attributes: t.EmvCommonAttributes) -> ScriptFraming:
    has_length = attributes.pin_block_length_position == "FRONT_OF_PIN_BLOCK"
    is_padded = attributes.pin_block_padding_type == "ISO_IEC_7816_4"
    if has_length and not is_padded:
        raise refused(
            "PinBlockPaddingType", "expected ISO_IEC_7816_4 with a length in front of the PIN block"
        )
    return ScriptFraming(
        has_length=has_length,
        padding=Padding.METHOD_2 if is_padded else Padding.NONE,
        mode=ScriptMode(attributes.mode),
    )


def _visa_amex_outputs(
    cryptogram_key: OpenedKey | None, current_pek: OpenedKey | None
) -> t.VisaAmexDerivationOutputs | None:
    if cryptogram_key is None:
        return None
    return t.VisaAmexDerivationOutputs(
        authorization_request_key_arn=cryptogram_key.arn,
        authorization_request_key_check_value=cryptogram_key.check_value,
        current_pin_pek_arn=None if current_pek is None else current_pek.arn,
        current_pin_pek_key_check_value=None if current_pek is None else current_pek.check_value,
    )

"""GenerateAuthRequestCryptogram, VerifyAuthRequestCryptogram: ARQC, and the issuer's answer."""

from __future__ import annotations

from dataclasses import dataclass

from keyferry.crypto.emv import (
    arpc_method1,
    arpc_method2,
    common_diversifier,
    derive_common_session_key,
    derive_emv2000_session_key,
    derive_unionpay_session_key,
    generate_arqc,
    verify_arqc,
)
from keyferry.crypto.tdes_key import TDESKey
from keyferry.service.data.context import DataContext
from keyferry.service.data.eligibility import Role
from keyferry.service.data.emv_keys import icc_master_key
from keyferry.service.data.refusals import refused
from keyferry.service.errors import InvalidRequestError
from keyferry.service.opened_keys import OpenedKey
from keyferry.service.operation import DATA
from keyferry.service.wire import data_types as t


@dataclass(frozen=True, slots=True)
class CardKeys:
    """The keys of one transaction: for the request, and for the answer."""

    request: TDESKey
    answer: TDESKey


@DATA.operation("GenerateAuthRequestCryptogram", read_only=True)
async def generate_auth_request_cryptogram(
    context: DataContext, request: t.GenerateAuthRequestCryptogramInput
) -> t.GenerateAuthRequestCryptogramOutput:
    """Compute the ARQC a card would send; for tests of issuers."""
    key = context.require(context.find(request.key_identifier), Role.CRYPTOGRAM)
    data = _transaction_data(request.transaction_data)
    keys = _card_keys(
        key, request.major_key_derivation_mode, request.session_key_derivation_attributes
    )
    return t.GenerateAuthRequestCryptogramOutput(
        key_arn=key.arn,
        key_check_value=key.check_value,
        auth_request_cryptogram=generate_arqc(keys.request, data).hex().upper(),
    )


@DATA.operation("VerifyAuthRequestCryptogram", read_only=True)
async def verify_auth_request_cryptogram(
    context: DataContext, request: t.VerifyAuthRequestCryptogramInput
) -> t.VerifyAuthRequestCryptogramOutput:
    """
    Compare the ARQC with what the card should have sent, and make the answer if one is wanted.

    Raises:
        CryptogramVerificationError: it is another one.
    """
    key = context.require(context.find(request.key_identifier), Role.CRYPTOGRAM)
    data = _transaction_data(request.transaction_data)
    attributes = request.auth_response_attributes
    method2 = None if attributes is None else attributes.arpc_method2
    if method2 is not None and len(method2.proprietary_authentication_data or "") % 2:
        raise refused("ProprietaryAuthenticationData", "expected an even number of hex digits")
    keys = _card_keys(
        key, request.major_key_derivation_mode, request.session_key_derivation_attributes
    )
    arqc = bytes.fromhex(request.auth_request_cryptogram)
    verify_arqc(keys.request, arqc, data)
    return t.VerifyAuthRequestCryptogramOutput(
        key_arn=key.arn,
        key_check_value=key.check_value,
        auth_response_value=_auth_response(keys.answer, arqc, attributes),
    )


def _transaction_data(digits: str) -> bytes:
    """Whole blocks: the scheme decides how data is padded, so the caller has done it."""
    if len(digits) % 16:
        raise refused("TransactionData", "expected whole blocks of 16 hex digits")
    return bytes.fromhex(digits)


def _card_keys(key: OpenedKey, mode: str, session: t.SessionKeyDerivation) -> CardKeys:
    """Derive the keys of the card and its transaction by the scheme's method."""
    imk = key.tdes_key()
    if (common := session.emv_common) is not None:
        master = _master_key(imk, mode, common)
        diversifier = common_diversifier(bytes.fromhex(common.application_transaction_counter))
        return _same(TDESKey(derive_common_session_key(master, diversifier)))
    if (mastercard := session.mastercard) is not None:
        master = _master_key(imk, mode, mastercard)
        diversifier = common_diversifier(
            bytes.fromhex(mastercard.application_transaction_counter),
            bytes.fromhex(mastercard.unpredictable_number),
        )
        # Issuers of Mastercard answer under the card's own key; that this service does so too is
        # not documented.
        return CardKeys(TDESKey(derive_common_session_key(master, diversifier)), TDESKey(master))
    if (emv2000 := session.emv2000) is not None:
        master = _master_key(imk, mode, emv2000)
        atc = bytes.fromhex(emv2000.application_transaction_counter)
        return _same(TDESKey(derive_emv2000_session_key(master, atc)))
    if (union_pay := session.union_pay) is not None:
        master = _master_key(imk, mode, union_pay)
        atc = bytes.fromhex(union_pay.application_transaction_counter)
        return _same(TDESKey(derive_unionpay_session_key(master, atc)))
    card = session.visa or session.amex
    if card is None:
        raise InvalidRequestError("SessionKeyDerivationAttributes: exactly one is expected")
    return _same(TDESKey(_master_key(imk, mode, card)))


def _same(key: TDESKey) -> CardKeys:
    return CardKeys(key, key)


def _master_key(
    imk: TDESKey,
    mode: str,
    card: t.SessionKeyEmvCommon
    | t.SessionKeyMastercard
    | t.SessionKeyEmv2000
    | t.SessionKeyUnionPay
    | t.SessionKeyVisa
    | t.SessionKeyAmex,
) -> bytes:
    return icc_master_key(
        imk, mode=mode, pan=card.primary_account_number, psn=card.pan_sequence_number
    )


def _auth_response(
    key: TDESKey, arqc: bytes, attributes: t.CryptogramAuthResponse | None
) -> str | None:
    if attributes is None:
        return None
    if (method1 := attributes.arpc_method1) is not None:
        arc = bytes.fromhex(method1.auth_response_code)
        return arpc_method1(key, arqc=arqc, arc=arc).hex().upper()
    if (method2 := attributes.arpc_method2) is not None:
        value = arpc_method2(
            key,
            arqc=arqc,
            csu=bytes.fromhex(method2.card_status_update),
            proprietary_data=bytes.fromhex(method2.proprietary_authentication_data or ""),
        )
        return value.hex().upper()
    raise InvalidRequestError("AuthResponseAttributes: exactly one method is expected")

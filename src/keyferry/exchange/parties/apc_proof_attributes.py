"""The attributes with which the data plane computes a proof by use, and verifies it alike."""

from __future__ import annotations

from typing import Any

from keyferry.exchange.proof_kinds import (
    AES_KSN,
    ATC,
    DECIMALIZATION_TABLE,
    EXPIRY,
    KSN,
    MAC_ALGORITHMS,
    PAN,
    PSN,
    PVKI,
    SERVICE_CODE,
    SESSION_DATA,
    TRACK_DATA,
    TRANSACTION_DATA,
    UNPREDICTABLE_NUMBER,
    VALIDATION_DATA,
    ProofKind,
    UsedKey,
)

_IBM = {
    "DecimalizationTable": DECIMALIZATION_TABLE,
    "PinValidationData": VALIDATION_DATA,
    "PinValidationDataPadCharacter": "F",
}


def card_value(kind: ProofKind) -> dict[str, Any]:
    """Which card value: the same members generate and verify it."""
    if kind is ProofKind.CVV:
        return {"CardVerificationValue1": {"CardExpiryDate": EXPIRY, "ServiceCode": SERVICE_CODE}}
    if kind is ProofKind.CSC:
        return {"AmexCardSecurityCodeVersion1": {"CardExpiryDate": EXPIRY}}
    if kind is ProofKind.CVC3:
        return {
            "DynamicCardVerificationCode": {
                "UnpredictableNumber": UNPREDICTABLE_NUMBER,
                "PanSequenceNumber": PSN,
                "ApplicationTransactionCounter": ATC,
                "TrackData": TRACK_DATA,
            }
        }
    return {
        "DynamicCardVerificationValue": {
            "PanSequenceNumber": PSN,
            "CardExpiryDate": EXPIRY,
            "ServiceCode": SERVICE_CODE,
            "ApplicationTransactionCounter": ATC,
        }
    }


def mac(kind: ProofKind, key: UsedKey) -> dict[str, Any]:
    """Which MAC: of the key's usage, of a transaction, or of an issuer script."""
    if kind is ProofKind.MAC:
        return {"Algorithm": MAC_ALGORITHMS[key.usage]}
    if kind is ProofKind.TRANSACTION_MAC:
        name = "DukptCmac" if key.is_aes else "DukptIso9797Algorithm3"
        return {
            name: {
                "KeySerialNumber": AES_KSN if key.is_aes else KSN,
                "DukptKeyVariant": "REQUEST",
                "DukptDerivationType": key.algorithms[0].value,
            }
        }
    # A payShield that verifies ARQC and script MAC together does so the way of Visa.
    common = kind is ProofKind.SCRIPT_MAC
    return {
        "EmvMac": {
            "MajorKeyDerivationMode": "EMV_OPTION_A",
            "PrimaryAccountNumber": PAN,
            "PanSequenceNumber": PSN,
            "SessionKeyDerivationMode": "EMV_COMMON_SESSION_KEY" if common else "VISA",
            "SessionKeyDerivationValue": {"ApplicationCryptogram": SESSION_DATA}
            if common
            else {"ApplicationTransactionCounter": ATC},
        }
    }


def decryption(kind: ProofKind, key: UsedKey) -> dict[str, Any]:
    """How data is encrypted and decrypted: in CBC from a zero vector."""
    if kind is ProofKind.SCRIPT_PIN_BLOCK:
        return {
            "Emv": {
                "MajorKeyDerivationMode": "EMV_OPTION_A",
                "PrimaryAccountNumber": PAN,
                "PanSequenceNumber": PSN,
                "SessionDerivationData": SESSION_DATA,
                "Mode": "CBC",
                "InitializationVector": "00" * 8,
            }
        }
    return {"Symmetric": {"Mode": "CBC", "InitializationVector": "00" * (16 if key.is_aes else 8)}}


def transaction() -> dict[str, Any]:
    """A card's transaction, whose cryptogram is made under the card's own key (Visa CVN 10)."""
    return {
        "TransactionData": TRANSACTION_DATA.hex().upper(),
        "MajorKeyDerivationMode": "EMV_OPTION_A",
        "SessionKeyDerivationAttributes": {
            "Visa": {"PrimaryAccountNumber": PAN, "PanSequenceNumber": PSN}
        },
    }


def pin_generation(kind: ProofKind) -> dict[str, Any]:
    """What comes with a random PIN: its PVV, or its offset."""
    if kind is ProofKind.PVV:
        return {"VisaPin": {"PinVerificationKeyIndex": int(PVKI)}}
    return {"Ibm3624RandomPin": _IBM}


def pin_verification(kind: ProofKind, value: str) -> dict[str, Any]:
    """What a PIN is held against."""
    if kind is ProofKind.PVV:
        return {"VisaPin": {"PinVerificationKeyIndex": int(PVKI), "VerificationValue": value}}
    return {"Ibm3624Pin": {**_IBM, "PinOffset": value}}


def pin_format(*, aes: bool) -> dict[str, Any]:
    """Format 4 under AES, format 0 under TDES."""
    return {"IsoFormat4" if aes else "IsoFormat0": {"PrimaryAccountNumber": PAN}}


def transaction_pin(key: UsedKey) -> dict[str, Any]:
    """Whose transaction a PIN block is of."""
    return {
        "KeySerialNumber": AES_KSN if key.is_aes else KSN,
        "DukptKeyDerivationType": key.algorithms[0].value,
    }

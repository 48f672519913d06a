"""
An issuer's card service on AWS Payment Cryptography: issue a card, judge a purchase, mail a PIN.

It knows keys by alias and never sees a PIN: PINs are made, checked and passed on as encrypted PIN
blocks. Clients are plain boto3, so the environment decides whether it talks to AWS or to keyferry.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import Any

import boto3

CVK = "alias/card-service/cvk"  # makes and checks the values on stripe, chip and back of a card
PVK = "alias/card-service/pvk"  # makes and checks PIN verification values
PEK = "alias/card-service/pek"  # PIN blocks at rest, and those that acquirers send
PRINTER = "alias/card-service/printer"  # PIN blocks on their way to the PIN mailer

STRIPE, CHIP = "201", "999"  # service codes: of the stripe, and the one that stands for iCVV
PVV_INDEX = 1

_TDES_KEYS = {
    CVK: ("TR31_C0_CARD_VERIFICATION_KEY", ("Generate", "Verify")),
    PVK: ("TR31_V2_VISA_PIN_VERIFICATION_KEY", ("Generate", "Verify")),
    PEK: ("TR31_P0_PIN_ENCRYPTION_KEY", ("Encrypt", "Decrypt", "Wrap", "Unwrap")),
    PRINTER: ("TR31_P0_PIN_ENCRYPTION_KEY", ("Encrypt", "Decrypt", "Wrap", "Unwrap")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What the card management system keeps of a card; the PIN is under the PEK."""

    pan: str
    expiry: str  # YYMM, as on the stripe
    cvv: str
    icvv: str
    cvv2: str
    pvv: str
    pin_block: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """What an acquirer sends; the PIN block is of ISO format 0, under the PEK."""

    expiry: str
    cvv: str
    pin_block: str


class CardService:
    """The three things an issuer does all day."""

    def __init__(self, data: Any = None) -> None:
        self._data = data if data is not None else boto3.client("payment-cryptography-data")

    def issue(self, pan: str, expiry: str) -> Card:
        """Issue a card with a random PIN of four digits."""
        pin = self._data.generate_pin_data(
            GenerationKeyIdentifier=PVK,
            EncryptionKeyIdentifier=PEK,
            GenerationAttributes={"VisaPin": {"PinVerificationKeyIndex": PVV_INDEX}},
            PrimaryAccountNumber=pan,
            PinBlockFormat="ISO_FORMAT_0",
            PinDataLength=4,
        )
        return Card(
            pan=pan,
            expiry=expiry,
            cvv=self._cvv(pan, expiry, STRIPE),
            icvv=self._cvv(pan, expiry, CHIP),
            cvv2=self._cvv2(pan, expiry),
            pvv=pin["PinData"]["VerificationValue"],
            pin_block=pin["EncryptedPinBlock"],
        )

    def refusal(self, card: Card, purchase: Purchase) -> str | None:
        """Judge a purchase with stripe and PIN: the reason to refuse it, or None."""
        if purchase.expiry != card.expiry:
            return "expiry"
        failed = self._data.exceptions.VerificationFailedException
        try:
            self._data.verify_card_validation_data(
                KeyIdentifier=CVK,
                PrimaryAccountNumber=card.pan,
                VerificationAttributes={
                    "CardVerificationValue1": {
                        "CardExpiryDate": card.expiry,
                        "ServiceCode": STRIPE,
                    }
                },
                ValidationData=purchase.cvv,
            )
        except failed:
            return "card data"
        try:
            self._data.verify_pin_data(
                VerificationKeyIdentifier=PVK,
                EncryptionKeyIdentifier=PEK,
                VerificationAttributes={
                    "VisaPin": {
                        "PinVerificationKeyIndex": PVV_INDEX,
                        "VerificationValue": card.pvv,
                    }
                },
                EncryptedPinBlock=purchase.pin_block,
                PrimaryAccountNumber=card.pan,
                PinBlockFormat="ISO_FORMAT_0",
            )
        except failed:
            return "PIN"
        except self._data.exceptions.ValidationException:
            # Another key, another card or noise: not a wrong PIN, which would count as a try.
            return "PIN block"
        return None

    def mail_pin(self, card: Card) -> str:
        """Return the PIN of a card as the printer of PIN mailers reads it (ISO format 3)."""
        translated = self._data.translate_pin_data(
            IncomingKeyIdentifier=PEK,
            IncomingTranslationAttributes={"IsoFormat0": {"PrimaryAccountNumber": card.pan}},
            OutgoingKeyIdentifier=PRINTER,
            OutgoingTranslationAttributes={"IsoFormat3": {"PrimaryAccountNumber": card.pan}},
            EncryptedPinBlock=card.pin_block,
        )
        pin_block: str = translated["PinBlock"]
        return pin_block

    def _cvv(self, pan: str, expiry: str, service_code: str) -> str:
        attributes = {"CardExpiryDate": expiry, "ServiceCode": service_code}
        return self._validation_data(pan, {"CardVerificationValue1": attributes})

    def _cvv2(self, pan: str, expiry: str) -> str:
        # Printed dates are MMYY, and so is the CVV2 computed.
        attributes = {"CardExpiryDate": expiry[2:] + expiry[:2]}
        return self._validation_data(pan, {"CardVerificationValue2": attributes})

    def _validation_data(self, pan: str, attributes: dict[str, Any]) -> str:
        answer = self._data.generate_card_validation_data(
            KeyIdentifier=CVK, PrimaryAccountNumber=pan, GenerationAttributes=attributes
        )
        value: str = answer["ValidationData"]
        return value


def create_keys(control: Any = None) -> None:
    """Make the keys of the service, once for an account."""
    control = control if control is not None else boto3.client("payment-cryptography")
    for alias, (usage, modes) in _TDES_KEYS.items():
        key = control.create_key(
            KeyAttributes={
                "KeyUsage": usage,
                "KeyClass": "SYMMETRIC_KEY",
                "KeyAlgorithm": "TDES_2KEY",
                "KeyModesOfUse": dict.fromkeys(modes, True),
            },
            Exportable=True,
        )["Key"]
        control.create_alias(AliasName=alias, KeyArn=key["KeyArn"])


def main(arguments: list[str]) -> int:
    """`card_service.py create-keys`, or `card_service.py issue PAN EXPIRY`."""
    match arguments:
        case ["create-keys"]:
            create_keys()
        case ["issue", pan, expiry]:
            sys.stdout.write(json.dumps(asdict(CardService().issue(pan, expiry))) + "\n")
        case _:
            sys.stderr.write(f"usage: {main.__doc__}\n")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

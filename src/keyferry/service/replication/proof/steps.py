"""The operations that prove a key: what each asks for, and what of its answer is the proof."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from keyferry.service.replication.proof.workbench import Subject

Values = Mapping[str, str]
Request = dict[str, Any]
Attributes = Callable[[Values], Request]

_PSN, _ATC = "00", "0001"
_CVV_DIGITS, _CSC_DIGITS = 5, 4  # long ones, so that another key seldom gives the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One operation of the data plane and what its answer gives, as value name → member."""

    operation: str
    request: Callable[[Subject, Values], Request]
    answers: Mapping[str, str] = field(default_factory=dict)

    async def run(self, subject: Subject, values: Values) -> dict[str, str]:
        """Run the operation; KeyferryError as it refuses."""
        answer = await subject.bench.call(self.operation, self.request(subject, values))
        return {name: str(attrgetter(path)(answer)) for name, path in self.answers.items()}


@dataclass(frozen=True, slots=True)
class Pair:
    """What one Region does, and what the other does with the result."""

    make: Step
    check: Step

    @property
    def repeated(self) -> Pair:
        """The first step on both sides, for keys that may do only that."""
        return Pair(self.make, self.make)


def mac(attributes: Attributes) -> Pair:
    """A MAC over `message`."""
    return Pair(
        Step(
            operation="GenerateMac",
            request=lambda it, v: {
                "KeyIdentifier": it.arn,
                "MessageData": v["message"],
                "GenerationAttributes": attributes(v),
            },
            answers={"mac": "mac"},
        ),
        Step(
            operation="VerifyMac",
            request=lambda it, v: {
                "KeyIdentifier": it.arn,
                "MessageData": v["message"],
                "Mac": v["mac"],
                "VerificationAttributes": attributes(v),
            },
        ),
    )


def static_mac(algorithm: str) -> Pair:
    """A MAC with the key itself."""
    return mac(lambda _: {"Algorithm": algorithm})


def dukpt_mac(member: str, ksn: str) -> Pair:
    """A MAC with the key of one transaction."""
    return mac(lambda _: {member: {"KeySerialNumber": ksn, "DukptKeyVariant": "REQUEST"}})


def script_mac() -> Pair:
    """A MAC of an issuer script."""

    def attributes(v: Values) -> Request:
        return {
            "EmvMac": {
                "MajorKeyDerivationMode": "EMV_OPTION_A",
                "PrimaryAccountNumber": v["pan"],
                "PanSequenceNumber": _PSN,
                "SessionKeyDerivationMode": "EMV_COMMON_SESSION_KEY",
                "SessionKeyDerivationValue": {"ApplicationCryptogram": v["message"][:16]},
            }
        }

    return mac(attributes)


def cryptogram(attributes: Attributes) -> Pair:
    """`message`, encrypted."""
    return Pair(
        Step(
            operation="EncryptData",
            request=lambda it, v: {
                "KeyIdentifier": it.arn,
                "PlainText": v["message"],
                "EncryptionAttributes": attributes(v),
            },
            answers={"cryptogram": "cipher_text"},
        ),
        Step(
            operation="DecryptData",
            request=lambda it, v: {
                "KeyIdentifier": it.arn,
                "CipherText": v["cryptogram"],
                "DecryptionAttributes": attributes(v),
            },
            answers={"message": "plain_text"},
        ),
    )


def static_cryptogram() -> Pair:
    """Under the key itself."""
    return cryptogram(lambda _: {"Symmetric": {"Mode": "ECB"}})


def script_cryptogram() -> Pair:
    """Under a key of an issuer script."""
    return cryptogram(
        lambda v: {
            "Emv": {
                "MajorKeyDerivationMode": "EMV_OPTION_A",
                "PrimaryAccountNumber": v["pan"],
                "PanSequenceNumber": _PSN,
                "SessionDerivationData": v["message"][:16],
                "Mode": "ECB",
            }
        }
    )


def cryptogram_under_wrapped_key() -> Pair:
    """Under a key that the subject, a KEK, unwraps in both Regions."""
    step = Step(
        operation="EncryptData",
        request=lambda it, v: {
            "KeyIdentifier": it.arn,
            "PlainText": v["message"],
            "EncryptionAttributes": {"Symmetric": {"Mode": "ECB"}},
            "WrappedKey": {"WrappedKeyMaterial": {"Tr31KeyBlock": v["block"]}},
        },
        answers={"cryptogram": "cipher_text"},
    )
    return Pair(step, step)


def card_value(attributes: Request, *, digits: int) -> Pair:
    """A card verification value of `pan`."""
    return Pair(
        Step(
            operation="GenerateCardValidationData",
            request=lambda it, v: {
                "KeyIdentifier": it.arn,
                "PrimaryAccountNumber": v["pan"],
                "GenerationAttributes": attributes,
                "ValidationDataLength": digits,
            },
            answers={"value": "validation_data"},
        ),
        Step(
            operation="VerifyCardValidationData",
            request=lambda it, v: {
                "KeyIdentifier": it.arn,
                "PrimaryAccountNumber": v["pan"],
                "VerificationAttributes": attributes,
                "ValidationData": v["value"],
            },
        ),
    )


def cvv() -> Pair:
    """The CVV of a magnetic stripe."""
    attributes = {"CardVerificationValue1": {"CardExpiryDate": "1229", "ServiceCode": "101"}}
    return card_value(attributes, digits=_CVV_DIGITS)


def csc() -> Pair:
    """The card security code of American Express."""
    attributes = {"AmexCardSecurityCodeVersion1": {"CardExpiryDate": "1229"}}
    return card_value(attributes, digits=_CSC_DIGITS)


def dynamic_cvc() -> Pair:
    """The dynamic CVC of a chip."""
    attributes = {
        "DynamicCardVerificationCode": {
            "UnpredictableNumber": "00000899",
            "PanSequenceNumber": _PSN,
            "ApplicationTransactionCounter": _ATC,
            "TrackData": "5123456789012345D35121010000000000000",
        }
    }
    return card_value(attributes, digits=_CVV_DIGITS)


def arqc() -> Pair:
    """The cryptogram a card sends."""

    def request(it: Subject, v: Values) -> Request:
        return {
            "KeyIdentifier": it.arn,
            "TransactionData": v["message"],
            "MajorKeyDerivationMode": "EMV_OPTION_A",
            "SessionKeyDerivationAttributes": {
                "EmvCommon": {
                    "PrimaryAccountNumber": v["pan"],
                    "PanSequenceNumber": _PSN,
                    "ApplicationTransactionCounter": _ATC,
                }
            },
        }

    return Pair(
        Step(
            operation="GenerateAuthRequestCryptogram",
            request=request,
            answers={"arqc": "auth_request_cryptogram"},
        ),
        Step(
            operation="VerifyAuthRequestCryptogram",
            request=lambda it, v: request(it, v) | {"AuthRequestCryptogram": v["arqc"]},
        ),
    )

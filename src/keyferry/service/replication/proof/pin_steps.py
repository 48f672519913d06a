"""The PIN operations that prove a key; the other key each needs is a throw-away one."""

from __future__ import annotations

from keyferry.service.replication.proof.companions import Companion
from keyferry.service.replication.proof.steps import Pair, Request, Step, Values
from keyferry.service.replication.proof.workbench import Subject

_PVKI = 1
_DECIMALIZATION_TABLE = "0123456789012345"
_PIN_DIGITS = 12  # the longest, so that another key gives another PIN


def pin_block(pin_format: str) -> Pair:
    """A random PIN in a block under the subject."""
    return _visa_pin(pvk=Companion.VISA_PVK, pek=None, pin_format=pin_format)


def pvv() -> Pair:
    """The PVV of a random PIN, under the subject."""
    return _visa_pin(pvk=None, pek=Companion.PEK, pin_format="ISO_FORMAT_0")


def natural_pin_block() -> Pair:
    """A PIN that follows from the PAN, in a block under the subject: it is the same every time."""
    return _natural_pin(pvk=Companion.IBM_PVK, pek=None)


def natural_pin() -> Pair:
    """The PIN that follows from the PAN under the subject."""
    return _natural_pin(pvk=None, pek=Companion.PEK)


def pvv_of_given_pin() -> Pair:
    """The PVV, under the subject, of the PIN in `block`: it is the same every time."""

    def request(it: Subject, v: Values) -> Request:
        attributes = {
            "VisaPinVerificationValue": {
                "EncryptedPinBlock": v["block"],
                "PinVerificationKeyIndex": _PVKI,
            }
        }
        return _generation(it, v, pvk=None, pek=Companion.PEK, attributes=attributes)

    step = Step(
        operation="GeneratePinData",
        request=request,
        answers={"pvv": "pin_data.verification_value"},
    )
    return Pair(step, step)


def given_pin() -> Step:
    """Makes `block`: a PIN under throw-away keys alone."""
    return Step(
        operation="GeneratePinData",
        request=lambda it, v: _generation(
            it,
            v,
            pvk=Companion.IBM_PVK,
            pek=Companion.PEK,
            attributes={"Ibm3624NaturalPin": _ibm(v)},
        ),
        answers={"block": "encrypted_pin_block"},
    )


def _key(it: Subject, companion: Companion | None) -> str:
    return it.arn if companion is None else it.companion(companion)


def _ibm(v: Values) -> Request:
    return {
        "DecimalizationTable": _DECIMALIZATION_TABLE,
        "PinValidationDataPadCharacter": "F",
        "PinValidationData": v["pan"],
    }


def _generation(
    it: Subject,
    v: Values,
    *,
    pvk: Companion | None,
    pek: Companion | None,
    attributes: Request,
    pin_format: str = "ISO_FORMAT_0",
) -> Request:
    return {
        "GenerationKeyIdentifier": _key(it, pvk),
        "EncryptionKeyIdentifier": _key(it, pek),
        "GenerationAttributes": attributes,
        "PrimaryAccountNumber": v["pan"],
        "PinBlockFormat": pin_format,
    }


def _verification(
    it: Subject,
    v: Values,
    *,
    pvk: Companion | None,
    pek: Companion | None,
    attributes: Request,
    pin_format: str = "ISO_FORMAT_0",
) -> Request:
    return {
        "VerificationKeyIdentifier": _key(it, pvk),
        "EncryptionKeyIdentifier": _key(it, pek),
        "VerificationAttributes": attributes,
        "EncryptedPinBlock": v["block"],
        "PrimaryAccountNumber": v["pan"],
        "PinBlockFormat": pin_format,
    }


def _natural_pin(*, pvk: Companion | None, pek: Companion | None) -> Pair:
    offset = "0" * _PIN_DIGITS
    return Pair(
        Step(
            operation="GeneratePinData",
            request=lambda it, v: (
                _generation(it, v, pvk=pvk, pek=pek, attributes={"Ibm3624NaturalPin": _ibm(v)})
                | {"PinDataLength": _PIN_DIGITS}
            ),
            answers={"block": "encrypted_pin_block"},
        ),
        Step(
            operation="VerifyPinData",
            request=lambda it, v: _verification(
                it,
                v,
                pvk=pvk,
                pek=pek,
                attributes={"Ibm3624Pin": _ibm(v) | {"PinOffset": offset}},
            ),
        ),
    )


def _visa_pin(*, pvk: Companion | None, pek: Companion | None, pin_format: str) -> Pair:
    generation: Request = {"VisaPin": {"PinVerificationKeyIndex": _PVKI}}
    return Pair(
        Step(
            operation="GeneratePinData",
            request=lambda it, v: _generation(
                it, v, pvk=pvk, pek=pek, attributes=generation, pin_format=pin_format
            ),
            answers={"block": "encrypted_pin_block", "pvv": "pin_data.verification_value"},
        ),
        Step(
            operation="VerifyPinData",
            request=lambda it, v: _verification(
                it,
                v,
                pvk=pvk,
                pek=pek,
                attributes={
                    "VisaPin": {"PinVerificationKeyIndex": _PVKI, "VerificationValue": v["pvv"]}
                },
                pin_format=pin_format,
            ),
        ),
    )

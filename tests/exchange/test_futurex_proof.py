"""
Proof by use: what the Futurex makes with its copy of a key, the service verifies with its own.

Equal check values say that two keys are equal; a card value or a PIN that one side makes and the
other verifies says that both also use them alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import boto3
import pytest
from botocore.exceptions import ClientError

from keyferry.hsm.futurex import FuturexDriver

T = TypeVar("T")

PAN, EXPIRY, SERVICE_CODE = "4123456789012345", "2712", "101"
CVK = "TR31_C0_CARD_VERIFICATION_KEY"
PEK = "TR31_P0_PIN_ENCRYPTION_KEY"
PVK = "TR31_V2_VISA_PIN_VERIFICATION_KEY"


@pytest.fixture
def data(aws: str) -> Any:
    """A boto3 client of the service's data plane."""
    return boto3.client("payment-cryptography-data", region_name="us-east-1", endpoint_url=aws)


@pytest.fixture
def bring(exchange, futurex_simulator: int, aws) -> Callable[[str], dict[str, Any]]:
    """Generate a two-key TDES key in the HSM and bring it over by ECDH."""

    def one(usage: str) -> dict[str, Any]:
        flow = {"key_algorithm": "TDES_2KEY", "key_usage": usage}
        document = {
            "kdh": {"futurex": {"port": futurex_simulator, "ecdh": flow}},
            "krd": {"apc": {"region": "us-east-1"}},
        }
        result: dict[str, Any] = exchange("ecdh", "futurex", document).result
        return result

    return one


@pytest.fixture
def hsm(futurex_simulator: int) -> Callable[[Callable[[FuturexDriver], Awaitable[T]]], T]:
    """Have the HSM do something."""

    def run(work: Callable[[FuturexDriver], Awaitable[T]]) -> T:
        async def connected() -> T:
            async with FuturexDriver("127.0.0.1", futurex_simulator) as driver:
                return await work(driver)

        return asyncio.run(connected())

    return run


def test_a_card_value_of_the_hsm_verifies_in_the_service(bring, hsm, data) -> None:
    """The CVV of the HSM's copy is the CVV of the service's; another value is not."""
    key = bring(CVK)
    made = hsm(
        lambda driver: driver.generate_card_values(
            cvk=key["kdh_key"], pan=PAN, expiry=EXPIRY, service_code=SERVICE_CODE
        )
    )
    attributes = {"CardExpiryDate": EXPIRY, "ServiceCode": SERVICE_CODE}

    def verify(value: str) -> None:
        data.verify_card_validation_data(
            KeyIdentifier=key["key_arn"],
            PrimaryAccountNumber=PAN,
            VerificationAttributes={"CardVerificationValue1": attributes},
            ValidationData=value,
        )

    verify(made.cvv)
    with pytest.raises(ClientError) as caught:
        verify(f"{(int(made.cvv) + 1) % 1000:03d}")
    assert caught.value.response["Error"]["Code"] == "VerificationFailedException"
    # And the other way round.
    answer = data.generate_card_validation_data(
        KeyIdentifier=key["key_arn"],
        PrimaryAccountNumber=PAN,
        GenerationAttributes={"CardVerificationValue1": attributes},
    )
    hsm(
        lambda driver: driver.verify_cvv(
            cvk=key["kdh_key"],
            pan=PAN,
            expiry=EXPIRY,
            service_code=SERVICE_CODE,
            cvv=answer["ValidationData"],
        )
    )


def test_a_pin_of_the_hsm_verifies_in_the_service(bring, hsm, data) -> None:
    """A PIN drawn by the HSM under its keys has, in the service, the PVV the HSM gave it."""
    pek, pvk = bring(PEK), bring(PVK)
    made = hsm(
        lambda driver: driver.generate_pin(
            pek=pek["kdh_key"], pvk=pvk["kdh_key"], pvki="1", pan=PAN
        )
    )
    data.verify_pin_data(
        VerificationKeyIdentifier=pvk["key_arn"],
        EncryptionKeyIdentifier=pek["key_arn"],
        VerificationAttributes={
            "VisaPin": {"PinVerificationKeyIndex": 1, "VerificationValue": made.pvv}
        },
        EncryptedPinBlock=made.pin_block.hex().upper(),
        PrimaryAccountNumber=PAN,
        PinBlockFormat="ISO_FORMAT_0",
    )


def test_a_pin_block_translates_on_both_sides(bring, hsm, data) -> None:
    """The service puts a PIN of the HSM under another key, and the HSM opens it there."""
    one, other, pvk = bring(PEK), bring(PEK), bring(PVK)
    made = hsm(
        lambda driver: driver.generate_pin(
            pek=one["kdh_key"], pvk=pvk["kdh_key"], pvki="1", pan=PAN
        )
    )
    form = {"IsoFormat0": {"PrimaryAccountNumber": PAN}}
    moved = data.translate_pin_data(
        IncomingKeyIdentifier=one["key_arn"],
        OutgoingKeyIdentifier=other["key_arn"],
        IncomingTranslationAttributes=form,
        OutgoingTranslationAttributes=form,
        EncryptedPinBlock=made.pin_block.hex().upper(),
    )
    hsm(
        lambda driver: driver.verify_pin(
            pek=other["kdh_key"],
            pvk=pvk["kdh_key"],
            pvki="1",
            pan=PAN,
            pvv=made.pvv,
            pin_block=bytes.fromhex(moved["PinBlock"]),
        )
    )

"""
Proof by use: what the Atalla makes with its copy of a key, the service verifies with its own.

Equal check values say that two keys are equal; a value that one side makes and the other verifies
says that both also use them alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import boto3
import pytest
from botocore.exceptions import ClientError

from keyferry.hsm.atalla import AtallaDriver

T = TypeVar("T")

PAN, EXPIRY, SERVICE_CODE = "4123456789012345", "2712", "101"
ISO_0 = {"IsoFormat0": {"PrimaryAccountNumber": PAN}}


@pytest.fixture
def data(aws: str) -> Any:
    """A boto3 client of the service's data plane."""
    return boto3.client("payment-cryptography-data", region_name="us-east-1", endpoint_url=aws)


@pytest.fixture
def bring(exchange, atalla_simulator: int, aws) -> Callable[[str], dict[str, Any]]:
    """Generate a two-key TDES key in the HSM and bring it over under a KEK."""
    document: dict[str, Any] = {
        "kdh": {"atalla": {"port": atalla_simulator}},
        "krd": {"apc": {"region": "us-east-1"}},
    }
    kek = exchange("tr34", "atalla", document).result

    def one(usage: str) -> dict[str, Any]:
        flow = {"kek": kek["kdh_key"], "key_algorithm": "TDES_2KEY", "key_usage": usage}
        document["kdh"]["atalla"]["tr31"] = flow
        document["krd"]["apc"]["tr31"] = {"kek": kek["key_arn"]}
        result: dict[str, Any] = exchange("tr31", "atalla", document).result
        return result

    return one


@pytest.fixture
def hsm(atalla_simulator: int) -> Callable[[Callable[[AtallaDriver], Awaitable[T]]], T]:
    """Have the HSM do something."""

    def run(work: Callable[[AtallaDriver], Awaitable[T]]) -> T:
        async def connected() -> T:
            async with AtallaDriver("127.0.0.1", atalla_simulator) as driver:
                return await work(driver)

        return asyncio.run(connected())

    return run


def test_a_card_value(bring, hsm, data) -> None:
    """The CVV of the HSM's copy is the CVV of the service's; another value is not."""
    key = bring("TR31_C0_CARD_VERIFICATION_KEY")
    made = hsm(
        lambda driver: driver.generate_cvv(
            key=key["kdh_key"], pan=PAN, expiry=EXPIRY, service_code=SERVICE_CODE
        )
    )

    def verify(value: str) -> None:
        data.verify_card_validation_data(
            KeyIdentifier=key["key_arn"],
            PrimaryAccountNumber=PAN,
            VerificationAttributes={
                "CardVerificationValue1": {"CardExpiryDate": EXPIRY, "ServiceCode": SERVICE_CODE}
            },
            ValidationData=value,
        )

    verify(made)
    with pytest.raises(ClientError) as caught:
        verify(f"{(int(made) + 1) % 1000:03d}")
    assert caught.value.response["Error"]["Code"] == "VerificationFailedException"


def test_a_pin(bring, hsm, data) -> None:
    """The service gives a PIN block of the HSM a PVV, and the HSM verifies it with its own keys."""
    pek = bring("TR31_P0_PIN_ENCRYPTION_KEY")
    pvk = bring("TR31_V2_VISA_PIN_VERIFICATION_KEY")
    block = hsm(lambda driver: driver.encrypt_pin(key=pek["kdh_key"], pin="1234", pan=PAN))
    answer = data.generate_pin_data(
        GenerationKeyIdentifier=pvk["key_arn"],
        EncryptionKeyIdentifier=pek["key_arn"],
        GenerationAttributes={
            "VisaPinVerificationValue": {
                "EncryptedPinBlock": block.hex().upper(),
                "PinVerificationKeyIndex": 1,
            }
        },
        PrimaryAccountNumber=PAN,
        PinBlockFormat="ISO_FORMAT_0",
    )
    pvv = answer["PinData"]["VerificationValue"]

    async def verify(driver: AtallaDriver) -> str:
        fields = {
            "method": "3",
            "block_type": "1",
            "block": block,
            "kpe": pek["kdh_key"],
            "kpv": pvk["kdh_key"],
            "pvv": pvv,
            "pvki": "1",
            "pan11": PAN[4:15],
            "pan12": PAN[3:15],
        }
        return (await driver.call("32", fields)).text("verdict")

    assert hsm(verify) == "Y"


def test_a_pin_block_translates_on_both_sides(bring, hsm, data) -> None:
    """The service puts a PIN of the HSM under another key, as the HSM does itself."""
    one, other = (bring("TR31_P0_PIN_ENCRYPTION_KEY") for _ in range(2))
    block = hsm(lambda driver: driver.encrypt_pin(key=one["kdh_key"], pin="98765", pan=PAN))
    moved = data.translate_pin_data(
        IncomingKeyIdentifier=one["key_arn"],
        OutgoingKeyIdentifier=other["key_arn"],
        IncomingTranslationAttributes=ISO_0,
        OutgoingTranslationAttributes=ISO_0,
        EncryptedPinBlock=block.hex().upper(),
    )
    here = hsm(
        lambda driver: driver.translate_pin(
            block, incoming_key=one["kdh_key"], outgoing_key=other["kdh_key"], pan=PAN
        )
    )
    assert moved["PinBlock"] == here.hex().upper()


def test_a_mac(bring, hsm, data) -> None:
    """A MAC of the HSM verifies in the service."""
    key = bring("TR31_M3_ISO_9797_3_MAC_KEY")
    message = b"a message to be trusted"
    made = hsm(lambda driver: driver.generate_mac(key=key["kdh_key"], data=message))
    data.verify_mac(
        KeyIdentifier=key["key_arn"],
        MessageData=message.hex().upper(),
        Mac=made.hex().upper(),
        VerificationAttributes={"Algorithm": "ISO9797_ALGORITHM3"},
    )

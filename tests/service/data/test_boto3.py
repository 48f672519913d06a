"""The data plane through boto3: paths, identifiers, answers and refusals as clients see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Put = Callable[..., str]


def code(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return caught.value.response["Error"]["Code"]


def status(caught: pytest.ExceptionInfo[ClientError]) -> int:
    return caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_card_value_verifies(client: Any, put: Put, tools: Any) -> None:
    """A CVV verifies, and the answer names key and check value."""
    arn = put("C0", "TDES_2KEY", "C", tools.tdes)
    answer = client.verify_card_validation_data(
        KeyIdentifier=arn,
        PrimaryAccountNumber="4123456789012345",
        VerificationAttributes={
            "CardVerificationValue1": {"CardExpiryDate": "8701", "ServiceCode": "101"}
        },
        ValidationData="561",
    )
    assert (answer["KeyArn"], answer["KeyCheckValue"]) == (arn, "08D7B4")


def test_card_value_mismatch(client: Any, put: Put, tools: Any) -> None:
    """Another CVV is a failed verification with its reason."""
    arn = put("C0", "TDES_2KEY", "C", tools.tdes)
    with pytest.raises(client.exceptions.VerificationFailedException) as caught:
        client.verify_card_validation_data(
            KeyIdentifier=arn,
            PrimaryAccountNumber="4123456789012345",
            VerificationAttributes={
                "CardVerificationValue1": {"CardExpiryDate": "8701", "ServiceCode": "101"}
            },
            ValidationData="562",
        )
    assert caught.value.response["Reason"] == "INVALID_VALIDATION_DATA"
    assert caught.value.response["Message"] == "Card validation data verification failed."
    assert status(caught) == 400


def test_pin_is_translated_to_dukpt(client: Any, put: Put, tools: Any) -> None:
    """A block under a static key comes out under a transaction key; the BDK is named."""
    pek = put("P0", "TDES_2KEY", "B", tools.tdes)
    bdk = put("B0", "TDES_2KEY", "X", tools.tdes)
    pan = {"PrimaryAccountNumber": "5432101234567890"}
    answer = client.translate_pin_data(
        IncomingKeyIdentifier=pek,
        OutgoingKeyIdentifier=bdk,
        IncomingTranslationAttributes={"IsoFormat0": pan},
        OutgoingTranslationAttributes={"IsoFormat0": pan},
        OutgoingDukptAttributes={"KeySerialNumber": "FFFF9876543210E00001"},
        EncryptedPinBlock="BA2ADC4EBA48F711",
    )
    assert answer["PinBlock"] == "B7D9FE8EF6179CDC"
    assert answer["KeyArn"] == bdk

"""Card values: the worked examples, lengths, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

GENERATE, VERIFY = "GenerateCardValidationData", "VerifyCardValidationData"
IMK_CVC3 = "01234567899876543210012345678998"
CSC = {"PrimaryAccountNumber": "344131234567848"}


@pytest.mark.parametrize(
    ("pan", "attributes", "value"),
    [
        (
            "1234567890123456",
            {"CardVerificationValue1": {"CardExpiryDate": "9912", "ServiceCode": "220"}},
            "170",
        ),
        (
            "4123456789012345",
            {"CardVerificationValue1": {"CardExpiryDate": "8701", "ServiceCode": "101"}},
            "561",
        ),
        (
            "4111111111111111",
            {"CardVerificationValue1": {"CardExpiryDate": "1228", "ServiceCode": "101"}},
            "15522",
        ),
        ("4111111111111111", {"CardVerificationValue2": {"CardExpiryDate": "1228"}}, "342"),
        ("4111111111111111", {"CardVerificationValue2": {"CardExpiryDate": "1228"}}, "34294"),
        (
            "4111111111111111",
            {"CardVerificationValue1": {"CardExpiryDate": "1228", "ServiceCode": "999"}},
            "63389",
        ),
        ("344131234567848", {"AmexCardSecurityCodeVersion1": {"CardExpiryDate": "2412"}}, "66875"),
        ("344131234567848", {"AmexCardSecurityCodeVersion1": {"CardExpiryDate": "2412"}}, "1971"),
        ("344131234567848", {"AmexCardSecurityCodeVersion1": {"CardExpiryDate": "2412"}}, "143"),
        (
            "344131234567848",
            {"AmexCardSecurityCodeVersion2": {"CardExpiryDate": "2412", "ServiceCode": "702"}},
            "42372",
        ),
        (
            "344131234567848",
            {"AmexCardSecurityCodeVersion2": {"CardExpiryDate": "2412", "ServiceCode": "702"}},
            "153",
        ),
    ],
)
async def test_static_values(
    shared: Any, tools: Any, pan: str, attributes: dict[str, Any], value: str
) -> None:
    """They come out as worked, and verify with as many digits."""
    arn = shared.put("C0", "TDES_2KEY", "C", tools.tdes)
    members = {"KeyIdentifier": arn, "PrimaryAccountNumber": pan}
    answer = await shared.call(
        GENERATE, **members, GenerationAttributes=attributes, ValidationDataLength=len(value)
    )
    assert answer == {"KeyArn": arn, "KeyCheckValue": "08D7B4", "ValidationData": value}
    verified = await shared.call(
        VERIFY, **members, VerificationAttributes=attributes, ValidationData=value
    )
    assert verified == {"KeyArn": arn, "KeyCheckValue": "08D7B4"}
    wrong = value[:-1] + str((int(value[-1]) + 1) % 10)
    with pytest.raises(tools.refused) as caught:
        await shared.call(
            VERIFY, **members, VerificationAttributes=attributes, ValidationData=wrong
        )
    assert (caught.value.name, caught.value.reason) == (
        "VerificationFailedException",
        "INVALID_VALIDATION_DATA",
    )
    assert caught.value.message == "Card validation data verification failed."


@pytest.mark.parametrize(
    ("code", "imk", "pan", "attributes", "value"),
    [
        (
            "E6",
            "0123456789ABCDEFFEDCBA9876543210",
            "4012345678901234",
            {
                "DynamicCardVerificationValue": {
                    "PanSequenceNumber": "01",
                    "CardExpiryDate": "2512",
                    "ServiceCode": "101",
                    "ApplicationTransactionCounter": "0001",
                }
            },
            "244",
        ),
        (
            "E6",
            "0123456789ABCDEFFEDCBA9876543210",
            "4012345678901234",
            {
                "DynamicCardVerificationValue": {
                    "PanSequenceNumber": "01",
                    "CardExpiryDate": "2512",
                    "ServiceCode": "101",
                    "ApplicationTransactionCounter": "32",
                }
            },
            "840",
        ),
        (
            "E4",
            IMK_CVC3,
            "5123456789012345",
            {
                "DynamicCardVerificationCode": {
                    "PanSequenceNumber": "00",
                    "TrackData": "5123456789012345D35121010000000000000",
                    "UnpredictableNumber": "899",
                    "ApplicationTransactionCounter": "5E",
                }
            },
            "29488",
        ),
        (
            "E4",
            IMK_CVC3,
            "5123456789012345",
            {
                "DynamicCardVerificationCode": {
                    "PanSequenceNumber": "00",
                    "TrackData": "5123456789012345d35121010000000000000f",
                    "UnpredictableNumber": "00000899",
                    "ApplicationTransactionCounter": "005E",
                }
            },
            "488",
        ),
        (
            "E6",
            "0123456789ABCDEFFEDCBA9876543210",
            "4012345678901234",
            {
                "CardHolderVerificationValue": {
                    "PanSequenceNumber": "01",
                    "UnpredictableNumber": "00000899",
                    "ApplicationTransactionCounter": "005E",
                }
            },
            "74589",
        ),
    ],
)
async def test_dynamic_values(
    shared: Any,
    tools: Any,
    code: str,
    imk: str,
    pan: str,
    attributes: dict[str, Any],
    value: str,
) -> None:
    """The key derives in both directions; short numbers and odd tracks are filled."""
    arn = shared.put(code, "TDES_2KEY", "X", imk)
    members = {"KeyIdentifier": arn, "PrimaryAccountNumber": pan}
    answer = await shared.call(
        GENERATE, **members, GenerationAttributes=attributes, ValidationDataLength=len(value)
    )
    assert answer["ValidationData"] == value
    await shared.call(VERIFY, **members, VerificationAttributes=attributes, ValidationData=value)
    with pytest.raises(tools.refused, match="verification failed"):
        await shared.call(
            VERIFY, **members, VerificationAttributes=attributes, ValidationData="000"
        )


async def test_three_digits_unless_asked(shared: Any, tools: Any) -> None:
    """ValidationDataLength is 3 if it is left out."""
    answer = await shared.call(
        GENERATE,
        KeyIdentifier=shared.put("C0", "TDES_2KEY", "G", tools.tdes),
        PrimaryAccountNumber="4111111111111111",
        GenerationAttributes={"CardVerificationValue2": {"CardExpiryDate": "1228"}},
    )
    assert answer["ValidationData"] == "342"


async def test_csc_takes_a_triple_length_key_and_cvv_does_not(shared: Any, tools: Any) -> None:
    """The algorithm is refused by name."""
    arn = shared.put("C0", "TDES_3KEY", "C", tools.tdes_3)
    members = {"KeyIdentifier": arn, **CSC}
    await shared.call(
        GENERATE,
        **members,
        GenerationAttributes={"AmexCardSecurityCodeVersion1": {"CardExpiryDate": "2412"}},
    )
    refusal = await shared.refused(
        GENERATE,
        **members,
        GenerationAttributes={"CardVerificationValue2": {"CardExpiryDate": "2412"}},
    )
    assert refusal.message == "KeyAlgorithm TDES_3KEY not allowed for this operation"


@pytest.mark.parametrize(
    ("length", "pan", "place"),
    [
        (2, "4111111111111111", "validationDataLength"),
        (6, "4111111111111111", "validationDataLength"),
        (3, "41111111111", "primaryAccountNumber"),
        (3, "4" * 20, "primaryAccountNumber"),
        (3, "411111111111111A", "primaryAccountNumber"),
    ],
)
async def test_shapes(shared: Any, tools: Any, length: int, pan: str, place: str) -> None:
    """Length and PAN are bounded by the model, and the refusal names the member."""
    refusal = await shared.refused(
        GENERATE,
        KeyIdentifier=shared.put("C0", "TDES_2KEY", "G", tools.tdes),
        PrimaryAccountNumber=pan,
        GenerationAttributes={"CardVerificationValue2": {"CardExpiryDate": "1228"}},
        ValidationDataLength=length,
    )
    assert [path for path, _ in refusal.fields] == [place]
    assert pan not in refusal.message


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {
            "CardVerificationValue1": {"CardExpiryDate": "1228", "ServiceCode": "101"},
            "CardVerificationValue2": {"CardExpiryDate": "1228"},
        },
    ],
)
async def test_exactly_one_kind_of_value(
    shared: Any, tools: Any, attributes: dict[str, Any]
) -> None:
    """None or two are refused by the union's rule."""
    refusal = await shared.refused(
        VERIFY,
        KeyIdentifier=shared.put("C0", "TDES_2KEY", "V", tools.tdes),
        PrimaryAccountNumber="4111111111111111",
        VerificationAttributes=attributes,
        ValidationData="342",
    )
    assert "exactly one variant" in refusal.message


async def test_discover_is_not_supported(shared: Any, tools: Any) -> None:
    """Its algorithm is not public, and nothing is made up."""
    refusal = await shared.refused(
        VERIFY,
        KeyIdentifier=shared.put("C0", "TDES_2KEY", "V", tools.tdes),
        PrimaryAccountNumber="6011111111111111",
        VerificationAttributes={
            "DiscoverDynamicCardVerificationCode": {
                "CardExpiryDate": "1228",
                "UnpredictableNumber": "01",
                "ApplicationTransactionCounter": "01",
            }
        },
        ValidationData="342",
    )
    assert "not supported" in refusal.message

"""ARQC and ARPC: the worked examples, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

GENERATE, VERIFY = "GenerateAuthRequestCryptogram", "VerifyAuthRequestCryptogram"
IMK_AMEX = "6786D3D6F2266E19B67302438ACE7551"
HEAD = "00000000170000000000000008400080008000084016051700000000093800000B"
DATA1 = HEAD + "03011203000000"
DATA2 = HEAD + "1F2201030000000000000000000000000000000000000000000000000000008000000000000000"
AMEX_DATA = "00000005230900000000000001240000000000012425121900123456780000000B03212121000000"
CARD = {"PrimaryAccountNumber": "9137631040001422", "PanSequenceNumber": "01"}
AMEX_CARD = {"PrimaryAccountNumber": "3677481447555329", "PanSequenceNumber": "00"}
ATC = {"ApplicationTransactionCounter": "000B"}
CASES = {
    "Visa": ({"Visa": CARD}, DATA1, "D791093C8A921769"),
    "EmvCommon": ({"EmvCommon": {**CARD, **ATC}}, DATA2, "61EDCC708B4C97B4"),
    "Emv2000": ({"Emv2000": {**CARD, **ATC}}, DATA2, "2A766A346EDDC156"),
    "Mastercard": (
        {"Mastercard": {**CARD, **ATC, "UnpredictableNumber": "01020304"}},
        *(DATA2, "6F3D2CF48AFCEB9C"),
    ),
    "UnionPay": ({"UnionPay": {**CARD, **ATC}}, DATA2, "5A9E2916905535E1"),
    "Amex": ({"Amex": AMEX_CARD}, AMEX_DATA, "3540ECB772D51C5A"),
}


def members(session: dict[str, Any], data: str, arn: str) -> dict[str, Any]:
    return {
        "KeyIdentifier": arn,
        "TransactionData": data,
        "MajorKeyDerivationMode": "EMV_OPTION_A",
        "SessionKeyDerivationAttributes": session,
    }


@pytest.mark.parametrize(("session", "data", "arqc"), CASES.values(), ids=CASES.keys())
async def test_cryptograms(
    shared: Any, tools: Any, session: dict[str, Any], data: str, arqc: str
) -> None:
    """Every scheme's method comes out as worked and verifies; another cryptogram does not."""
    arn = shared.put("E0", "TDES_2KEY", "X", IMK_AMEX if "Amex" in session else tools.tdes)
    given = members(session, data, arn)
    answer = await shared.call(GENERATE, **given)
    assert answer["AuthRequestCryptogram"] == arqc
    answer = await shared.call(VERIFY, **given, AuthRequestCryptogram=arqc.lower())
    assert answer.keys() == {"KeyArn", "KeyCheckValue"}
    with pytest.raises(tools.refused) as caught:
        await shared.call(
            VERIFY,
            **given,
            AuthRequestCryptogram=arqc[:-1] + ("0" if arqc[-1] != "0" else "1"),
            AuthResponseAttributes={"ArpcMethod1": {"AuthResponseCode": "3030"}},
        )
    assert (caught.value.name, caught.value.reason, caught.value.message) == (
        "VerificationFailedException",
        "INVALID_AUTH_REQUEST_CRYPTOGRAM",
        "Auth request cryptogram verification failed.",
    )


@pytest.mark.parametrize(
    ("case", "attributes", "arpc"),
    [
        ("EmvCommon", {"ArpcMethod1": {"AuthResponseCode": "3030"}}, "45118DEFB04DD0E3"),
        ("EmvCommon", {"ArpcMethod2": {"CardStatusUpdate": "12345678"}}, "D94886EF"),
        (
            "EmvCommon",
            {
                "ArpcMethod2": {
                    "CardStatusUpdate": "12345678",
                    "ProprietaryAuthenticationData": "11223344",
                }
            },
            "D448FD72",
        ),
        ("Visa", {"ArpcMethod1": {"AuthResponseCode": "3030"}}, "F28D7DA3B9577EDE"),
    ],
)
async def test_answers(
    shared: Any, tools: Any, case: str, attributes: dict[str, Any], arpc: str
) -> None:
    """Both methods, as worked."""
    session, data, arqc = CASES[case]
    arn = shared.put("E0", "TDES_2KEY", "X", tools.tdes)
    answer = await shared.call(
        VERIFY,
        **members(session, data, arn),
        AuthRequestCryptogram=arqc,
        AuthResponseAttributes=attributes,
    )
    assert answer["AuthResponseValue"] == arpc


async def test_answer_of_mastercard_is_under_the_cards_key(shared: Any, tools: Any) -> None:
    """So it does not depend on the number the terminal chose."""
    arn = shared.put("E0", "TDES_2KEY", "X", tools.tdes)
    other = {"Mastercard": {**CARD, **ATC, "UnpredictableNumber": "00000000"}}
    arpcs = []
    for session in (CASES["Mastercard"][0], other):
        given = members(session, DATA2, arn)
        arqc = (await shared.call(GENERATE, **given))["AuthRequestCryptogram"]
        answer = await shared.call(
            VERIFY,
            **given,
            AuthRequestCryptogram=arqc,
            AuthResponseAttributes={"ArpcMethod1": {"AuthResponseCode": "0000"}},
        )
        block = int(answer["AuthResponseValue"], 16)
        arpcs.append((arqc, block))
    from keyferry.crypto.emv import derive_icc_master_key
    from keyferry.crypto.tdes_key import TDESKey

    master = TDESKey(
        derive_icc_master_key(
            TDESKey(bytes.fromhex(tools.tdes)), pan=CARD["PrimaryAccountNumber"], psn="01"
        )
    )
    for arqc, block in arpcs:
        assert master.encrypt_ecb(bytes.fromhex(arqc)) == block.to_bytes(8)


@pytest.mark.parametrize("data", ["00", "0" * 15, "0" * 17, "0" * 24])
async def test_transaction_data_is_whole_blocks(shared: Any, tools: Any, data: str) -> None:
    """The service pads nothing, an odd number of digits included."""
    arn = shared.put("E0", "TDES_2KEY", "X", tools.tdes)
    given = members({"Visa": CARD}, data, arn)
    assert "TransactionData" in (await shared.refused(GENERATE, **given)).message
    refusal = await shared.refused(VERIFY, **given, AuthRequestCryptogram="0" * 16)
    assert "TransactionData" in refusal.message


async def test_odd_proprietary_data(shared: Any, tools: Any) -> None:
    """Half a byte is refused before the cryptogram is looked at."""
    arn = shared.put("E0", "TDES_2KEY", "X", tools.tdes)
    refusal = await shared.refused(
        VERIFY,
        **members({"Visa": CARD}, DATA1, arn),
        AuthRequestCryptogram="0" * 16,
        AuthResponseAttributes={
            "ArpcMethod2": {"CardStatusUpdate": "00000000", "ProprietaryAuthenticationData": "1"}
        },
    )
    assert "ProprietaryAuthenticationData" in refusal.message


async def test_option_b(shared: Any, tools: Any) -> None:
    """A long PAN derives by it; one of 16 digits does not."""
    arn = shared.put("E0", "TDES_2KEY", "X", tools.tdes)
    given = members({"Visa": CARD}, DATA1, arn) | {"MajorKeyDerivationMode": "EMV_OPTION_B"}
    refusal = await shared.refused(GENERATE, **given)
    assert refusal.message == (
        "PAN length is invalid for EMV major key derivation mode EMV_OPTION_B"
    )
    long = {"PrimaryAccountNumber": "12345678901234567", "PanSequenceNumber": "01"}
    cryptograms = set()
    for option in ("EMV_OPTION_A", "EMV_OPTION_B"):
        given = members({"Visa": long}, DATA1, arn) | {"MajorKeyDerivationMode": option}
        cryptograms.add((await shared.call(GENERATE, **given))["AuthRequestCryptogram"])
    assert len(cryptograms) == 2

"""The data plane through boto3: every operation, with answers and refusals to the byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.exceptions
import botocore.session
import pytest
from botocore import xform_name
from Crypto.Cipher import DES3

CALLS = json.loads((Path(__file__).parent / "calls.json").read_text())["calls"]
MODEL = botocore.session.Session().get_service_model("payment-cryptography-data")
PAN = "4111111111111111"


def assert_gives(answer: Any, expected: Any, place: str = "") -> None:
    """Assert that an answer has every member that is expected, and hexadecimal in capitals."""
    if isinstance(expected, dict):
        for name, value in expected.items():
            assert name in answer, f"{place}.{name} is missing"
            assert_gives(answer[name], value, f"{place}.{name}")
    else:
        assert answer == expected, place


def test_every_operation_is_called() -> None:
    """A new release of the API model with another operation shows here."""
    assert {call["operation"] for call in CALLS if "gives" in call} == set(MODEL.operation_names)


@pytest.mark.parametrize("call", CALLS, ids=[call["name"].replace(" ", "-") for call in CALLS])
def test_call(call: dict[str, Any], data_client: Any, values: Any) -> None:
    """One call, with its answer or its typed refusal."""
    method = getattr(data_client, xform_name(call["operation"]))
    parameters = values.resolve(call["with"])
    if "gives" in call:
        answer = method(**parameters)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert_gives(answer, values.resolve(call["gives"]))
        return
    refused = call["refused"]
    with pytest.raises(getattr(data_client.exceptions, refused["code"])) as refusal:
        method(**parameters)
    response = refusal.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] in (400, 404)
    if "text" in refused:
        assert refused["text"] in response["Error"]["Message"]
    assert_gives(response, refused.get("members", {}))


@pytest.mark.parametrize("padding", ["PKCS1", "OAEP_SHA1", "OAEP_SHA256", "OAEP_SHA512"])
def test_rsa_there_and_back(padding: str, rsa_key: str, data_client: Any) -> None:
    """Encryption differs each time; decryption gives the same, and a changed text gives nothing."""
    attributes = {"Asymmetric": {"PaddingType": padding}}
    texts = {
        data_client.encrypt_data(
            KeyIdentifier=rsa_key, PlainText="31323334", EncryptionAttributes=attributes
        )["CipherText"]
        for _ in range(2)
    }
    assert len(texts) == 2
    for text in texts:
        assert len(text) == 512
        answer = data_client.decrypt_data(
            KeyIdentifier=rsa_key, CipherText=text, DecryptionAttributes=attributes
        )
        assert answer["PlainText"] == "31323334"


@pytest.fixture(scope="module")
def rsa_key(control_client: Any) -> str:
    """An RSA pair for data."""
    arn: str = control_client.create_key(
        KeyAttributes={
            "KeyUsage": "TR31_D1_ASYMMETRIC_KEY_FOR_DATA_ENCRYPTION",
            "KeyClass": "ASYMMETRIC_KEY_PAIR",
            "KeyAlgorithm": "RSA_2048",
            "KeyModesOfUse": {"Encrypt": True, "Decrypt": True, "Wrap": True, "Unwrap": True},
        },
        Exportable=False,
    )["Key"]["KeyArn"]
    return arn


def test_a_random_pin_is_made_translated_and_verified(data_client: Any, values: Any) -> None:
    """The way of a PIN from its making to its use, through format 3."""
    keys = values.resolve({"pvk": "$pvk", "pek": "$pek"})
    made = data_client.generate_pin_data(
        GenerationKeyIdentifier=keys["pvk"],
        EncryptionKeyIdentifier=keys["pek"],
        GenerationAttributes={"VisaPin": {"PinVerificationKeyIndex": 2}},
        PinDataLength=6,
        PrimaryAccountNumber=PAN,
        PinBlockFormat="ISO_FORMAT_3",
    )
    assert list(made["PinData"]) == ["VerificationValue"]
    block = data_client.translate_pin_data(
        IncomingKeyIdentifier=keys["pek"],
        OutgoingKeyIdentifier=keys["pek"],
        IncomingTranslationAttributes={"IsoFormat3": {"PrimaryAccountNumber": PAN}},
        OutgoingTranslationAttributes={"IsoFormat0": {"PrimaryAccountNumber": PAN}},
        EncryptedPinBlock=made["EncryptedPinBlock"],
    )["PinBlock"]
    for pin_format, pin_block in (
        ("ISO_FORMAT_3", made["EncryptedPinBlock"]),
        ("ISO_FORMAT_0", block),
    ):
        data_client.verify_pin_data(
            VerificationKeyIdentifier=keys["pvk"],
            EncryptionKeyIdentifier=keys["pek"],
            VerificationAttributes={
                "VisaPin": {
                    "PinVerificationKeyIndex": 2,
                    "VerificationValue": made["PinData"]["VerificationValue"],
                }
            },
            EncryptedPinBlock=pin_block,
            PrimaryAccountNumber=PAN,
            PinBlockFormat=pin_format,
            PinDataLength=6,
        )


def test_two_nodes_prove_their_kek_to_each_other(data_client: Any, values: Any) -> None:
    """Request and response of an AS2805 KEK validation fit, and the receive key is the inverse."""
    kek = values.resolve("$kek_as2805")
    shared = {"KeyIdentifier": kek, "RandomKeySendVariantMask": "VARIANT_MASK_82"}
    asked = data_client.generate_as2805_kek_validation(
        **shared,
        KekValidationType={"KekValidationRequest": {"DeriveKeyAlgorithm": "TDES_2KEY"}},
    )
    answered = data_client.generate_as2805_kek_validation(
        **shared,
        KekValidationType={"KekValidationResponse": {"RandomKeySend": asked["RandomKeySend"]}},
    )
    assert answered["RandomKeyReceive"] == asked["RandomKeyReceive"]
    clear = {
        name: unmasked(bytes.fromhex(asked[name]), mask)
        for name, mask in (("RandomKeySend", 0x82), ("RandomKeyReceive", 0x84))
    }
    # Parity bits aside, one is the other with every bit turned over.
    both = zip(clear["RandomKeySend"], clear["RandomKeyReceive"], strict=True)
    assert {(sent ^ received) & 0xFE for sent, received in both} == {0xFE}


def unmasked(enciphered: bytes, mask: int) -> bytes:
    kek = bytes(byte ^ mask for byte in bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
    return DES3.new(kek, DES3.MODE_CBC, iv=bytes(8)).decrypt(enciphered)


def test_stopped_keys_stop_at_once(control_client: Any, data_client: Any, values: Any) -> None:
    """StopKeyUsage is answered, and the very next call is refused; StartKeyUsage undoes it."""
    call = next(call for call in CALLS if call["name"] == "verify CVV")
    parameters = values.resolve(call["with"])
    arn = values.resolve("$verify_only")
    for _ in range(20):
        data_client.verify_card_validation_data(**parameters)
        control_client.stop_key_usage(KeyIdentifier=arn)
        with pytest.raises(data_client.exceptions.ValidationException):
            data_client.verify_card_validation_data(**parameters)
        control_client.start_key_usage(KeyIdentifier=arn)


def test_a_region_has_its_own_keys(make_client: Any, values: Any) -> None:
    """An alias of one Region leads nowhere with the signature of the other, nor does the ARN."""
    call = next(call for call in CALLS if call["name"] == "encrypt by alias")
    west = make_client("payment-cryptography-data", region_name="us-west-2")
    with pytest.raises(west.exceptions.ResourceNotFoundException):
        west.encrypt_data(**values.resolve(call["with"]))
    with pytest.raises(botocore.exceptions.ClientError) as refusal:
        west.encrypt_data(**values.resolve(call["with"] | {"KeyIdentifier": "$data"}))
    assert refusal.value.response["Error"]["Code"] in (
        "ResourceNotFoundException",
        "ValidationException",
    )


def test_a_wrong_secret_is_refused_before_anything_else(make_client: Any) -> None:
    """Nobody learns from the data plane what exists without a signature."""
    stranger = make_client("payment-cryptography-data", aws_secret_access_key="guessed")
    with pytest.raises(botocore.exceptions.ClientError) as refusal:
        stranger.encrypt_data(
            KeyIdentifier="alias/sdk/data",
            PlainText="31",
            EncryptionAttributes={"Symmetric": {"Mode": "OFB"}},
        )
    response = refusal.value.response
    assert response["Error"]["Code"] == "InvalidSignatureException"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 403

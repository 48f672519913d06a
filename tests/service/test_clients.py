"""boto3 against the service: typed errors, Regions, account, what the real one would say."""

from __future__ import annotations

import urllib.request
from typing import Any

import pytest

ATTRIBUTES = {
    "KeyUsage": "TR31_C0_CARD_VERIFICATION_KEY",
    "KeyClass": "SYMMETRIC_KEY",
    "KeyAlgorithm": "TDES_2KEY",
    "KeyModesOfUse": {"Generate": True, "Verify": True},
}


def test_errors_are_typed_exceptions(payment_cryptography: Any) -> None:
    """botocore makes the modelled exception of each, with its text and members."""
    client = payment_cryptography
    with pytest.raises(client.exceptions.ResourceNotFoundException) as missing:
        client.get_alias(AliasName="alias/not-there")
    assert missing.value.response["ResourceId"] == "alias/not-there"
    assert "alias/not-there" in str(missing.value)
    with pytest.raises(client.exceptions.ValidationException, match="nonsense"):
        client.get_key(KeyIdentifier="nonsense")
    client.create_alias(AliasName="alias/taken")
    with pytest.raises(client.exceptions.ConflictException):
        client.create_alias(AliasName="alias/taken")
    client.delete_alias(AliasName="alias/taken")


def test_request_id_and_status_reach_the_client(payment_cryptography: Any) -> None:
    """SDKs surface x-amzn-RequestId, of answers and of errors."""
    answer = payment_cryptography.list_keys()["ResponseMetadata"]
    assert answer["HTTPStatusCode"] == 200
    assert len(answer["RequestId"]) == 36
    with pytest.raises(payment_cryptography.exceptions.ValidationException) as refused:
        payment_cryptography.get_key(KeyIdentifier="nonsense")
    assert len(refused.value.response["ResponseMetadata"]["RequestId"]) == 36


def test_a_region_is_chosen_by_the_signature(running_service: Any) -> None:
    """One port, two Regions: a key is where it was signed for."""
    east, west = running_service.client("us-east-1"), running_service.client("us-west-2")
    arn = west.create_key(KeyAttributes=ATTRIBUTES, Exportable=False)["Key"]["KeyArn"]
    assert arn.startswith("arn:aws:payment-cryptography:us-west-2:111122223333:key/")
    with pytest.raises(east.exceptions.ResourceNotFoundException):
        east.get_key(KeyIdentifier=arn)
    unserved = running_service.client("ap-southeast-2")
    with pytest.raises(unserved.exceptions.ClientError) as refused:
        unserved.list_keys()
    assert refused.value.response["Error"]["Code"] == "UnrecognizedClientException"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"aws_secret_access_key": "wrong"}, "InvalidSignatureException"),
        ({"aws_access_key_id": "nobody"}, "UnrecognizedClientException"),
    ],
)
def test_wrong_credentials(running_service: Any, options: dict[str, str], code: str) -> None:
    """The error says which half of the credentials is wrong."""
    client = running_service.client(**options)
    with pytest.raises(client.exceptions.ClientError) as refused:
        client.list_keys()
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_metrics_count_what_was_asked(running_service: Any, payment_cryptography: Any) -> None:
    """Operation, code and Region are labels of the request count."""
    payment_cryptography.list_aliases()
    with urllib.request.urlopen(f"{running_service.url}/metrics") as response:
        assert response.headers["content-type"].startswith("text/plain")
        text = response.read().decode()
    assert 'code="OK",operation="ListAliases",region="us-east-1"' in text
    assert "keyferry_request_duration_seconds_bucket" in text

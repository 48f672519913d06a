"""Key identifiers in paths, encoded as different SDKs encode them, signed by hand."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

BODY = json.dumps(
    {"PlainText": "31323334" * 4, "EncryptionAttributes": {"Symmetric": {"Mode": "ECB"}}}
)
CIPHER_TEXT = "E1CD4CE935B04FC69F5A76C8A98CD6B8"


def ask(url: str, path: str) -> tuple[int, dict[str, Any], str | None]:
    """Send a signed request with exactly this path: status, body, error type."""
    request = AWSRequest(
        "POST", url + path, data=BODY, headers={"Content-Type": "application/json"}
    )
    SigV4Auth(Credentials("test", "test"), "payment-cryptography", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request("POST", path, BODY, dict(request.headers))
        response = connection.getresponse()
        return (
            response.status,
            json.loads(response.read()),
            response.getheader("x-amzn-ErrorType"),
        )
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("colon", "slash"),
    [("%3A", "%2F"), (":", "%2F"), ("%3a", "%2f"), ("%3A", "%2f")],
    ids=["all", "colons-bare", "lower-case", "mixed"],
)
@pytest.mark.parametrize("name", ["$data", "$data.alias", "$data.alias_arn"])
def test_every_encoding_leads_to_the_key(
    name: str, colon: str, slash: str, service: dict, values: Any
) -> None:
    """A client may leave a colon bare, and write hexadecimal digits as it likes."""
    identifier = values.resolve(name).replace(":", colon).replace("/", slash)
    status, answer, _ = ask(service["url"], f"/keys/{identifier}/encrypt")
    assert (status, answer.get("CipherText")) == (200, CIPHER_TEXT), answer
    assert answer["KeyArn"] == values.resolve("$data")


@pytest.mark.parametrize(
    "path",
    [
        "/keys/alias/sdk/data/encrypt",  # a slash that is one: three segments, no such route
        "/keys/alias%252Fsdk%252Fdata/encrypt",  # decoded once, not until nothing is left
        "/keys//encrypt",
        "/keys/alias%2Fsdk%2Fdata/encrypt/",
    ],
)
def test_other_paths_lead_nowhere(path: str, service: dict, values: Any) -> None:
    """None of them is taken for the key's, and none makes the service fail."""
    status, answer, error = ask(service["url"], path)
    assert 400 <= status < 500, answer
    assert error != "InternalServerException"
    assert CIPHER_TEXT not in json.dumps(answer)

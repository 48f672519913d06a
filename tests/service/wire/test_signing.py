"""The signer of services: what it signs, botocore signs alike and the verifier takes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from keyferry.service.authz.access_keys import AccessKeys, access_key
from keyferry.service.errors import IncompleteSignatureError, InvalidSignatureError
from keyferry.service.wire.http import HTTPRequest
from keyferry.service.wire.signing import RequestSigner
from keyferry.service.wire.sigv4 import SignatureVerifier

KEY = access_key("PEERKEY", "s3cr3t", account="111122223333", principal="peer")
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
BODY = b'{"Changes":[]}'
HEADERS = {
    "host": "west.example:8600",
    "content-type": "application/x-amz-json-1.0",
    "x-amz-target": "KeyferryReplication.ApplyChanges",
    "x-keyferry-region": "us-east-1",
}


def request(headers: dict[str, str], body: bytes = BODY) -> HTTPRequest:
    """What a server makes of it."""
    return HTTPRequest(
        method="POST",
        path=b"/",
        query=b"",
        headers={name.encode(): value.encode() for name, value in headers.items()},
        body=body,
    )


@pytest.mark.parametrize("body", [b"", BODY, b"x" * 100_000])
def test_botocore_makes_the_same_signature(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The independent implementation agrees on every byte of the signature."""
    signed = RequestSigner(KEY, region="us-west-2").sign(HEADERS, body, now=NOW)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: NOW)
    theirs = AWSRequest(
        "POST",
        "https://west.example:8600/",
        data=body,
        headers={name: value for name, value in HEADERS.items() if name != "host"},
    )
    auth = SigV4Auth(Credentials("PEERKEY", "s3cr3t"), "payment-cryptography", "us-west-2")
    auth.add_auth(theirs)
    assert re.sub(r",\s*", ",", signed["authorization"]) == re.sub(
        r",\s*", ",", theirs.headers["Authorization"]
    )


def test_the_verifier_takes_it_day_after_day() -> None:
    """Signatures of several days and Regions verify, and only for the Region they are for."""
    verifier = SignatureVerifier(AccessKeys([KEY]), ["us-west-2", "eu-west-1"])
    signers = {region: RequestSigner(KEY, region=region) for region in ("us-west-2", "eu-west-1")}
    for days in (0, 1, 2, 1):
        now = NOW + timedelta(days=days)
        for region, signer in signers.items():
            signed = request(signer.sign(HEADERS, BODY, now=now))
            assert verifier.verify(signed, now=now).region == region


def test_nothing_can_be_changed() -> None:
    """Another body or sender, or one that is not signed, is refused, from a known signer too."""
    verifier = SignatureVerifier(AccessKeys([KEY]), ["us-west-2"])
    signed = RequestSigner(KEY, region="us-west-2").sign(HEADERS, BODY, now=NOW)
    verifier.verify(request(signed), now=NOW)
    for changed in (
        request(signed, b'{"Changes":[1]}'),
        request(signed | {"x-keyferry-region": "eu-west-1"}),
        request(signed | {"x-amz-target": "KeyferryReplication.AgreeKey"}),
    ):
        with pytest.raises(InvalidSignatureError):
            verifier.verify(changed, now=NOW)
    bare = {name: value for name, value in HEADERS.items() if name != "x-keyferry-region"}
    unsigned = RequestSigner(KEY, region="us-west-2").sign(bare, BODY, now=NOW)
    verifier.verify(request(unsigned), now=NOW)
    with pytest.raises(IncompleteSignatureError, match="x-keyferry-region"):
        verifier.verify(request(unsigned | {"x-keyferry-region": "us-east-1"}), now=NOW)

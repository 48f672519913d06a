"""A signer that comes again is judged as one that comes for the first time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import botocore.auth
import msgspec
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from keyferry.service.authz.access_keys import AccessKeys, access_key, development_keys
from keyferry.service.errors import AuthenticationError, UnrecognizedClientError
from keyferry.service.wire.http import HTTPRequest, joined_headers
from keyferry.service.wire.returning_signer import ReturningSigner
from keyferry.service.wire.sigv4 import SignatureVerifier

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
REGIONS = {"us-east-1", "us-west-2"}


def sign(
    body: bytes = b"{}",
    *,
    path: str = "/mac/generate",
    at: datetime = NOW,
    secret: str = "test",
    region: str = "us-east-1",
    agent: str = "Boto3/1 md/x",
    **headers: str,
) -> HTTPRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = AWSRequest(
        "POST",
        f"http://127.0.0.1:8600{path}",
        data=body,
        headers={"Content-Type": "application/json", "User-Agent": agent, **named},
    )
    with mock.patch.object(
        botocore.auth, "get_current_datetime", return_value=at.replace(tzinfo=None)
    ):
        SigV4Auth(Credentials("test", secret), "payment-cryptography", region).add_auth(request)
    prepared = request.prepare()
    pairs = [(b"host", b"127.0.0.1:8600")]
    for name, value in prepared.headers.items():
        text = value if isinstance(value, bytes) else str(value).encode()
        pairs.append((name.lower().encode(), text))
    return HTTPRequest(
        method="POST", path=path.encode(), query=b"", headers=joined_headers(pairs), body=body
    )


def outcome(verifier: SignatureVerifier, request: HTTPRequest, now: datetime) -> Any:
    try:
        return verifier.verify(request, now=now)
    except AuthenticationError as error:
        return type(error), str(error)


REQUESTS = st.builds(
    sign,
    st.binary(max_size=20),
    path=st.sampled_from(["/mac/generate", "/keys/a%2Fb/encrypt", "/a/../b", "/"]),
    at=st.integers(-1000, 1000).map(lambda seconds: NOW + timedelta(seconds=seconds)),
    secret=st.sampled_from(["test", "test", "other"]),
    region=st.sampled_from(["us-east-1", "us-west-2", "eu-west-1"]),
    agent=st.sampled_from(["Boto3/1 md/x", "a  b", " a", "a: b", "a\tb"]),
)


@given(st.data())
def test_second_time_is_as_the_first(data: st.DataObject) -> None:
    """Whatever is changed in a request, a verifier that knows its signer says the same."""
    seen = SignatureVerifier(development_keys(), REGIONS)
    for _ in range(3):
        outcome(seen, data.draw(REQUESTS), NOW)
    request = data.draw(REQUESTS)
    headers = dict(request.headers)
    if data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(headers)))
        value = headers[name]
        headers[name] = data.draw(
            st.sampled_from(
                [b"", value + b" ", b" " + value, value[:-1] + b"0", value.upper(), value[:-1]]
            )
        )
    if data.draw(st.booleans()):
        headers[data.draw(st.sampled_from([b"x-amz-more", b"x-other"]))] = b"1"
    query = data.draw(st.sampled_from([b"", b"", b"", b"a=1"]))
    request = msgspec.structs.replace(request, headers=headers, query=query)
    now = NOW + timedelta(seconds=data.draw(st.integers(-1000, 1000)))
    fresh = SignatureVerifier(development_keys(), REGIONS)
    assert outcome(seen, request, now) == outcome(fresh, request, now)


def test_known_signers_take_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second request of a client is not verified the long way, whatever its body and second."""
    verifier = SignatureVerifier(development_keys(), REGIONS)
    verifier.verify(sign(), now=NOW)
    long_way = mock.Mock(side_effect=AssertionError)
    monkeypatch.setattr(verifier, "_verify_in_full", long_way)
    for request in (
        sign(b"{...}"),
        sign(at=NOW + timedelta(seconds=1)),
        sign(path="/mac/verify"),
        sign(agent="another"),
    ):
        assert verifier.verify(request, now=NOW).principal.access_key_id == "test"
    with pytest.raises(AssertionError):
        verifier.verify(sign(X_Amz_Meta="1"), now=NOW)


@pytest.mark.parametrize(
    "at", [NOW + timedelta(minutes=15, seconds=1), NOW - timedelta(minutes=15, seconds=1)]
)
def test_dates_are_looked_at_each_time(at: datetime) -> None:
    """A date that was accepted once is not accepted for ever."""
    verifier = SignatureVerifier(development_keys(), REGIONS)
    verifier.verify(sign(), now=NOW)
    verifier.verify(sign(), now=NOW)
    with pytest.raises(AuthenticationError):
        verifier.verify(sign(), now=at)


def test_replaced_access_key_is_another_signer() -> None:
    """Neither the old secret nor the old principal outlives the key."""

    def keys(secret: str) -> AccessKeys:
        return AccessKeys([access_key("test", secret, account="111122223333", principal="test")])

    verifier = SignatureVerifier(keys("test"), REGIONS)
    verifier.verify(sign(), now=NOW)
    verifier._keys = keys("other")
    with pytest.raises(AuthenticationError):
        verifier.verify(sign(), now=NOW)
    verifier.verify(sign(secret="other"), now=NOW)
    verifier._keys = AccessKeys([])
    with pytest.raises(UnrecognizedClientError):
        verifier.verify(sign(secret="other"), now=NOW)


def test_signature_is_compared_whole() -> None:
    """A prefix of it, or nothing, is none."""
    verifier = SignatureVerifier(development_keys(), REGIONS)
    request = sign()
    verifier.verify(request, now=NOW)
    known, _ = next(iter(verifier._returning.values()))
    assert isinstance(known, ReturningSigner)
    signature = request.headers[b"authorization"][-64:]
    skew = timedelta(minutes=15)
    assert known.verifies(request, signature, now=NOW, skew=skew)
    for wrong in (b"", signature[:32], signature[:-1], signature.upper(), signature + b"0"):
        assert not known.verifies(request, wrong, now=NOW, skew=skew)

"""SigV4: what botocore signs verifies, and nothing else does."""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import botocore.auth
import msgspec
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.service.authz.access_keys import AccessKeys, access_key, development_keys
from keyferry.service.errors import (
    AuthenticationError,
    IncompleteSignatureError,
    InvalidSignatureError,
    MissingAuthenticationError,
    UnrecognizedClientError,
)
from keyferry.service.wire.canonical import (
    canonical_path,
    canonical_query,
    canonical_request,
    canonical_value,
)
from keyferry.service.wire.http import HTTPRequest, joined_headers
from keyferry.service.wire.sigv4 import (
    SignatureVerifier,
    parse_authorization,
)

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
BODY = b'{"KeyIdentifier":"alias/test"}'
TARGET = "PaymentCryptographyControlPlane.GetKey"


def sign(
    *,
    method: str = "POST",
    url: str = "http://127.0.0.1:8600/",
    body: bytes = BODY,
    headers: dict[str, str] | None = None,
    at: datetime = NOW,
    key: str = "test",
    secret: str = "test",
    token: str | None = None,
    region: str = "us-east-1",
    service: str = "payment-cryptography",
) -> HTTPRequest:
    """A request as botocore's signer makes it, in the form a server hands on."""
    request = AWSRequest(
        method, url, data=body, headers={"X-Amz-Target": TARGET} if headers is None else headers
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda: at.replace(tzinfo=None))
        SigV4Auth(Credentials(key, secret, token), service, region).add_auth(request)
    prepared = request.prepare()
    host, slash, rest = prepared.url.partition("://")[2].partition("/")
    path, _, query = (slash + rest).partition("?")
    pairs = [(b"host", host.encode())] + [
        (
            name.lower().encode(),
            value if isinstance(value, bytes) else str(value).encode("latin-1"),
        )
        for name, value in prepared.headers.items()
    ]
    return HTTPRequest(
        method=method,
        path=path.encode() or b"/",
        query=query.encode(),
        headers=joined_headers(pairs),
        body=body,
    )


@pytest.fixture
def verifier() -> SignatureVerifier:
    return SignatureVerifier(development_keys(), {"us-east-1", "us-west-2"})


def changed(request: HTTPRequest, **headers: bytes | None) -> HTTPRequest:
    """The request with headers replaced (underscores as hyphens), or removed with None."""
    merged: dict[bytes, bytes] = dict(request.headers)
    for name, value in headers.items():
        wire = name.replace("_", "-").encode()
        if value is None:
            merged.pop(wire, None)
        else:
            merged[wire] = value
    return msgspec.structs.replace(request, headers=merged)


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"body": b""},
        {"headers": {"X-Amz-Target": TARGET, "Content-Type": "application/x-amz-json-1.0"}},
        {"headers": {"X-Amz-Meta-Spaces": "  a   b  c ", "My-Header": "x"}},
        {"method": "GET", "url": "http://127.0.0.1:8600/keys/alias%2Fabc/encrypt"},
        {"url": "http://127.0.0.1:8600/keys/arn%3Aaws%3Apayment-cryptography/decrypt"},
        {"url": "http://127.0.0.1:8600/a/./b/../c//d/"},
        {"url": "http://127.0.0.1:8600/?b=2&a=1&a=0&empty="},
        {"url": "http://127.0.0.1:8600/?name=v%20w%2Fx~y"},
        {"url": "http://controlplane.payment-cryptography.us-east-1.amazonaws.com/"},
    ],
)
def test_what_botocore_signs_verifies(
    verifier: SignatureVerifier, region: str, options: dict[str, Any]
) -> None:
    """An independent signer and our verifier agree on paths, queries, headers and bodies."""
    signer = verifier.verify(sign(region=region, **options), now=NOW)
    assert signer.region == region
    assert signer.principal.arn == "arn:aws:iam::111122223333:user/test"


def test_published_example_of_the_signing_process() -> None:
    """The canonical request of the published GET example has its published hash."""
    # AWS General Reference, "Create a signed AWS API request": ListUsers of IAM.
    request = HTTPRequest(
        method="GET",
        path=b"/",
        query=b"Action=ListUsers&Version=2010-05-08",
        headers={
            b"content-type": b"application/x-www-form-urlencoded; charset=utf-8",
            b"host": b"iam.amazonaws.com",
            b"x-amz-date": b"20150830T123600Z",
        },
        body=b"",
    )
    canonical = canonical_request(
        request, (b"content-type", b"host", b"x-amz-date"), hashlib.sha256(b"").hexdigest()
    )
    assert hashlib.sha256(canonical).hexdigest() == (
        "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
    )


def test_published_example_of_key_derivation_and_signature() -> None:
    """The published string to sign gives the published signature under the published key."""
    key = b"AWS4" + b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    for part in (b"20150830", b"us-east-1", b"iam", b"aws4_request"):
        key = hmac.digest(key, part, "sha256")
    assert key.hex() == "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"", b"/"),
        (b"/", b"/"),
        (b"//", b"/"),
        (b"/./", b"/"),
        (b"/example/..", b"/"),
        (b"/example1/example2/../..", b"/"),
        (b"/./example", b"/example"),
        (b"//example//", b"/example/"),
        (b"/example space/", b"/example%20space/"),
        (b"/%E1%88%B4", b"/%25E1%2588%25B4"),
        (b"/-._~0123abcXYZ", b"/-._~0123abcXYZ"),
        (b"/../..", b"/"),
    ],
)
def test_paths_as_in_the_signature_test_suite(path: bytes, expected: bytes) -> None:
    """Dot segments, slashes, spaces and unreserved characters, case by case."""
    assert canonical_path(path) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"Param1=value1", b"Param1=value1"),
        (b"Param2=value2&Param1=value1", b"Param1=value1&Param2=value2"),
        (b"Param1=value2&Param1=Value1", b"Param1=Value1&Param1=value2"),
        (b"Param1=", b"Param1="),
        (b"Param1", b"Param1="),
        (b"-._~=-._~", b"-._~=-._~"),
        (b"a=%2f%7e", b"a=%2F~"),
        (b"&&a=1&", b"a=1"),
    ],
)
def test_queries_as_in_the_signature_test_suite(query: bytes, expected: bytes) -> None:
    """Sorting, empty values and encoding, case by case."""
    assert canonical_query(query) == expected


def test_header_values_are_trimmed_and_their_blanks_collapsed() -> None:
    """Leading, trailing and repeated blanks do not count; repeated headers are joined."""
    assert canonical_value(b"  a   b \t c  ") == b"a b c"
    headers = joined_headers([(b"my-header1", b"value4 "), (b"my-header1", b" value1")])
    assert headers == {b"my-header1": b"value4,value1"}


def test_unsigned_request_is_missing_authentication(verifier: SignatureVerifier) -> None:
    """Without an Authorization header there is nothing to verify."""
    with pytest.raises(MissingAuthenticationError):
        verifier.verify(changed(sign(), authorization=None), now=NOW)


def test_presigned_request_is_refused_in_words(verifier: SignatureVerifier) -> None:
    """A signature in the query string is named as what is wrong."""
    request = msgspec.structs.replace(
        changed(sign(), authorization=None),
        query=b"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00",
    )
    with pytest.raises(IncompleteSignatureError, match="query string"):
        verifier.verify(request, now=NOW)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda r: msgspec.structs.replace(r, body=r.body + b" "), InvalidSignatureError),
        (lambda r: msgspec.structs.replace(r, method="PUT"), InvalidSignatureError),
        (lambda r: msgspec.structs.replace(r, path=b"/keys"), InvalidSignatureError),
        (lambda r: msgspec.structs.replace(r, query=b"a=1"), InvalidSignatureError),
        (lambda r: changed(r, host=b"evil.example"), InvalidSignatureError),
        (lambda r: changed(r, x_amz_target=b"X.DeleteKey"), InvalidSignatureError),
        (lambda r: changed(r, x_amz_date=b"20260304T050608Z"), InvalidSignatureError),
        (lambda r: changed(r, x_amz_date=b"20260305T050607Z"), InvalidSignatureError),
        (lambda r: changed(r, x_amz_content_sha256=b"0" * 64), IncompleteSignatureError),
        (lambda r: changed(r, x_amz_meta_more=b"1"), IncompleteSignatureError),
        (lambda r: changed(r, host=None), IncompleteSignatureError),
        (lambda r: changed(r, x_amz_date=None), IncompleteSignatureError),
        (lambda r: changed(r, x_amz_date=b"2026-03-04"), IncompleteSignatureError),
        (lambda r: changed(r, x_amz_date=b"20261304T050607Z"), IncompleteSignatureError),
    ],
)
def test_any_change_after_signing_is_refused(
    verifier: SignatureVerifier,
    change: Callable[[HTTPRequest], HTTPRequest],
    error: type[AuthenticationError],
) -> None:
    """Method, path, query, signed headers and body are all under the signature."""
    request = sign()
    verifier.verify(request, now=NOW)
    with pytest.raises(error):
        verifier.verify(change(request), now=NOW)


def test_a_signed_but_wrong_body_hash_is_refused(verifier: SignatureVerifier) -> None:
    """x-amz-content-sha256 must be the hash of the body that came, UNSIGNED-PAYLOAD included."""
    for value in ("0" * 64, "UNSIGNED-PAYLOAD"):
        with pytest.raises(InvalidSignatureError, match="sha256"):
            verifier.verify(sign(headers={"X-Amz-Content-SHA256": value}), now=NOW)
    digest = hashlib.sha256(BODY).hexdigest()
    verifier.verify(sign(headers={"X-Amz-Content-SHA256": digest}), now=NOW)


def test_wrong_secret_and_unknown_key_differ(verifier: SignatureVerifier) -> None:
    """A wrong secret is an invalid signature, an unknown id an unrecognized client."""
    with pytest.raises(InvalidSignatureError):
        verifier.verify(sign(secret="Test"), now=NOW)
    with pytest.raises(UnrecognizedClientError):
        verifier.verify(sign(key="nobody"), now=NOW)


def test_scope_must_name_a_served_region_and_the_service(verifier: SignatureVerifier) -> None:
    """An unserved Region is an unrecognized client, another service an invalid signature."""
    with pytest.raises(UnrecognizedClientError, match="eu-west-1"):
        verifier.verify(sign(region="eu-west-1"), now=NOW)
    with pytest.raises(InvalidSignatureError, match="service"):
        verifier.verify(sign(service="kms"), now=NOW)


@pytest.mark.parametrize("minutes", [-15, 15])
def test_fifteen_minutes_either_way(verifier: SignatureVerifier, minutes: int) -> None:
    """A clock may be off by exactly fifteen minutes, and not by a second more."""
    request = sign(at=NOW + timedelta(minutes=minutes))
    verifier.verify(request, now=NOW)
    further = timedelta(seconds=1 if minutes < 0 else -1)
    with pytest.raises(InvalidSignatureError, match="Signature"):
        verifier.verify(request, now=NOW + further)


def test_date_header_instead_of_x_amz_date(verifier: SignatureVerifier) -> None:
    """botocore signs an HTTP Date header if the request has one."""
    request = sign(headers={"Date": format_datetime(NOW, usegmt=True)})
    assert b"x-amz-date" not in request.headers
    verifier.verify(request, now=NOW)
    for value in (b"yesterday", b"", b"Mon, 99 Foo 2026 00:00:00 GMT", b"1 2 3 4 5"):
        with pytest.raises(AuthenticationError):
            verifier.verify(changed(request, date=value), now=NOW)


def test_session_token_passes_in_development_only(verifier: SignatureVerifier) -> None:
    """A stray session token is ignored by --dev and refused beside real access keys."""
    request = sign(token="stray")
    verifier.verify(request, now=NOW)
    strict = SignatureVerifier(
        AccessKeys([access_key("test", "test", account="111122223333", principal="u")]),
        {"us-east-1"},
    )
    with pytest.raises(UnrecognizedClientError):
        strict.verify(request, now=NOW)


AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=test/20260304/us-east-1/payment-cryptography/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
)


@pytest.mark.parametrize(
    ("find", "put"),
    [
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        ("AWS4-HMAC-SHA256 ", ""),
        ("Credential=", "Credentials="),
        ("/aws4_request", ""),
        ("/aws4_request", "/aws5_request"),
        ("test/", "te/st/"),
        ("test/", "/"),
        ("20260304/", ""),
        ("SignedHeaders=host;x-amz-date, ", ""),
        ("host;x-amz-date", ""),
        ("host;x-amz-date", "x-amz-date;host"),
        ("host;x-amz-date", "host;host"),
        ("host;x-amz-date", "Host;x-amz-date"),
        ("host;x-amz-date", "host;;x-amz-date"),
        ("host;x-amz-date", "host;x amz date"),
        ("Signature=", "Signature=0"),
        ("Signature=0", "Signature=G"),
        ("Signature=", "Signature"),
        (", Signature", ", Signature=1, Signature"),
        (", Signature", ", Other=1, Signature"),
        ("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 " + " " * 9000),
    ],
)
def test_malformed_authorization_is_incomplete(find: str, put: str) -> None:
    """Each part must be there once and have its form."""
    parse_authorization(AUTHORIZATION)
    with pytest.raises(IncompleteSignatureError):
        parse_authorization(AUTHORIZATION.replace(find, put, 1))


def test_authorization_without_blanks_is_read() -> None:
    """Commas need no blanks after them."""
    authorization, signature = parse_authorization(AUTHORIZATION.replace(", ", ","))
    assert authorization.region == "us-east-1"
    assert signature == "0" * 64


def test_parts_of_the_authorization_may_come_in_any_order() -> None:
    """The signature may stand before the other parts."""
    parts = AUTHORIZATION.partition(" ")[2].split(", ")
    for order in itertools.permutations(parts):
        header = "AWS4-HMAC-SHA256 " + ", ".join(order)
        assert parse_authorization(header) == parse_authorization(AUTHORIZATION)


@given(header=st.text(max_size=300) | st.binary(max_size=300).map(lambda b: b.decode("latin-1")))
def test_any_text_is_parsed_or_refused(header: str) -> None:
    """No Authorization header raises anything but IncompleteSignatureError."""
    with pytest.raises(IncompleteSignatureError):
        parse_authorization(header)


@settings(max_examples=300)
@given(data=st.data())
def test_any_mutation_of_the_header_is_refused(data: st.DataObject) -> None:
    """No changed, inserted or removed character of a valid header verifies."""
    request = sign()
    header = request.headers[b"authorization"].decode()
    position = data.draw(st.integers(0, len(header) - 1))
    put = data.draw(st.characters(max_codepoint=255) | st.just(""))
    mutated = header[:position] + put + header[position + data.draw(st.integers(0, 2)) :]
    if mutated.replace(" ", "") == header.replace(" ", ""):
        return  # blanks around the parts do not count
    verifier = SignatureVerifier(development_keys(), {"us-east-1"})
    with pytest.raises(AuthenticationError):
        verifier.verify(changed(request, authorization=mutated.encode("latin-1")), now=NOW)


@given(
    headers=st.dictionaries(
        st.sampled_from([b"host", b"date", b"x-amz-date", b"authorization", b"x-amz-target"]),
        st.binary(max_size=40) | st.just(AUTHORIZATION.encode()),
    ),
    method=st.text(max_size=5),
    path=st.binary(max_size=40),
    query=st.binary(max_size=40),
)
def test_any_request_is_refused_as_documented(
    headers: dict[bytes, bytes], method: str, path: bytes, query: bytes
) -> None:
    """Whatever bytes come, nothing but an AuthenticationError is raised."""
    verifier = SignatureVerifier(development_keys(), {"us-east-1"})
    request = HTTPRequest(method=method, path=path, query=query, headers=headers, body=b"")
    with pytest.raises(AuthenticationError):
        verifier.verify(request, now=NOW)


def test_derived_keys_are_kept_within_bounds(
    verifier: SignatureVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache of signing keys starts over when it is full, and verification goes on."""
    monkeypatch.setattr("keyferry.service.wire.sigv4.CACHED_SIGNING_KEYS", 1)
    for region in ("us-east-1", "us-west-2", "us-east-1"):
        assert verifier.verify(sign(region=region), now=NOW).region == region

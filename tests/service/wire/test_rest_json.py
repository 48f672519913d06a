"""Routing, decoding and refusals of the data plane's protocol."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry import errors as causes
from keyferry.service import errors as refusals
from keyferry.service.errors import InvalidRequestError, SerializationError
from keyferry.service.wire import data_types, json10
from keyferry.service.wire.constraints import RequestValidator
from keyferry.service.wire.errors import api_error
from keyferry.service.wire.rest_json import RESTProtocol, error_response
from keyferry.service.wire.shapes import ListOf, Number, Structure, Text
from keyferry.service.wire.strict_types import StrictTypes

PROTOCOL = RESTProtocol(data_types)
VALIDATOR = RequestValidator(data_types.SHAPES)
STRICT = StrictTypes(data_types)
ARN = "arn:aws:payment-cryptography:us-east-1:111122223333:key/abcdefghijklmnop"
ENCRYPT = b'{"PlainText": "31323334", "EncryptionAttributes": {"Symmetric": {"Mode": "ECB"}}}'


@pytest.mark.parametrize(
    ("path", "name", "member"),
    [
        (b"/mac/generate", "GenerateMac", None),
        (b"/pindata/translate", "TranslatePinData", None),
        (b"/keys/alias%2Fmy%2Fkey_1/decrypt", "DecryptData", b"alias%2Fmy%2Fkey_1"),
        (b"/keys/arn%3Aaws%3Akey%2Fa/encrypt", "EncryptData", b"arn%3Aaws%3Akey%2Fa"),
        (b"/keys/arn:aws:x%2Fa/reencrypt", "ReEncryptData", b"arn:aws:x%2Fa"),
    ],
)
def test_paths_lead_to_operations(path: bytes, name: str, member: bytes | None) -> None:
    """A key identifier is one segment, with colons encoded or bare."""
    route = PROTOCOL.route(path)
    assert route is not None
    assert (route[0].name, route[1]) == (name, member)


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"/",
        b"/keys",
        b"/keys//encrypt",
        b"/keys/a/encrypt/",
        b"//keys/a/encrypt",
        b"/keys/alias/my/encrypt",
        b"/keys/a/translate",
        b"/mac/generate/",
        b"/mac%2Fgenerate",
        b"/MAC/generate",
        b"/keys/a%2Fencrypt",
    ],
)
def test_other_paths_lead_nowhere(path: bytes) -> None:
    """A slash that is not encoded is another segment, and one that is encoded is none."""
    assert PROTOCOL.route(path) is None


def test_every_operation_of_the_model_has_its_path() -> None:
    """Fifteen operations."""
    found = set()
    for name, shape in data_types.OPERATIONS.items():
        route = PROTOCOL.route(shape.uri.encode())
        assert route is not None
        assert route[0].name == name
        found.add(name)
    assert len(found) == 15


def read(path: bytes, body: bytes) -> Any:
    route = PROTOCOL.route(path)
    assert route is not None
    return PROTOCOL.read(*route, body)


def test_member_of_the_path_joins_the_body() -> None:
    """It is decoded once, and wins over a member of the same name in the body."""
    quoted = ARN.replace(":", "%3A").replace("/", "%2F").encode()
    body = ENCRYPT[:-1] + b', "KeyIdentifier": "alias/other"}'
    request = read(b"/keys/%s/encrypt" % quoted, body)
    assert request.key_identifier == ARN
    assert request.encryption_attributes.symmetric.mode == "ECB"
    # A percent sign that was encoded twice is no ARN.
    with pytest.raises(InvalidRequestError, match="keyIdentifier"):
        read(b"/keys/%s/encrypt" % quoted.replace(b"%", b"%25"), ENCRYPT)


def test_path_that_is_no_text() -> None:
    """Bytes that are not UTF-8 name no key."""
    with pytest.raises(SerializationError, match="keyIdentifier"):
        read(b"/keys/alias%2F%ff/encrypt", ENCRYPT)


def test_broken_constraints_are_told_one_by_one() -> None:
    """Words and fields are those of the walk, a sensitive value is not repeated."""
    body = {
        "KeyIdentifier": "nothing",
        "PrimaryAccountNumber": "4123",
        "VerificationAttributes": {
            "CardVerificationValue1": {"CardExpiryDate": "8701", "ServiceCode": "101"},
            "CardVerificationValue2": {"CardExpiryDate": "8701"},
        },
        "ValidationData": "561",
    }
    with pytest.raises(InvalidRequestError) as caught:
        read(b"/cardvalidationdata/verify", json.dumps(body).encode())
    assert [path for path, _ in caught.value.fields] == [
        "keyIdentifier",
        "primaryAccountNumber",
        "verificationAttributes",
    ]
    assert str(caught.value).startswith("3 validation errors detected: Value 'nothing' at")
    assert "4123" not in str(caught.value)


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b'"x"', b"\xff", b'{"MessageData": 1}', b"[" * 100_000]
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    """Like members of the wrong JSON type."""
    with pytest.raises(SerializationError):
        read(b"/mac/generate", body)


def test_null_is_absence() -> None:
    """For a member that may be left out, as for one that may not."""
    body = b'{"KeyIdentifier": "alias/a", "MessageData": "00", "MacLength": null, "X": 1,'
    assert read(b"/mac/generate", body + b'"GenerationAttributes": {"Algorithm": "CMAC"}}')
    with pytest.raises(InvalidRequestError, match="generationAttributes"):
        read(b"/mac/generate", body + b'"GenerationAttributes": null}')


# --- the strict types against the walk ------------------------------------------------------


def values(shape_name: str) -> st.SearchStrategy[Any]:
    """Values near a shape: some fit, some do not."""
    shape = data_types.SHAPES[shape_name]
    match shape:
        case Text(enum=(_, *_)):
            return st.sampled_from([*shape.enum, "", shape.enum[0].lower(), None, 1])
        case Text():
            sizes = {
                size
                for bound in (shape.minimum or 0, shape.maximum or 4)
                for size in (bound - 1, bound, bound + 1)
                if 0 <= size < 400
            } | {2, 16, 32}
            alphabet = st.sampled_from(["0", "0", "0", "0", "0", "A", "f", "g", "\n", "\u0661"])
            return st.one_of(
                st.sampled_from(sorted(sizes)).flatmap(
                    lambda size: st.text(alphabet, min_size=size, max_size=size)
                ),
                st.sampled_from(sorted(sizes)).map(lambda size: "1" * size),
                st.sampled_from([None, 7, [], {}, ARN, ARN + "\n", "alias/a", "alias/a\n"]),
            )
        case Number():
            low, high = shape.minimum or 0, shape.maximum or 9
            return st.sampled_from(
                [low - 1, low, high, high + 1, 2**31, True, 3.0, "3", None, -(2**31) - 1]
            )
        case ListOf():
            return st.lists(values(shape.member), max_size=3)
        case Structure():
            return structures(shape)
        case _:
            raise AssertionError(shape_name)


def structures(shape: Structure) -> st.SearchStrategy[Any]:
    @st.composite
    def one(draw: Any) -> dict[str, Any]:
        names = list(shape.members)
        if shape.union and draw(st.integers(0, 3)):
            names = [draw(st.sampled_from(names))]
        made = {}
        for name in names:
            if name in shape.required or draw(st.booleans()):
                made[name] = draw(values(shape.members[name]))
        return made

    return one()


@pytest.mark.parametrize("name", sorted(data_types.OPERATIONS))
def test_strict_types_agree_with_the_walk(name: str) -> None:
    """What one accepts the other accepts, and makes the same request of it."""
    shape = data_types.OPERATIONS[name].input
    strict = STRICT.of(shape.__name__)

    @given(values(shape.__name__))
    def check(document: Any) -> None:
        text = json.dumps(document).encode()
        try:
            fast = msgspec.json.decode(text, type=strict)
        except msgspec.ValidationError:
            fast = None
        try:
            slow = json10.typed_request(json.loads(text), shape, VALIDATOR)
        except (InvalidRequestError, SerializationError):
            slow = None
        assert (fast is None) == (slow is None)
        if fast is not None:
            assert msgspec.to_builtins(fast) == msgspec.to_builtins(slow)

    check()


@pytest.mark.parametrize(
    "shape_name",
    [name for name, shape in data_types.SHAPES.items() if isinstance(shape, Text | Number)],
)
def test_strict_values_agree_with_the_walk(shape_name: str) -> None:
    """The same for each kind of value by itself, where random requests seldom get."""
    holder = msgspec.defstruct("Holder", [("member", STRICT.of(shape_name))])

    @given(values(shape_name))
    def check(value: Any) -> None:
        try:
            msgspec.json.decode(json.dumps({"member": value}).encode(), type=holder)
        except msgspec.ValidationError:
            fast = False
        else:
            fast = True
        try:
            VALIDATOR.validate(shape_name, value)
        except (InvalidRequestError, SerializationError):
            slow = False
        else:
            slow = True
        assert fast == slow

    check()


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cause", "status", "body"),
    [
        (InvalidRequestError("x"), 400, {"message": "x"}),
        (
            InvalidRequestError("x", fields=(("a.b", "y"),)),
            400,
            {"message": "x", "fieldList": [{"path": "a.b", "message": "y"}]},
        ),
        (refusals.AccessDeniedError("x"), 403, {"Message": "x"}),
        (refusals.ResourceNotFoundError("alias/a"), 404, {"ResourceId": "alias/a"}),
        (refusals.ThrottledError("x"), 429, {"Message": "x"}),
        (refusals.UnknownOperationError("x"), 404, {"message": "x"}),
        (refusals.SerializationError("x"), 400, {"message": "x"}),
        (refusals.MissingAuthenticationError("x"), 403, {"message": "x"}),
        (refusals.IncompleteSignatureError("x"), 403, {"message": "x"}),
        (refusals.InvalidSignatureError("x"), 403, {"message": "x"}),
        (refusals.UnrecognizedClientError("x"), 403, {"message": "x"}),
        (
            causes.PINVerificationError(),
            400,
            {"Reason": "INVALID_PIN", "Message": "Pin block verification failed."},
        ),
        (
            causes.MACVerificationError(),
            400,
            {"Reason": "INVALID_MAC", "Message": "MAC verification failed."},
        ),
        (
            causes.CardDataVerificationError(),
            400,
            {
                "Reason": "INVALID_VALIDATION_DATA",
                "Message": "Card validation data verification failed.",
            },
        ),
        (
            causes.CryptogramVerificationError(),
            400,
            {
                "Reason": "INVALID_AUTH_REQUEST_CRYPTOGRAM",
                "Message": "Auth request cryptogram verification failed.",
            },
        ),
    ],
)
def test_refusals_have_their_members_and_status(
    cause: causes.KeyferryError, status: int, body: dict[str, Any]
) -> None:
    """Each exception of the API has other members; the name is in a header."""
    error = api_error(cause, data_types.OPERATIONS["VerifyMac"].errors)
    response = error_response(error, "id")
    assert response.status == status
    assert json.loads(response.body) == body
    assert (b"x-amzn-errortype", error.name.encode()) in response.header_list()
    assert response.content_type == b"application/json"


def test_faults_are_internal_errors() -> None:
    """The data plane declares no unavailability, and words of faults stay inside."""
    declared = data_types.OPERATIONS["VerifyMac"].errors
    for cause in (causes.StoreError("secret"), causes.StoreIntegrityError("secret")):
        response = error_response(api_error(cause, declared), "id")
        assert response.status == 500
        assert (b"x-amzn-errortype", b"InternalServerException") in response.header_list()
        assert b"secret" not in response.body

"""Shape validation: the wording, the paths, what is never repeated."""

from __future__ import annotations

import contextlib
import random
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.service.errors import InvalidRequestError, SerializationError
from keyferry.service.wire import control_types as t
from keyferry.service.wire import data_types, json10
from keyferry.service.wire.constraints import RequestValidator
from keyferry.service.wire.shapes import (
    Flag,
    ListOf,
    MapOf,
    Number,
    Shape,
    Structure,
    Text,
    Timestamp,
)

CONTROL = RequestValidator(t.SHAPES)
ARN = "arn:aws:payment-cryptography:us-east-1:111122223333:key/abcdefghij234567"
ATTRIBUTES = {
    "KeyUsage": "TR31_P0_PIN_ENCRYPTION_KEY",
    "KeyClass": "SYMMETRIC_KEY",
    "KeyAlgorithm": "TDES_2KEY",
    "KeyModesOfUse": {"Encrypt": True},
}


def refusal(shape: str, document: object) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        CONTROL.validate(shape, document)
    return str(caught.value)


def test_valid_request_becomes_its_type() -> None:
    """A valid document passes and converts; unknown members are ignored, nulls are absent."""
    document: dict[str, Any] = {
        "KeyAttributes": ATTRIBUTES,
        "Exportable": True,
        "Tags": [],
        "Enabled": None,
        "Surprise": [1, 2],
    }
    request = json10.typed_request(document, t.CreateKeyInput, CONTROL)
    assert request.key_attributes.key_modes_of_use.encrypt is True
    assert request.key_attributes.key_modes_of_use.no_restrictions is False
    assert request.enabled is None
    assert request.tags == []


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {"KeyIdentifier": "nonsense"},
            "1 validation error detected: Value 'nonsense' at 'keyIdentifier' failed to satisfy"
            " constraint: Member must satisfy regular expression pattern: "
            + str(getattr(t.SHAPES["KeyArnOrKeyAliasType"], "pattern", "")),
        ),
        (
            {"KeyIdentifier": ARN, "DeleteKeyInDays": 181},
            "1 validation error detected: Value '181' at 'deleteKeyInDays' failed to satisfy"
            " constraint: Member must have value less than or equal to 180",
        ),
        (
            {"KeyIdentifier": ARN, "DeleteKeyInDays": 2},
            "1 validation error detected: Value '2' at 'deleteKeyInDays' failed to satisfy"
            " constraint: Member must have value greater than or equal to 3",
        ),
        (
            {"DeleteKeyInDays": 0},
            "2 validation errors detected: Value null at 'keyIdentifier' failed to satisfy"
            " constraint: Member must not be null; Value '0' at 'deleteKeyInDays' failed to satisfy"
            " constraint: Member must have value greater than or equal to 3",
        ),
        (
            {"KeyIdentifier": None},
            "1 validation error detected: Value null at 'keyIdentifier' failed to satisfy"
            " constraint: Member must not be null",
        ),
        (
            {"KeyIdentifier": "alias/"},
            "1 validation error detected: Value 'alias/' at 'keyIdentifier' failed to satisfy"
            " constraint: Member must have length greater than or equal to 7",
        ),
    ],
)
def test_wording_of_a_refused_delete_key(document: dict[str, Any], expected: str) -> None:
    """Count in front, value, lowerCamel path, constraint; joined by semicolons."""
    assert refusal("DeleteKeyInput", document) == expected


def test_nested_paths_enums_and_list_positions() -> None:
    """Paths go through structures by name and through lists by position from one."""
    message = refusal(
        "CreateKeyInput",
        {
            "KeyAttributes": ATTRIBUTES | {"KeyUsage": "M0"},
            "Exportable": True,
            "Tags": [{"Key": "a", "Value": ""}, {"Key": "", "Value": "b" * 257}, None],
        },
    )
    assert message.startswith(
        "4 validation errors detected: Value 'M0' at 'keyAttributes.keyUsage' failed to satisfy"
        " constraint: Member must satisfy enum value set: [TR31_B0_BASE_DERIVATION_KEY, "
    )
    assert "Value '' at 'tags.2.member.key' failed" in message
    assert "at 'tags.2.member.value' failed" in message
    assert "Value null at 'tags.3.member' failed" in message


def test_union_needs_exactly_one_variant() -> None:
    """None, two, an unknown one and a null one are all refused."""
    trusted = {"PublicKeyCertificate": "x"} | {
        "KeyAttributes": ATTRIBUTES,
        "CertificateAuthorityPublicKeyIdentifier": ARN,
    }
    root = {"KeyAttributes": ATTRIBUTES, "PublicKeyCertificate": "x"}
    one = {"RootCertificatePublicKey": root}
    CONTROL.validate("ImportKeyInput", {"KeyMaterial": dict(one)})
    for material in (
        {},
        {"Unknown": {}},
        {"RootCertificatePublicKey": None},
        one | {"TrustedCertificatePublicKey": trusted},
    ):
        message = refusal("ImportKeyInput", {"KeyMaterial": material})
        assert "at 'keyMaterial' failed to satisfy constraint: Member must have exactly" in message


def test_sensitive_values_are_not_repeated() -> None:
    """Wrapped material and optional block ids do not come back in an error."""
    secret = "D0144D0AB00E0000SECRET!"
    message = refusal(
        "ImportKeyInput",
        {
            "KeyMaterial": {
                "Tr31KeyBlock": {"WrappingKeyIdentifier": ARN, "WrappedKeyBlock": secret}
            }
        },
    )
    assert "keyMaterial.tr31KeyBlock.wrappedKeyBlock" in message
    assert "SECRET" not in message
    block = {"WrappingKeyIdentifier": ARN, "KeyBlockHeaders": {"OptionalBlocks": {"no!": "#"}}}
    message = refusal(
        "ExportKeyInput", {"ExportKeyIdentifier": ARN, "KeyMaterial": {"Tr31KeyBlock": block}}
    )
    assert "no!" not in message
    assert "#" not in message
    assert "keyBlockHeaders.optionalBlocks.1.key" in message


def test_long_values_and_long_lists_of_errors_are_cut() -> None:
    """An answer stays small whatever was sent."""
    message = refusal("GetKeyInput", {"KeyIdentifier": "x" * 1000})
    assert len(message) < 500
    message = refusal("UntagResourceInput", {"ResourceArn": ARN, "TagKeys": [""] * 150})
    assert message.startswith("150 validation errors detected: ")
    assert message.count("failed to satisfy") == 10


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ([], "request body"),
        ({"KeyAttributes": []}, "keyAttributes"),
        ({"KeyAttributes": {"KeyUsage": 1}}, "keyAttributes.keyUsage"),
        ({"KeyAttributes": ATTRIBUTES, "Exportable": 1}, "exportable"),
        ({"KeyAttributes": ATTRIBUTES, "Exportable": "true"}, "exportable"),
        ({"KeyAttributes": ATTRIBUTES, "Tags": {}}, "tags"),
        ({"KeyAttributes": ATTRIBUTES, "Tags": ["a"]}, "tags.1.member"),
    ],
)
def test_wrong_json_type_is_a_serialization_error(document: object, path: str) -> None:
    """The path is named, the value is not."""
    with pytest.raises(SerializationError) as caught:
        CONTROL.validate("CreateKeyInput", document)
    assert str(caught.value).startswith(f"{path}: expected ")


@pytest.mark.parametrize("value", [True, 7.0, "7", 2**31, -(2**31) - 1])
def test_integers_are_32_bit_integers(value: object) -> None:
    """Booleans, fractions, text and larger numbers are no integers."""
    with pytest.raises(SerializationError):
        CONTROL.validate("DeleteKeyInput", {"KeyIdentifier": ARN, "DeleteKeyInDays": value})


@pytest.mark.parametrize("suffix", ["\n", " ", "\u0660"])
def test_patterns_fit_the_whole_value(suffix: str) -> None:
    """A line break at the end, a blank and a non-ASCII digit are not part of an ARN."""
    refusal("GetKeyInput", {"KeyIdentifier": ARN + suffix})


# --- documents made from the model -------------------------------------------------------------


def example(shapes: dict[str, Shape], name: str, random_: random.Random) -> Any:
    """A valid document of a shape; patterned text comes from a table of examples."""
    match shapes[name]:
        case Text(enum=enum) if enum:
            return random_.choice(enum)
        case Text() as text:
            return EXAMPLES.get(text.pattern or "", "a" * max(text.minimum or 1, 1))
        case Number(minimum=minimum):
            return minimum or 0
        case Flag():
            return random_.random() < 0.5
        case Timestamp():
            return 0.5
        case ListOf(member=member, minimum=minimum):
            return [example(shapes, member, random_) for _ in range(minimum or 1)]
        case MapOf(key=key, value=value):
            return {example(shapes, key, random_): example(shapes, value, random_)}
        case Structure(members=members, required=required, union=union):
            if union:
                variant = random_.choice(list(members))
                return {variant: example(shapes, members[variant], random_)}
            return {
                member: example(shapes, shape, random_)
                for member, shape in members.items()
                if member in required or random_.random() < 0.5
            }


def _patterns() -> dict[str, str]:
    candidates = [
        *("alias/example", ARN, "us-east-1", "00", "AB", "F" * 20, "A" * 24, "ab" * 16, "1" * 56),
        *("a@b.example", "{}", "x" * 80, "123456789012", "1234", "12345678", "0" * 16, "12", "123"),
        *("import-token-" + "a" * 16, "export-token-" + "a" * 16, "0", "1" * 10, "1" * 6),
        "arn:aws:mpa:us-east-1:111122223333:approval-team/team",
        "arn:aws:mpa:us-east-1:111122223333:session/team/id",
    ]
    found: dict[str, str] = {}
    for shapes in (t.SHAPES, data_types.SHAPES):
        for shape in shapes.values():
            if isinstance(shape, Text) and shape.pattern:
                for text in candidates:
                    if re.fullmatch(shape.pattern, text) and (shape.minimum or 0) <= len(text) <= (
                        shape.maximum or 10**6
                    ):
                        found.setdefault(shape.pattern, text)
    return found


EXAMPLES = _patterns()


@pytest.mark.parametrize("operation", sorted(t.OPERATIONS))
def test_every_operation_takes_documents_of_its_shape(operation: str) -> None:
    """Documents built from the model pass the validator and convert to the request type."""
    random_ = random.Random(operation)
    request_type = t.OPERATIONS[operation].input
    accepted = 0
    for _ in range(20):
        document = example(t.SHAPES, request_type.__name__, random_)
        # Text of one pattern and different lengths shares one example.
        with contextlib.suppress(InvalidRequestError):
            request = json10.typed_request(document, request_type, CONTROL)
            assert isinstance(request, request_type)
            accepted += 1
    assert accepted


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                sorted(
                    {m for s in t.SHAPES.values() if isinstance(s, Structure) for m in s.members}
                )
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(operation=st.sampled_from(sorted(t.OPERATIONS)), document=json_values)
def test_any_document_is_taken_or_refused(operation: str, document: Any) -> None:
    """Whatever JSON comes, a request comes out or a documented refusal; never another error."""
    body = msgspec.json.encode(document)
    request_type = t.OPERATIONS[operation].input
    with contextlib.suppress(SerializationError, InvalidRequestError):
        decoded = json10.decode_document(body)
        assert isinstance(json10.typed_request(decoded, request_type, CONTROL), request_type)


@given(body=st.binary(max_size=200))
def test_any_bytes_are_a_document_or_refused(body: bytes) -> None:
    """A body that is no JSON object is a SerializationError."""
    with contextlib.suppress(SerializationError):
        assert isinstance(json10.decode_document(body), dict)


BAD_BODIES = {
    "list": b"[]",
    "null": b"null",
    "string": b'"x"',
    "truncated": b"{",
    "truncated member": b'{"a":',
    "not UTF-8": b"\xff",
    "name not UTF-8": b'{"\xff":1}',
    "NaN": b'{"a":NaN}',
    "number too large": b'{"a":1e999}',
    "deep objects": b'{"a":' * 100_000,
    "deep lists": b"[" * 1_000_000,
    "lone surrogate": b'{"a":"\\ud800"}',
    "trailing": b"{}{}",
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_bodies_that_are_no_objects(body: bytes) -> None:
    """Malformed, truncated, deeply nested and non-object bodies are SerializationErrors."""
    with pytest.raises(SerializationError):
        json10.decode_document(body)


def test_empty_body_is_an_empty_object() -> None:
    """An operation without members may be called with no body at all."""
    assert json10.decode_document(b"") == {}

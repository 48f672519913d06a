"""The table from causes to what a client sees."""

from __future__ import annotations

import json

import pytest

from keyferry import errors as causes
from keyferry.service import errors as refusals
from keyferry.service.wire import control_types as t
from keyferry.service.wire.errors import ERROR_CODES, UNOPENED_MATERIAL, api_error


def all_classes(base: type[Exception]) -> set[type[Exception]]:
    found = {base}
    for child in base.__subclasses__():
        found |= all_classes(child)
    return found


def test_every_service_refusal_has_a_code_of_its_own() -> None:
    """No refusal an operation can raise falls through to the internal error."""
    for refusal in all_classes(refusals.ServiceError) - {
        refusals.ServiceError,
        refusals.AuthenticationError,
    }:
        assert refusal in ERROR_CODES, refusal.__name__


def test_modelled_errors_carry_message_in_the_namespace_of_the_plane() -> None:
    """The text member is `Message`, the type is qualified."""
    response = api_error(refusals.InvalidRequestError("wrong")).response("id-1")
    assert response.status == 400
    assert json.loads(response.body) == {
        "__type": "com.amazonaws.paymentcryptography#ValidationException",
        "Message": "wrong",
    }
    assert (b"x-amzn-requestid", b"id-1") in response.header_list()


def test_not_found_carries_the_identifier_as_sent_and_a_message() -> None:
    """ResourceNotFoundException has ResourceId, and Message so that SDKs show something."""
    error = api_error(refusals.ResourceNotFoundError("alias/x"))
    assert json.loads(error.response("id").body) == {
        "__type": "com.amazonaws.paymentcryptography#ResourceNotFoundException",
        "ResourceId": "alias/x",
        "Message": "alias/x does not exist",
    }


@pytest.mark.parametrize(
    ("error", "name", "status"),
    [
        (refusals.MissingAuthenticationError(), "MissingAuthenticationTokenException", 400),
        (refusals.InvalidSignatureError("x"), "InvalidSignatureException", 400),
        (refusals.UnrecognizedClientError("x"), "UnrecognizedClientException", 400),
        (refusals.IncompleteSignatureError("x"), "IncompleteSignatureException", 400),
        (refusals.UnknownOperationError("x"), "UnknownOperationException", 400),
        (refusals.SerializationError("x"), "SerializationException", 400),
        (refusals.BodyTooLargeError("x"), "RequestEntityTooLargeException", 413),
        (refusals.ThrottledError("x"), "ThrottlingException", 400),
        (refusals.ConflictError("x"), "ConflictException", 400),
        (refusals.QuotaExceededError("x"), "ServiceQuotaExceededException", 400),
        (refusals.AccessDeniedError("x"), "AccessDeniedException", 400),
        (causes.KeyAttributesError("x"), "ValidationException", 400),
        (causes.KeyStrengthError("x"), "ValidationException", 400),
        (causes.CertificateValidityError("x"), "ValidationException", 400),
        (causes.StoreError("x"), "ServiceUnavailableException", 503),
        (causes.MasterKeyError("x"), "ServiceUnavailableException", 503),
        (causes.StoreIntegrityError("x"), "InternalServerException", 500),
        (causes.HSMError("x"), "InternalServerException", 500),
        (ValueError("x"), "InternalServerException", 500),
    ],
)
def test_causes_and_their_codes(error: Exception, name: str, status: int) -> None:
    """Names and statuses of the error table."""
    seen = api_error(error)
    assert (seen.name, seen.code.status) == (name, status)
    assert seen.is_fault is (status >= 500)


@pytest.mark.parametrize(
    "error",
    [
        causes.KeyBlockAuthenticationError(),
        causes.MalformedKeyBlockError("usage", offset=5, expected="P0"),
        causes.TokenSignatureError("signer"),
        causes.TokenDecryptionError(),
        causes.RSADecryptionError("padding"),
        causes.KeyParityError("byte 3"),
    ],
)
def test_failures_to_open_material_are_indistinguishable(error: causes.KeyferryError) -> None:
    """One text for every step that can fail while wrapped material is opened."""
    seen = api_error(error)
    assert seen.name == "ValidationException"
    assert seen.message == UNOPENED_MATERIAL


@pytest.mark.parametrize("error", [ValueError("key 0123"), causes.StoreIntegrityError("row 7")])
def test_words_of_internal_errors_stay_inside(error: Exception) -> None:
    """What went wrong inside is for the log of the operator, not for the caller."""
    assert str(error) not in api_error(error).response("id").body.decode()


def test_unavailability_is_internal_where_it_is_not_declared() -> None:
    """The replication operations do not declare ServiceUnavailableException."""
    declared = t.OPERATIONS["AddKeyReplicationRegions"].errors
    assert api_error(causes.StoreError("x"), declared).name == "InternalServerException"
    declared = t.OPERATIONS["CreateKey"].errors
    assert api_error(causes.StoreError("x"), declared).name == "ServiceUnavailableException"

"""
The one table from causes to what an API client sees: exception name, HTTP status, words.

Two families: exceptions of the API model (namespace of the plane, member `Message`), and the
generic ones of every AWS service, raised before an operation is found (member `message`).
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from keyferry import errors as causes
from keyferry.service import errors as refusals
from keyferry.service.wire import json10
from keyferry.service.wire.http import HTTPResponse

CONTROL_NAMESPACE = "com.amazonaws.paymentcryptography"
GENERIC_NAMESPACE = "com.amazon.coral.service"

# One text for whatever goes wrong while wrapped material is opened: which step failed would tell
# an attacker with a changed block or token what to change next.
UNOPENED_MATERIAL = (
    "The wrapped key material cannot be imported: it is malformed, or does not verify under the"
    " key, the certificates or the token that it was sent with."
)
# Garbage after decryption: another key, another PAN, another format or a changed block. One text.
INVALID_PIN_BLOCK = (
    "Pin block provided is invalid. Please check your input to ensure all field values are correct."
)
INTERNAL_TEXT = "The request could not be processed because of an internal error."


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """What a class of causes is to a client."""

    name: str
    status: int = 400
    generic: bool = False  # of every AWS service, not of this API's model
    text: str | None = None  # told instead of the cause's own words
    reason: str | None = None  # Reason, of a verification that failed


VALIDATION = ErrorCode("ValidationException")
INTERNAL = ErrorCode("InternalServerException", 500, text=INTERNAL_TEXT)


def _failed_verification(reason: str, text: str) -> ErrorCode:
    return ErrorCode("VerificationFailedException", text=text, reason=reason)


UNAVAILABLE = ErrorCode(
    "ServiceUnavailableException", 503, text="The service is temporarily unable to answer."
)

# The most special class in an error's ancestry decides.
ERROR_CODES: dict[type[causes.KeyferryError], ErrorCode] = {
    refusals.InvalidRequestError: VALIDATION,
    refusals.ResourceNotFoundError: ErrorCode("ResourceNotFoundException"),
    refusals.ConflictError: ErrorCode("ConflictException"),
    refusals.QuotaExceededError: ErrorCode("ServiceQuotaExceededException"),
    refusals.AccessDeniedError: ErrorCode("AccessDeniedException"),
    refusals.ThrottledError: ErrorCode("ThrottlingException"),
    refusals.ServiceUnavailableError: UNAVAILABLE,
    # Before an operation is found.
    refusals.UnknownOperationError: ErrorCode("UnknownOperationException", generic=True),
    refusals.SerializationError: ErrorCode("SerializationException", generic=True),
    refusals.BodyTooLargeError: ErrorCode("RequestEntityTooLargeException", 413, generic=True),
    refusals.MissingAuthenticationError: ErrorCode(
        "MissingAuthenticationTokenException", generic=True
    ),
    refusals.IncompleteSignatureError: ErrorCode("IncompleteSignatureException", generic=True),
    refusals.InvalidSignatureError: ErrorCode("InvalidSignatureException", generic=True),
    refusals.UnrecognizedClientError: ErrorCode("UnrecognizedClientException", generic=True),
    # What the rooms below refuse.
    causes.KeyAttributesError: VALIDATION,
    causes.KeyStrengthError: VALIDATION,
    causes.KeyMaterialError: VALIDATION,
    causes.KeySizeError: VALIDATION,
    causes.DataSizeError: VALIDATION,
    causes.UnsupportedAlgorithmError: VALIDATION,
    causes.CertificateError: VALIDATION,
    causes.KeyAgreementError: VALIDATION,
    causes.PaymentDataError: VALIDATION,
    causes.PINBlockError: ErrorCode("ValidationException", text=INVALID_PIN_BLOCK),
    causes.CardDataVerificationError: _failed_verification(
        "INVALID_VALIDATION_DATA", "Card validation data verification failed."
    ),
    causes.PINVerificationError: _failed_verification(
        "INVALID_PIN", "Pin block verification failed."
    ),
    causes.CryptogramVerificationError: _failed_verification(
        "INVALID_AUTH_REQUEST_CRYPTOGRAM", "Auth request cryptogram verification failed."
    ),
    causes.MACVerificationError: _failed_verification("INVALID_MAC", "MAC verification failed."),
    causes.KeyParityError: ErrorCode("ValidationException", text=UNOPENED_MATERIAL),
    causes.KeyBlockError: ErrorCode("ValidationException", text=UNOPENED_MATERIAL),
    causes.TokenError: ErrorCode("ValidationException", text=UNOPENED_MATERIAL),
    causes.RSADecryptionError: ErrorCode("ValidationException", text=UNOPENED_MATERIAL),
    # Between Regions.
    causes.PeerProtocolError: VALIDATION,
    causes.PeerUnreachableError: ErrorCode("ServiceUnavailableException", 503),
    # Ours, not the caller's.
    causes.StoreIntegrityError: INTERNAL,
    causes.StoreError: UNAVAILABLE,
    causes.MasterKeyError: UNAVAILABLE,
    causes.KeyferryError: INTERNAL,
}


@dataclass(frozen=True, slots=True)
class APIError:
    """A refusal as the client sees it."""

    code: ErrorCode
    message: str
    resource_id: str | None = None
    fields: tuple[tuple[str, str], ...] = ()  # members at fault, and what is wrong with each

    @property
    def name(self) -> str:
        return self.code.name

    @property
    def is_fault(self) -> bool:
        """Whether the service failed, not the caller."""
        return self.code.status >= 500

    def response(self, request_id: str, *, close: bool = False) -> HTTPResponse:
        """The whole answer in JSON 1.0; the connection is closed after it if `close` is set."""
        namespace = GENERIC_NAMESPACE if self.code.generic else CONTROL_NAMESPACE
        document: dict[str, str] = {"__type": f"{namespace}#{self.code.name}"}
        if self.resource_id is not None:
            document["ResourceId"] = self.resource_id
        document["message" if self.code.generic else "Message"] = self.message
        return HTTPResponse(
            status=self.code.status,
            body=json10.encode_document(document),
            content_type=json10.CONTENT_TYPE,
            request_id=request_id,
            close=close,
        )


def api_error(error: Exception, declared: Container[str] | None = None) -> APIError:
    """
    What a client sees of `error`. `declared` holds the exceptions its operation declares.

    Anything that is not a cause of ours is an internal error and keeps its words to itself.
    """
    code = INTERNAL
    for cause in type(error).__mro__:
        if cause in ERROR_CODES:
            code = ERROR_CODES[cause]
            break
    if declared is not None and code is UNAVAILABLE and code.name not in declared:
        # The replication operations declare no unavailability; typed clients retry this one.
        code = INTERNAL
    resource_id = error.resource_id if isinstance(error, refusals.ResourceNotFoundError) else None
    fields = error.fields if isinstance(error, refusals.InvalidRequestError) else ()
    return APIError(code, code.text or str(error), resource_id, fields)

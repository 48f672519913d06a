"""
What an operation can answer instead of a result, by cause.

`wire/errors.py` holds the one table from these classes (and those of `crypto` and `keys`) to the
error codes of the AWS API.
"""

from __future__ import annotations

from keyferry.errors import KeyferryError


class ServiceError(KeyferryError):
    """Base of the refusals an API client can see."""


class InvalidRequestError(ServiceError):
    """
    The request breaks a rule of the API: a shape, a combination, a state.

    `fields` names the members that are at fault, each with what is wrong with it, where that is
    known: the data plane tells them one by one.
    """

    def __init__(
        self,
        message: str = "",
        *,
        fields: tuple[tuple[str, str], ...] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.fields = fields


class ResourceNotFoundError(ServiceError):
    """The key, alias or association does not exist. `resource_id` is what the caller sent."""

    def __init__(self, resource_id: str, message: str = "") -> None:
        super().__init__(message or f"{resource_id} does not exist")
        self.resource_id = resource_id


class ConflictError(ServiceError):
    """The name is taken, or another change of the same thing is under way."""


class QuotaExceededError(ServiceError):
    """A quota of the account in this Region is used up."""


class AccessDeniedError(ServiceError):
    """The caller may not do this."""


class ThrottledError(ServiceError):
    """The caller asks too often."""


class UnknownOperationError(ServiceError):
    """The API has no such operation, or this build does not have it yet."""


class SerializationError(ServiceError):
    """The body is not JSON, or a member has the wrong JSON type."""


class BodyTooLargeError(ServiceError):
    """The body is larger than the limit of 1 MiB."""


class AuthenticationError(ServiceError):
    """Base of what can be wrong with a SigV4 signature."""


class MissingAuthenticationError(AuthenticationError):
    """The request is not signed."""


class IncompleteSignatureError(AuthenticationError):
    """The Authorization header is not a whole SigV4 header."""


class InvalidSignatureError(AuthenticationError):
    """The signature, its date or its scope does not fit the request."""


class UnrecognizedClientError(AuthenticationError):
    """The access key, or the Region it was used for, is not known here."""


class ServiceUnavailableError(ServiceError):
    """The store or the master key cannot be used now."""

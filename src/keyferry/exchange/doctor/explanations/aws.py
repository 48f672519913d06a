"""Exceptions of the API: what they mean for an import or an exchange, and what helps."""

from __future__ import annotations

from typing import Final

_RETRY: Final = "wait and try again with growing pauses; keyferry does so by itself"

# Exception to (meaning, likely causes, fix).
EXCEPTIONS: Final = {
    "ValidationException": (
        "the request breaks a rule: a shape, a combination, a state, a strength, or the material"
        " does not open",
        "on ImportKey, in the order they are usual: the KEK is another key (block MAC); the token"
        " is for older import parameters, or its nonce is not RandomNonce; the certificate was not"
        " issued by the imported root; usage and mode do not go together; the wrapping key is"
        " weaker; the key is not in CREATE_COMPLETE or is disabled",
        "run keyferry doctor on the block or token with --kbpk-file, --nonce, --ca, --kcv: it"
        " names the check that fails; the message names the member for all else",
    ),
    "ResourceNotFoundException": (
        "the key, alias or policy does not exist in this account and Region",
        "another Region than the one the key was made in, a deleted key, or an expired import or"
        " export token",
        "check ARN and Region; fetch new parameters for import or export",
    ),
    "AccessDeniedException": (
        "the caller may not do this",
        "the identity's policy lacks the operation, a condition does not hold (certificate"
        " authority, wrapping key), or a resource policy or control policy denies it",
        "allow the operation on the key; ImportKey also needs the wrapping key or CA key in its"
        " permission",
    ),
    "ConflictException": (
        "another change of the same thing is under way, or the name is taken",
        "an alias exists, two calls change one key, or a replica is being made",
        "wait for the other change, or choose another name",
    ),
    "ServiceQuotaExceededException": (
        "a quota of the account in this Region is used up",
        "keys, aliases or root certificates of earlier exchanges were never deleted",
        "delete what is not needed (keys pending deletion count), or have the quota raised",
    ),
    "ThrottlingException": ("too many calls a second", "many exchanges at once", _RETRY),
    "InternalServerException": ("the service failed inside", "nothing about the request", _RETRY),
    "ServiceUnavailableException": (
        "the service cannot work now",
        "its store or master key cannot be reached",
        _RETRY,
    ),
    "PublicPolicyException": (
        "the resource policy would open the key to everyone",
        "a principal of * without a condition",
        "name the accounts, or add a condition on them",
    ),
    "VerificationFailedException": (
        "the value is well formed and not the right one",
        "another key, other data, or another attribute (expiry, service code, PVKI, format) than"
        " it was made with",
        "compare the check value of the key with the HSM's, then the inputs one by one",
    ),
    "UnrecognizedClientException": (
        "the access key, or the Region it signs for, is not known here",
        "credentials of another account or service, or a Region the endpoint does not serve",
        "check AWS_ACCESS_KEY_ID, the Region and the endpoint",
    ),
    "InvalidSignatureException": (
        "the signature does not fit the request",
        "a wrong secret key, a clock more than 15 minutes off, or a proxy that changes requests",
        "check the secret key, set the clock, go around the proxy",
    ),
    "SignatureDoesNotMatch": (
        "the signature does not fit the request",
        "a wrong secret key, or a proxy that changes requests",
        "check the secret key, go around the proxy",
    ),
    "ExpiredTokenException": (
        "the session's credentials are over",
        "a session of a role or of single sign-on ended",
        "renew it",
    ),
    "MissingAuthenticationTokenException": (
        "the request is not signed",
        "the client has no credentials, or a proxy took the header away",
        "give the client credentials",
    ),
    "IncompleteSignatureException": (
        "the Authorization header is not whole",
        "a client of another signature version, or a proxy",
        "sign with version 4",
    ),
    "UnknownOperationException": (
        "the endpoint has no such operation",
        "a misspelt endpoint, the data plane's for the control plane's, or an operation this"
        " service does not have",
        "check the endpoint; docs/reference/coverage.md lists what keyferry serves",
    ),
    "SerializationException": (
        "the body is not JSON, or a member has the wrong JSON type",
        "a client that was not made for this API",
        "use an AWS SDK or the AWS CLI",
    ),
}

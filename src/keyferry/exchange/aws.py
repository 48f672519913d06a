"""
AWS endpoints as a client: sessions, timeouts, retries, and refusals in our words.

Credentials, Regions and endpoints follow the AWS conventions (environment, shared files), so the
same configuration works against AWS and against `keyferry serve`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import stamina
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from keyferry.errors import (
    ConfigurationError,
    EndpointUnreachableError,
    RemoteRefusedError,
    UnknownOutcomeError,
)

CONNECT_TIMEOUT_S = 5
READ_ATTEMPTS = 4
THROTTLE_ATTEMPTS = 6

# Refused before anything happened, so asking again cannot do a thing twice.
_THROTTLED = frozenset(
    {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"}
)
# What an answer holds if it is one.
_ANSWERS: Mapping[str, tuple[str, ...]] = {
    "list_keys": ("Keys",),
    "get_key": ("Key",),
    "create_key": ("Key",),
    "import_key": ("Key",),
    "export_key": ("WrappedKey",),
    "get_public_key_certificate": ("KeyCertificate", "KeyCertificateChain"),
    "get_parameters_for_import": (
        "ImportToken",
        "WrappingKeyCertificate",
        "WrappingKeyCertificateChain",
    ),
    "get_parameters_for_export": (
        "ExportToken",
        "SigningKeyCertificate",
        "SigningKeyCertificateChain",
    ),
    "issue_certificate": ("CertificateArn",),
    "get_certificate": ("Certificate",),
    "get_certificate_authority_certificate": ("Certificate",),
}
_HINTS: Mapping[str, str] = {
    "AccessDeniedException": "the credentials need permission for this operation on this key",
    "UnrecognizedClientException": "check the access key, and that the endpoint serves the Region",
    "InvalidSignatureException": "check the secret key and the clock of this machine",
    "ExpiredTokenException": "renew the session credentials",
    "ResourceNotFoundException": "check the key ARN or alias, and its Region",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where and as whom to call; what is empty follows the AWS conventions."""

    region: str = ""
    endpoint_url: str = ""
    profile: str = ""
    assume_role: str = ""
    ca_file: str = ""
    timeout_s: float = 30.0


class AWSClient:
    """
    One service of one endpoint, called from asyncio.

    A call that changes nothing is retried; one that creates something is retried only if it was
    throttled, because a lost answer does not mean that nothing was created.
    """

    def __init__(self, service: str, endpoint: Endpoint, *, place: str) -> None:
        """
        Raises:
            ConfigurationError: profile or Region are missing; `place` is named.
        """
        self._place = place
        if endpoint.ca_file and not Path(endpoint.ca_file).is_file():
            raise ConfigurationError(f"{place}.tls.ca_file: {endpoint.ca_file} is no file")
        try:
            session = boto3.session.Session(
                profile_name=endpoint.profile or None, region_name=endpoint.region or None
            )
            if endpoint.assume_role:
                session = _assume(session, endpoint)
            region = session.region_name
            if not region:
                raise NoRegionError
            self.region: str = region
            self._reader = self._client(session, service, endpoint, READ_ATTEMPTS)
            self._writer = self._client(session, service, endpoint, 1)
        except ClientError as error:
            raise _refused("AssumeRole", error) from None
        except ResponseParserError:
            raise _unreadable("AssumeRole", place) from None
        except (BotoCoreError, ValueError) as error:
            raise _unusable(error, place) from None

    @staticmethod
    def _client(
        session: boto3.session.Session, service: str, endpoint: Endpoint, attempts: int
    ) -> Any:
        return session.client(
            service,
            endpoint_url=endpoint.endpoint_url or None,
            verify=endpoint.ca_file or None,
            config=Config(
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=endpoint.timeout_s,
                retries={"mode": "standard", "total_max_attempts": attempts},
            ),
        )

    async def read(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation that changes nothing. `operation` is boto3's name: `get_key`."""
        return await asyncio.to_thread(self._call, self._reader, operation, parameters)

    async def write(
        self,
        operation: str,
        *,
        made: Callable[[dict[str, Any]], None] | None = None,
        **parameters: Any,
    ) -> dict[str, Any]:
        """
        Call an operation that creates or changes something.

        Args:
            operation: boto3's name: `create_key`.
            made: called with the answer as soon as there is one, even if the caller has been
                cancelled meanwhile: what was created must be known to be taken back.
            parameters: members of the request.

        Raises:
            RemoteRefusedError: the endpoint refused.
            EndpointUnreachableError: it cannot be reached.
            UnknownOutcomeError: whether it acted is unknown.
        """

        def throttled(error: Exception) -> bool:
            return isinstance(error, RemoteRefusedError) and error.code in _THROTTLED

        async for attempt in stamina.retry_context(
            on=throttled, attempts=THROTTLE_ATTEMPTS, timeout=60.0
        ):
            with attempt:
                return await self._write_once(operation, parameters, made)
        raise AssertionError("a retry context returns or raises")

    async def _write_once(
        self,
        operation: str,
        parameters: dict[str, Any],
        made: Callable[[dict[str, Any]], None] | None,
    ) -> dict[str, Any]:
        """Call once, and see the call through to its answer even when cancelled."""

        async def call() -> dict[str, Any]:
            answer = await asyncio.to_thread(self._call, self._writer, operation, parameters)
            if made is not None:
                made(answer)
            return answer

        task = asyncio.ensure_future(call())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            raise

    def _call(self, client: Any, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        name = "".join(part.capitalize() for part in operation.split("_"))
        method: Callable[..., dict[str, Any]] = getattr(client, operation)
        try:
            answer = method(**parameters)
        except ClientError as error:
            raise _refused(name, error) from None
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            raise EndpointUnreachableError(
                f"{name}: {error.kwargs.get('endpoint_url', 'the endpoint')} cannot be reached",
                hint=f"check {self._place}.endpoint_url, or AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY",
            ) from None
        except (ReadTimeoutError, ConnectionClosedError) as error:
            raise UnknownOutcomeError(
                f"{name}: no answer from {error.kwargs.get('endpoint_url', 'the endpoint')}, so"
                " whether it acted is unknown",
                hint="list the newest keys of the Region before trying again",
            ) from None
        except SSLError as error:
            raise EndpointUnreachableError(
                f"{name}: TLS with {error.kwargs.get('endpoint_url', 'the endpoint')} failed",
                hint=f"name the CA of the endpoint in {self._place}.tls.ca_file",
            ) from None
        except HTTPClientError as error:
            raise UnknownOutcomeError(
                f"{name}: {type(error).__name__} on the way, so whether it acted is unknown",
                hint="list the newest keys of the Region before trying again",
            ) from None
        except ResponseParserError:
            raise _unreadable(name, self._place) from None
        except (BotoCoreError, ValueError) as error:
            raise _unusable(error, self._place) from None
        # botocore reads any JSON, even a web page, as an answer without members.
        if any(member not in answer for member in _ANSWERS.get(operation, ())):
            raise _unreadable(name, self._place)
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._reader.close()
        self._writer.close()


def _assume(session: boto3.session.Session, endpoint: Endpoint) -> boto3.session.Session:
    """Return a session with the temporary credentials of a role."""
    answer = session.client("sts").assume_role(
        RoleArn=endpoint.assume_role, RoleSessionName="keyferry-exchange"
    )
    credentials = answer["Credentials"]
    return boto3.session.Session(
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
        region_name=session.region_name,
    )


def _refused(operation: str, error: ClientError) -> RemoteRefusedError:
    body = error.response.get("Error", {})
    code = str(body.get("Code") or "Unknown")
    text = str(body.get("Message") or error.response.get("ResourceId") or "no reason given")
    return RemoteRefusedError(operation, code, text, hint=_HINTS.get(code))


def _unreadable(operation: str, place: str) -> UnknownOutcomeError:
    """An answer that is not of the service: a proxy's page, another server on the port."""
    return UnknownOutcomeError(
        f"{operation}: the answer is not one of the service, so whether it acted is unknown",
        hint=f"check {place}.endpoint_url, and proxies on the way",
    )


def _unusable(error: Exception, place: str) -> ConfigurationError:
    """What the configuration of the client lacks; botocore's own words may quote credentials."""
    if isinstance(error, ProfileNotFound):
        return ConfigurationError(f"{place}.profile: {error}")
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return ConfigurationError(
            f"{place}: no AWS credentials found",
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile",
        )
    if isinstance(error, NoRegionError):
        return ConfigurationError(f"{place}.region is missing", hint="set it, or AWS_REGION")
    return ConfigurationError(f"{place}: {type(error).__name__} while using AWS")

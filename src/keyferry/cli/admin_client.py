"""
Calls of `KeyferryAdmin.*`: signed like any AWS call, with the credentials, Region and endpoint
the AWS conventions give.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError

from keyferry.errors import ConfigurationError, ExchangeError, RemoteRefusedError

SERVICE = "payment-cryptography"
MAX_ANSWER_BYTES = 64 * 1024 * 1024
_AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


class AdminClient:
    """One connection to a running service; not shared between threads."""

    def __init__(
        self, *, endpoint_url: str | None, region: str | None, timeout_s: float = 30.0
    ) -> None:
        """
        Args:
            endpoint_url: None follows AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY, AWS_ENDPOINT_URL and
                the shared config file.
            region: None follows AWS_REGION, AWS_DEFAULT_REGION and the shared config file.

        Raises:
            ConfigurationError: no endpoint of ours, no Region or no credentials.
        """
        try:
            core = botocore.session.Session()
            session = boto3.session.Session(botocore_session=core, region_name=region)
            if not session.region_name:
                raise ConfigurationError("no Region given", hint="use --region, or AWS_REGION")
            client = session.client(SERVICE, endpoint_url=endpoint_url)
            credentials = session.get_credentials()
        except (BotoCoreError, ValueError) as error:
            # botocore's own words may quote a setting.
            raise ConfigurationError(f"AWS settings: {type(error).__name__}") from None
        if credentials is None:
            raise ConfigurationError(
                "no credentials found", hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        self.endpoint_url: str = client.meta.endpoint_url
        parts = urlsplit(self.endpoint_url)
        host = parts.hostname or ""
        if host.endswith(_AWS_HOSTS):
            raise ConfigurationError(
                "no endpoint given: AWS itself does not have this command",
                hint="use --endpoint-url, or AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY",
            )
        self._signer = SigV4Auth(credentials, SERVICE, session.region_name)
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            # The authority of AWS_CA_BUNDLE or the config file, as boto3 would use it.
            context = ssl.create_default_context(cafile=core.get_config_variable("ca_bundle"))
            self._connection = http.client.HTTPSConnection(
                host, parts.port, timeout=timeout_s, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(host, parts.port, timeout=timeout_s)

    def call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """
        Call `KeyferryAdmin.<operation>`.

        Raises:
            RemoteRefusedError: the service refused.
            ExchangeError: it cannot be reached, or what answers is not a keyferry service.
        """
        request = AWSRequest(
            method="POST",
            url=self.endpoint_url.rstrip("/") + "/",
            data=json.dumps(parameters).encode(),
            headers={
                "Content-Type": "application/x-amz-json-1.0",
                "X-Amz-Target": f"KeyferryAdmin.{operation}",
            },
        )
        self._signer.add_auth(request)
        prepared = request.prepare()
        status, body = self._exchange(
            "POST", "/", prepared.body, dict(prepared.headers.items()), what=operation
        )
        return _result(operation, status, body, self.endpoint_url)

    def _exchange(
        self, method: str, path: str, content: Any, headers: dict[str, Any], *, what: str
    ) -> tuple[int, bytes]:
        try:
            self._connection.request(method, path, content, headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read(MAX_ANSWER_BYTES)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            reason = error.strerror if isinstance(error, OSError) else None
            raise ExchangeError(
                f"{what}: no answer from {self.endpoint_url}: {reason or type(error).__name__}",
                hint="check that the service runs there",
            ) from None
        except BaseException:
            # Interrupted in the middle of an answer: a later call is not to read the rest of it.
            self._connection.close()
            raise

    def served_regions(self) -> list[str]:
        """
        The Regions the service says it serves; nothing is signed for that.

        Raises:
            ExchangeError: it cannot be reached, or what answers is not a keyferry service.
        """
        status, body = self._exchange("GET", "/health", None, {}, what="health")
        regions = _result("health", status, body, self.endpoint_url).get("regions")
        if not isinstance(regions, list) or not all(isinstance(name, str) for name in regions):
            raise ExchangeError(f"{self.endpoint_url} answers, but is not a keyferry service")
        return regions

    def close(self) -> None:
        self._connection.close()


def _result(operation: str, status: int, body: bytes, endpoint_url: str) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ExchangeError(f"{operation}: {endpoint_url} answers, but is not a keyferry service")
    if status != http.client.OK:
        code = str(document.get("__type", "Unknown")).rpartition("#")[2]
        text = document.get("Message") or document.get("message") or "no reason given"
        raise RemoteRefusedError(operation, code, str(text))
    return document

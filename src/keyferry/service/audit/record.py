"""
One event of the trail, as CloudTrail writes them: version 1.11, category Management or Data.

The body is JSON. `requestParameters` and `responseElements` are made by `elements.py`; a read has
no response elements, a failure has `errorCode` and `errorMessage` instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Self

import msgspec

from keyferry.service.audit.elements import shown_elements
from keyferry.service.authz.principal import Principal
from keyferry.service.store.records import AuditRecord
from keyferry.service.wire import data_types
from keyferry.service.wire.http import HTTPRequest

EVENT_VERSION = "1.11"
SERVICE = "payment-cryptography.amazonaws.com"
# Words that come from the caller are cut, so that a record stays small whatever was sent.
MAX_TEXT_CHARACTERS = 1024
MAX_ELEMENTS_BYTES = 100_000

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Where a call came from, as the connection and the headers tell it."""

    source_ip: str
    user_agent: str = ""
    host: str | None = None  # the Host header
    tls_version: str | None = None  # TLSv1.3; None over plain HTTP
    cipher_suite: str | None = None

    @classmethod
    def of(cls, request: HTTPRequest) -> Self:
        """Whoever sent `request`."""
        return cls(
            source_ip=request.client or "",
            user_agent=request.text(b"user-agent") or "",
            host=request.text(b"host"),
            tls_version=request.tls_version,
            cipher_suite=request.cipher_suite,
        )


def api_call(
    *,
    operation: str,
    read_only: bool,
    request: msgspec.Struct | Mapping[str, Any] | None,
    response: msgspec.Struct | None,
    error: tuple[str, str] | None,
    region: str,
    principal: Principal,
    caller: Caller,
    request_id: str,
    event_id: str,
    now: datetime,
) -> AuditRecord:
    """
    The record of one API call of the control plane.

    Args:
        operation: API name, `CreateKey`.
        read_only: then there are no response elements.
        request: as decoded; the plain JSON object if it was refused before that; None if it was
            not even that.
        response: None if the call was refused.
        error: the AWS error code and the message the caller got, or None.
        request_id: the one the caller got; event_id: unique, a UUID.
        now: the call's one clock reading.
    """
    return _call_record(
        operation=operation,
        elements=(
            None if request is None else _bounded(shown_elements(request, f"{operation}Input")),
            None
            if response is None or read_only or error is not None
            else _bounded(shown_elements(response, f"{operation}Output")),
        ),
        category={"readOnly": read_only, "managementEvent": True, "eventCategory": "Management"},
        error=error,
        region=region,
        principal=principal,
        caller=caller,
        request_id=request_id,
        event_id=event_id,
        now=now,
    )


def data_event(
    *,
    operation: str,
    request: msgspec.Struct | Mapping[str, Any] | None,
    error: tuple[str, str] | None,
    region: str,
    principal: Principal,
    caller: Caller,
    request_id: str,
    event_id: str,
    now: datetime,
) -> AuditRecord:
    """
    The record of one API call of the data plane, which changes nothing and is a read therefore.

    Args as for `api_call`.
    """
    shape = f"{operation}Input"
    shown = None if request is None else shown_elements(request, shape, types=data_types)
    return _call_record(
        operation=operation,
        elements=(_bounded(shown), None),
        category={"readOnly": True, "managementEvent": False, "eventCategory": "Data"},
        error=error,
        region=region,
        principal=principal,
        caller=caller,
        request_id=request_id,
        event_id=event_id,
        now=now,
    )


def _call_record(
    *,
    operation: str,
    elements: tuple[msgspec.Raw | None, msgspec.Raw | None],
    category: dict[str, Any],
    error: tuple[str, str] | None,
    region: str,
    principal: Principal,
    caller: Caller,
    request_id: str,
    event_id: str,
    now: datetime,
) -> AuditRecord:
    """What the records of both planes have in common; `elements` of request and response."""
    document: dict[str, Any] = {
        "eventVersion": EVENT_VERSION,
        "userIdentity": _identity(principal),
        "eventTime": _event_time(now),
        "eventSource": SERVICE,
        "eventName": operation,
        "awsRegion": region,
        "sourceIPAddress": caller.source_ip,
        "userAgent": caller.user_agent[:MAX_TEXT_CHARACTERS],
    }
    if error is not None:
        document["errorCode"] = error[0]
        document["errorMessage"] = error[1][:MAX_TEXT_CHARACTERS]
    document["requestParameters"], document["responseElements"] = elements
    document |= {
        "requestID": request_id,
        "eventID": event_id,
        "eventType": "AwsApiCall",
        "recipientAccountId": principal.account,
        **category,
    }
    tls = {
        "tlsVersion": caller.tls_version,
        "cipherSuite": caller.cipher_suite,
        "clientProvidedHostHeader": caller.host and caller.host[:MAX_TEXT_CHARACTERS],
    }
    if known := {name: value for name, value in tls.items() if value is not None}:
        document["tlsDetails"] = known
    return AuditRecord(
        event_id=event_id,
        account=principal.account,
        event_time=now,
        event_name=operation,
        body=_encode(document),
    )


def service_event(
    *,
    event_name: str,
    details: Mapping[str, Any],
    account: str,
    region: str,
    event_id: str,
    now: datetime,
) -> AuditRecord:
    """
    The record of something the service did by itself: the destruction of a key whose waiting
    period is over (`DeleteKey` with `keyArn`), for one.
    """
    document = {
        "eventVersion": EVENT_VERSION,
        "userIdentity": {"accountId": account, "invokedBy": SERVICE},
        "eventTime": _event_time(now),
        "eventSource": SERVICE,
        "eventName": event_name,
        "awsRegion": region,
        "sourceIPAddress": SERVICE,
        "userAgent": SERVICE,
        "requestParameters": None,
        "responseElements": None,
        "eventID": event_id,
        "readOnly": False,
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": account,
        "serviceEventDetails": dict(details),
        "eventCategory": "Management",
    }
    return AuditRecord(
        event_id=event_id,
        account=account,
        event_time=now,
        event_name=event_name,
        body=_encode(document),
    )


def service_call(
    *,
    operation: str,
    request: Mapping[str, Any],
    response: Mapping[str, Any],
    account: str,
    region: str,
    request_id: str,
    event_id: str,
    now: datetime,
) -> AuditRecord:
    """
    The record of a call the service made for an account by itself: the CreateKey of a replica.

    Args:
        request: the plain JSON object of the operation's input, members by their API names; no
            caller sent it.
        response: of its output.
    """
    document = {
        "eventVersion": EVENT_VERSION,
        "userIdentity": {"accountId": account, "invokedBy": SERVICE},
        "eventTime": _event_time(now),
        "eventSource": SERVICE,
        "eventName": operation,
        "awsRegion": region,
        "sourceIPAddress": SERVICE,
        "userAgent": SERVICE,
        "requestParameters": _bounded(shown_elements(request, f"{operation}Input")),
        "responseElements": _bounded(shown_elements(response, f"{operation}Output")),
        "requestID": request_id,
        "eventID": event_id,
        "eventType": "AwsApiCall",
        "recipientAccountId": account,
        "readOnly": False,
        "managementEvent": True,
        "eventCategory": "Management",
    }
    return AuditRecord(
        event_id=event_id,
        account=account,
        event_time=now,
        event_name=operation,
        body=_encode(document),
    )


@lru_cache(maxsize=1024)  # as many as there are access keys
def _identity(principal: Principal) -> msgspec.Raw:
    """Who called, as JSON."""
    # principalId is an id of IAM's own; the name is the nearest we have to it.
    resource = principal.arn.rpartition(":")[2]
    kind = {"root": "Root", "role": "Role", "assumed-role": "AssumedRole"}
    return msgspec.Raw(
        _encode(
            {
                "type": kind.get(resource.partition("/")[0], "IAMUser"),
                "principalId": principal.name,
                "arn": principal.arn,
                "accountId": principal.account,
                "accessKeyId": principal.access_key_id,
                "userName": principal.name,
            }
        )
    )


def _event_time(now: datetime) -> str:
    utc = now.astimezone(UTC)
    return f"{utc.year}-{utc.month:02}-{utc.day:02}T{utc.hour:02}:{utc.minute:02}:{utc.second:02}Z"


def _bounded(elements: dict[str, Any] | None) -> msgspec.Raw | None:
    """Elements as JSON; those too large for a record are left out, and the record says so."""
    if elements is None:
        return None
    encoded = _encode(elements)
    if len(encoded) > MAX_ELEMENTS_BYTES:
        reason = "too large for a record"
        encoded = _encode({"omitted": True, "originalSize": len(encoded), "reason": reason})
    return msgspec.Raw(encoded)

"""
The way of a data-plane request: signature, rate, shapes, operation, answer.

What a request costs here decides what the service costs, so nothing is done that a request does
not need: it is counted in the metrics always, logged only at debug level unless it was refused,
and written to the trail only if the service was told to (`--audit-data-events`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from keyferry.errors import KeyferryError
from keyferry.service import log
from keyferry.service.audit import Caller, data_event
from keyferry.service.authz.roles import check_api_role
from keyferry.service.call import RequestIds, new_id
from keyferry.service.context import Limits, Offload
from keyferry.service.data.context import DataContext
from keyferry.service.errors import SerializationError, UnknownOperationError
from keyferry.service.metrics import Metrics
from keyferry.service.operation import DATA
from keyferry.service.region import Region
from keyferry.service.rules import STRICT, Rules
from keyferry.service.throttle import RequestThrottle
from keyferry.service.wire import data_types
from keyferry.service.wire.errors import INTERNAL, APIError, api_error
from keyferry.service.wire.http import HTTPRequest, HTTPResponse
from keyferry.service.wire.rest_json import (
    CONTENT_TYPE,
    RESTOperation,
    RESTProtocol,
    error_response,
)
from keyferry.service.wire.sigv4 import SignatureVerifier, Signer

_encode = msgspec.json.Encoder().encode


class DataPlane:
    """Answers the requests of the data plane for a set of Regions."""

    def __init__(
        self,
        regions: Mapping[str, Region],
        verifier: SignatureVerifier,
        *,
        limits: Limits,
        metrics: Metrics,
        offload: Offload,
        clock: Callable[[], datetime],
        audit_events: bool = False,
        rules: Rules = STRICT,
    ) -> None:
        """
        Args:
            regions: by name.
            offload: runs slow work off the event loop.
            clock: the time of day in UTC.
            audit_events: write every call to the trail of its Region.
            rules: what the owner set otherwise.
        """
        self._protocol = RESTProtocol(data_types)
        self._ids = RequestIds()
        self._regions = regions
        self._verifier = verifier
        self._metrics = metrics
        self._offload = offload
        self._clock = clock
        self._audit_events = audit_events
        self._rules = rules
        self._logs_everything = log.shows_debug()
        self._throttle = RequestThrottle(limits.data_requests_per_second)
        self._asymmetric_throttle = RequestThrottle(limits.asymmetric_data_requests_per_second)

    def route(self, path: bytes) -> tuple[RESTOperation, bytes | None] | None:
        """The operation of a raw path and the member in it; None if the path is none of ours."""
        return self._protocol.route(path)

    async def handle(
        self, http: HTTPRequest, operation: RESTOperation, member: bytes | None
    ) -> HTTPResponse:
        """Answer one request, whose path `route` has understood."""
        started = time.perf_counter()
        request_id = self._ids.next()
        signer: Signer | None = None
        request: msgspec.Struct | None = None
        error: APIError | None = None
        body = b""
        now = self._clock()
        try:
            signer = self._verifier.verify(http, now=now)
            self._throttle.check(signer.principal.account, signer.region, now=started)
            registered = DATA.get(operation.name)
            if registered is None:
                raise UnknownOperationError(f"{operation.name} is not part of this build")  # noqa: TRY301
            check_api_role(signer.principal, operation.name)
            request = self._protocol.read(operation, member, http.body)
            context = DataContext(
                region=signer.region,
                principal=signer.principal,
                action=operation.name,
                now=now,
                keys=self._regions[signer.region].keys,
                offload=self._offload,
                asymmetric_throttle=self._asymmetric_throttle,
                rules=self._rules,
            )
            body = _encode(await registered.function(context, request))
        except KeyferryError as refused:
            error = api_error(refused, operation.shape.errors)
            if error.is_fault:
                log.failure(refused, request_id)
        except Exception as failed:  # noqa: BLE001 (the outermost loop answers everything)
            error = APIError(INTERNAL, INTERNAL.text or "")
            log.failure(failed, request_id)
        self._metrics.count(
            region="none" if signer is None else signer.region,
            operation=operation.name,
            code="OK" if error is None else error.name,
            seconds=time.perf_counter() - started,
        )
        if error is not None or self._logs_everything:
            self._log(operation, signer, error, request_id, time.perf_counter() - started)
        if self._audit_events and signer is not None:
            asked = request or _plain_request(operation, member, http.body)
            self._audit(http, operation, signer, asked, error, request_id, now)
        if error is not None:
            return error_response(error, request_id)
        return HTTPResponse(status=200, body=body, content_type=CONTENT_TYPE, request_id=request_id)

    def _log(
        self,
        operation: RESTOperation,
        signer: Signer | None,
        error: APIError | None,
        request_id: str,
        seconds: float,
    ) -> None:
        """One line: refusals as information, the rest, of which there are very many, as debug."""
        line: dict[str, Any] = {
            "request_id": request_id,
            "operation": operation.name,
            "code": "OK" if error is None else error.name,
            "duration_ms": round(seconds * 1000, 3),
        }
        if signer is not None:
            line["region"] = signer.region
            line["account"] = signer.principal.account
        if error is None:
            log.debug("request", **line)
        else:
            log.info("request", **line)

    def _audit(
        self,
        http: HTTPRequest,
        operation: RESTOperation,
        signer: Signer,
        request: msgspec.Struct | Mapping[str, Any] | None,
        error: APIError | None,
        request_id: str,
        now: datetime,
    ) -> None:
        record = data_event(
            operation=operation.name,
            request=request,
            error=None if error is None else (error.name, error.message),
            region=signer.region,
            principal=signer.principal,
            caller=Caller.of(http),
            request_id=request_id,
            event_id=new_id(),
            now=now,
        )
        self._regions[signer.region].audit.put(record)


def _plain_request(
    operation: RESTOperation, member: bytes | None, body: bytes
) -> dict[str, Any] | None:
    """What was asked by a request that was refused before it was one, if it is JSON at all."""
    try:
        return RESTProtocol.document(operation, member, body)
    except SerializationError:
        return None

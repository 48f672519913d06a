"""
Requests of other services' Regions, from HTTP to the receiver and back.

They have a way of their own through the service: no throttle, no account, no audit record of the
call; what they change is on the trail as replication.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from keyferry.errors import KeyferryError, PeerUnreachableError
from keyferry.service import log
from keyferry.service.call import new_id
from keyferry.service.metrics import Metrics
from keyferry.service.replication.peers.gate import PeerGate
from keyferry.service.replication.peers.http_transport import TARGET
from keyferry.service.replication.service import Replication
from keyferry.service.wire import json10
from keyferry.service.wire.errors import INTERNAL, APIError, api_error
from keyferry.service.wire.http import HTTPRequest, HTTPResponse
from keyferry.service.wire.sigv4 import SignatureVerifier

_PREFIX = f"{TARGET}.".encode()


class PeerCalls:
    """Answers requests whose target is `KeyferryReplication.*`."""

    def __init__(
        self,
        replication: Replication,
        verifier: SignatureVerifier,
        gate: PeerGate,
        *,
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._replication = replication
        self._verifier = verifier
        self._gate = gate
        self._metrics = metrics
        self._clock = clock

    @staticmethod
    def is_one(request: HTTPRequest) -> bool:
        """Whether a POST to `/` is for here."""
        return request.headers.get(b"x-amz-target", b"").startswith(_PREFIX)

    async def handle(self, request: HTTPRequest) -> HTTPResponse:
        """Answer one request; whatever happens, it is counted and has a line in the log."""
        started = time.perf_counter()
        request_id = new_id()
        region, peer = "none", "unknown"
        error: APIError | None = None
        body = b""
        try:
            now = self._clock()
            signer = self._verifier.verify(request, now=now)
            region = signer.region
            peer = self._gate.admit(request, signer.principal, now=now)
            target = request.text(b"x-amz-target") or ""
            operation = target.removeprefix(f"{TARGET}.")
            body = await self._replication.receive(region, peer, operation, request.body)
        except KeyferryError as refused:
            error = api_error(refused)
            if error.is_fault and not isinstance(refused, PeerUnreachableError):
                log.failure(refused, request_id)
        except Exception as failed:  # noqa: BLE001 (the outermost loop answers everything)
            error = APIError(INTERNAL, INTERNAL.text or "")
            log.failure(failed, request_id)
        seconds = time.perf_counter() - started
        code = "OK" if error is None else error.name
        self._metrics.count(region=region, operation=TARGET, code=code, seconds=seconds)
        if error is not None:
            log.warning(
                "peer_request_refused",
                request_id=request_id,
                region=region,
                peer=peer,
                code=code,
                reason=error.message,
                client=request.client,
            )
            return error.response(request_id)
        if log.shows_debug():
            log.debug(
                "peer_request",
                request_id=request_id,
                region=region,
                peer=peer,
                duration_ms=round(seconds * 1000, 3),
            )
        return HTTPResponse(
            status=200, body=body, content_type=json10.CONTENT_TYPE, request_id=request_id
        )

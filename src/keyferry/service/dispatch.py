"""
The way of a request through the service, as one function from request to response.

Order of evaluation: signature, throttle, parse, shapes, operation. Whatever happens, the answer has
a request id, the call is counted, logged in one line and audited once; a failure that nobody raised
on purpose is an internal error whose words stay here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import msgspec

from keyferry import __version__
from keyferry.errors import KeyferryError
from keyferry.service import log
from keyferry.service.admin.context import AdminContext
from keyferry.service.audit import Caller
from keyferry.service.authz.access_keys import AccessKeys
from keyferry.service.call import Call, new_id
from keyferry.service.context import Limits
from keyferry.service.data.plane import DataPlane
from keyferry.service.errors import ServiceError
from keyferry.service.metrics import CONTENT_TYPE as METRICS_CONTENT_TYPE
from keyferry.service.metrics import Metrics
from keyferry.service.region import Region
from keyferry.service.replication.following import NOTHING_FOLLOWS, Following
from keyferry.service.replication.peers.calls import PeerCalls
from keyferry.service.replication.peers.remote import RemotePeers
from keyferry.service.replication.peers.settings import PeerSettings
from keyferry.service.replication.service import ReplicatedRegion, Replication
from keyferry.service.routes import (
    asked_operation,
    check_role,
    find_route,
    register_operations,
)
from keyferry.service.rules import STRICT, Rules
from keyferry.service.throttle import RequestThrottle
from keyferry.service.wire import json10
from keyferry.service.wire.errors import INTERNAL, APIError, api_error
from keyferry.service.wire.http import HTTPRequest, HTTPResponse
from keyferry.service.wire.rest_json import error_response
from keyferry.service.wire.sigv4 import SignatureVerifier

T = TypeVar("T")

_JSON = b"application/json"
_OFFLOAD_THREADS = 4


class Dispatcher:
    """
    Answers requests for a set of Regions.

    Args:
        regions: by name; they stay their owner's, who closes them.
        clock: the time of day in UTC; tests move it.
        audit_data_events: write every call of the data plane to the trail.
        peers: Regions other services serve; closed with the dispatcher.
        following: between which Regions aliases and tags follow their keys.
        rules: what the owner set otherwise.
        canary_s: seconds between two canaries of a pair of Regions; 0 sends none by itself.
    """

    def __init__(
        self,
        regions: Mapping[str, Region],
        keys: AccessKeys,
        *,
        limits: Limits | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        audit_data_events: bool = False,
        peers: RemotePeers | None = None,
        following: Following = NOTHING_FOLLOWS,
        rules: Rules = STRICT,
        canary_s: float = 0.0,
    ) -> None:
        register_operations()
        self._rules = rules
        self._regions = regions
        self._limits = limits or Limits()
        self._clock = clock
        self._verifier = SignatureVerifier(keys, regions.keys())
        self._throttle = RequestThrottle(self._limits.control_requests_per_second)
        self._peers = peers or RemotePeers(PeerSettings(), keys, served=len(regions))
        self.metrics = Metrics()
        self.replication = Replication(
            [ReplicatedRegion(r.name, r.store, r.vault) for r in regions.values()],
            clock=clock,
            key_limit=self._limits.keys,
            peers=self._peers.transports,
            circuits=self._peers.circuits,
            alias_limit=self._limits.aliases,
            following=following,
            metrics=self.metrics,
            canary_s=canary_s,
        )
        self._peer_calls = PeerCalls(
            self.replication, self._verifier, self._peers.gate, metrics=self.metrics, clock=clock
        )
        self._threads = ThreadPoolExecutor(_OFFLOAD_THREADS, thread_name_prefix="offload")
        self.data = DataPlane(
            regions,
            self._verifier,
            limits=self._limits,
            metrics=self.metrics,
            offload=self._offload,
            clock=clock,
            audit_events=audit_data_events,
            rules=rules,
        )
        self.ready = True  # the owner withdraws it when the service is about to stop

    def close(self) -> None:
        """End the threads of slow work; what was counted stays for other workers to show."""
        self._peers.close()
        self._threads.shutdown(cancel_futures=True)
        self.metrics.flush()

    async def handle(self, request: HTTPRequest) -> HTTPResponse:
        """Answer one request."""
        if request.method == "POST":
            if request.path == b"/":
                if PeerCalls.is_one(request):
                    return await self._peer_calls.handle(request)
                return await self._handle_call(request)
            route = self.data.route(request.path)
            if route is not None:
                return await self.data.handle(request, *route)
        if request.method == "GET":
            match request.path:
                case b"/health":
                    return self._health()
                case b"/ready":
                    return await self._ready()
                case b"/metrics":
                    return await self._metrics()
        return _plain(404, {"message": "not found"})

    async def _handle_call(self, request: HTTPRequest) -> HTTPResponse:
        started = time.perf_counter()
        request_id = new_id()
        call: Call | None = None
        response: msgspec.Struct | None = None
        declared: frozenset[str] | None = None
        error: APIError | None = None
        body = b""
        try:
            now = self._clock()
            signer = self._verifier.verify(request, now=now)
            call = Call(
                region=self._regions[signer.region],
                principal=signer.principal,
                caller=Caller.of(request),
                request_id=request_id,
                now=now,
                operation_name=asked_operation(request),
                wake=partial(self.replication.wake, signer.region),
            )
            self._throttle.check(signer.principal.account, signer.region, now=time.monotonic())
            route = find_route(request)
            declared = route.errors
            call.operation = route.operation
            call.operation_name = route.operation.name
            call.in_model = route.control
            check_role(route, signer.principal)
            call.document = json10.decode_document(request.body)
            call.request = route.read(call.document)
            context = call.context(
                offload=self._offload,
                limits=self._limits,
                peers=self.replication.peers(signer.region),
                rules=self._rules,
            )
            if not route.control:
                context = AdminContext.of(
                    context, replication=self.replication, metrics=self.metrics
                )
            response = await route.operation.function(context, call.request)
            body = json10.encode_response(response)
        except KeyferryError as refused:
            error = api_error(refused, declared)
            if error.is_fault:
                log.failure(refused, request_id)
        except Exception as failed:  # noqa: BLE001 (the outermost loop answers everything)
            error = APIError(INTERNAL, INTERNAL.text or "")
            log.failure(failed, request_id)
        seconds = time.perf_counter() - started
        # The answer goes out first; nobody waits for what is written about it.
        asyncio.get_running_loop().call_soon(
            self._account, call, response, error, request_id, seconds
        )
        if error is not None:
            return error.response(request_id)
        return HTTPResponse(
            status=200, body=body, content_type=json10.CONTENT_TYPE, request_id=request_id
        )

    def _account(
        self,
        call: Call | None,
        response: msgspec.Struct | None,
        error: APIError | None,
        request_id: str,
        seconds: float,
    ) -> None:
        """Audit and count a call and write its line of the log; nothing of a body gets there."""
        try:
            if call is not None:
                call.finish(response, error)
        except Exception as failed:  # noqa: BLE001 (the outermost loop: the call is answered)
            log.failure(failed, request_id)
        code = "OK" if error is None else error.name
        operation = (call and call.operation_name) or "unknown"
        region = call.region.name if call is not None else "none"
        self.metrics.count(region=region, operation=operation, code=code, seconds=seconds)
        line = {
            "request_id": request_id,
            "operation": operation,
            "code": code,
            "duration_ms": round(seconds * 1000, 3),
        }
        if call is not None:
            line["region"] = region
            line["account"] = call.principal.account
            key = call.key_of(response)
            if key is not None:
                line["key"] = key
        log.info("request", **line)

    def refuse(self, refusal: ServiceError, *, path: bytes) -> HTTPResponse:
        """Answer a request for `path` that is not read to its end; its connection ends too."""
        request_id = new_id()
        error = api_error(refusal)
        self._account(None, None, error, request_id, 0.0)
        if self.data.route(path) is not None:
            return error_response(error, request_id, close=True)
        return error.response(request_id, close=True)

    def _offload(self, work: Callable[[], T], /) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _health(self) -> HTTPResponse:
        return _plain(200, {"status": "ok", "version": __version__, "regions": list(self._regions)})

    async def _ready(self) -> HTTPResponse:
        """Whether every store takes writes now; the reason stays in the log."""
        unusable: list[str] = [] if self.ready else list(self._regions)
        for name in [] if unusable else self._regions:
            try:
                await asyncio.to_thread(self._regions[name].store.check)
            except KeyferryError as error:
                log.warning("region_not_ready", region=name, reason=str(error))
                unusable.append(name)
        if unusable:
            return _plain(503, {"status": "not ready", "regions": unusable})
        return _plain(200, {"status": "ready", "regions": list(self._regions)})

    async def _metrics(self) -> HTTPResponse:
        self.metrics.set_pairs(await self._offload(self.replication.pair_states))
        self.metrics.set_audit_dropped(
            sum(region.audit.dropped for region in self._regions.values())
        )
        return HTTPResponse(status=200, body=self.metrics.text(), content_type=METRICS_CONTENT_TYPE)


def _plain(status: int, document: dict[str, object]) -> HTTPResponse:
    return HTTPResponse(status=status, body=json10.encode_document(document), content_type=_JSON)

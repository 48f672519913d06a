"""The way of a request through the service: order, errors, audit, counts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.auth
import pytest
import structlog
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from keyferry.errors import StoreError
from keyferry.service.authz.access_keys import DEV_ACCOUNT, development_keys
from keyferry.service.context import Context, Limits
from keyferry.service.dispatch import Dispatcher
from keyferry.service.errors import ConflictError
from keyferry.service.operation import CONTROL, Operation
from keyferry.service.region import Region, open_regions
from keyferry.service.settings import ServiceSettings
from keyferry.service.wire import control_types as t
from keyferry.service.wire.http import HTTPRequest, HTTPResponse, joined_headers

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
CREATE = {
    "KeyAttributes": {
        "KeyUsage": "TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY",
        "KeyClass": "SYMMETRIC_KEY",
        "KeyAlgorithm": "AES_128",
        "KeyModesOfUse": {"NoRestrictions": True},
    },
    "Exportable": True,
}


def signed(
    operation: str,
    body: Any = None,
    *,
    region: str = "us-east-1",
    secret: str = "test",
    path: str = "/",
    target: str = "PaymentCryptographyControlPlane",
) -> HTTPRequest:
    """A signed request; `body` is JSON, or bytes as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    request = AWSRequest(
        "POST",
        f"http://localhost{path}",
        data=content,
        headers={"X-Amz-Target": f"{target}.{operation}", "User-Agent": "test-agent/1"},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda: NOW.replace(tzinfo=None))
        SigV4Auth(Credentials("test", secret), "payment-cryptography", region).add_auth(request)
    headers = joined_headers(
        [(b"host", b"localhost")]
        + [(n.lower().encode(), str(v).encode()) for n, v in request.headers.items()]
    )
    return HTTPRequest(
        method="POST",
        path=path.encode(),
        query=b"",
        headers=headers,
        body=content,
        client="192.0.2.7",
    )


@pytest.fixture
async def regions() -> AsyncIterator[dict[str, Region]]:
    opened = open_regions(ServiceSettings(dev=True))
    yield opened
    for region in opened.values():
        await region.close()


@pytest.fixture
def dispatcher(regions: dict[str, Region], quiet_log: None) -> Dispatcher:
    return Dispatcher(regions, development_keys(), clock=lambda: NOW)


def code(response: HTTPResponse) -> str:
    return str(json.loads(response.body)["__type"].partition("#")[2])


async def audit_of(region: Region) -> list[dict[str, Any]]:
    await asyncio.sleep(0)  # what is written about a call comes after its answer
    await region.audit.flush()
    return [
        json.loads(record.body)
        for _, record in region.store.audit_events(DEV_ACCOUNT, after=0, limit=1000)
    ]


async def test_create_and_get(dispatcher: Dispatcher) -> None:
    """A write and a read come back with 200, a request id and the API's members."""
    made = await dispatcher.handle(signed("CreateKey", CREATE))
    assert made.status == 200
    assert made.request_id
    assert made.content_type == b"application/x-amz-json-1.0"
    arn = json.loads(made.body)["Key"]["KeyArn"]
    got = await dispatcher.handle(signed("GetKey", {"KeyIdentifier": arn}))
    assert json.loads(got.body)["Key"]["CreateTimestamp"] == NOW.timestamp()


async def test_regions_are_apart(dispatcher: Dispatcher) -> None:
    """A key of one Region is not found in another; an unserved Region is refused."""
    made = await dispatcher.handle(signed("CreateKey", CREATE))
    listed = await dispatcher.handle(signed("ListKeys", region="us-west-2"))
    assert json.loads(listed.body)["Keys"] == []
    arn = json.loads(made.body)["Key"]["KeyArn"]
    other = await dispatcher.handle(signed("GetKey", {"KeyIdentifier": arn}, region="us-west-2"))
    assert code(other) == "ResourceNotFoundException"
    unserved = await dispatcher.handle(signed("ListKeys", region="eu-west-1"))
    assert code(unserved) == "UnrecognizedClientException"


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (signed("ListKeys", secret="wrong"), "InvalidSignatureException"),
        (signed("NoSuchOperation", secret="wrong"), "InvalidSignatureException"),
        (signed("NoSuchOperation", b"not json"), "UnknownOperationException"),
        (signed("GetMpaTeamAssociation"), "UnknownOperationException"),
        (signed("CreateKey", target="Other"), "UnknownOperationException"),
        (signed("x" * 500), "UnknownOperationException"),
        (signed("CreateKey", b"not json"), "SerializationException"),
        (signed("CreateKey", b"[]"), "SerializationException"),
        (signed("CreateKey", {"Exportable": "yes", "KeyAttributes": 1}), "SerializationException"),
        (signed("CreateKey", {"Exportable": True}), "ValidationException"),
        (signed("GetKey", {"KeyIdentifier": "nonsense"}), "ValidationException"),
        (signed("GetKey", {"KeyIdentifier": "alias/none"}), "ResourceNotFoundException"),
    ],
)
async def test_order_of_evaluation(
    dispatcher: Dispatcher, request_: HTTPRequest, expected: str
) -> None:
    """Signature, then operation, then parse, then shapes, then look-up."""
    response = await dispatcher.handle(request_)
    assert code(response) == expected
    assert response.status == 400


async def test_throttle_comes_after_the_signature(
    regions: dict[str, Region], quiet_log: None
) -> None:
    """Requests beyond the rate are ThrottlingExceptions; an unsigned flood costs nobody else."""
    limits = Limits(control_requests_per_second=2)
    dispatcher = Dispatcher(regions, development_keys(), limits=limits, clock=lambda: NOW)
    for _ in range(5):
        refused = await dispatcher.handle(signed("ListKeys", secret="wrong"))
        assert code(refused) == "InvalidSignatureException"
    answers = [await dispatcher.handle(signed("ListKeys", b"not json")) for _ in range(3)]
    assert [code(answer) for answer in answers] == [
        "SerializationException",
        "SerializationException",
        "ThrottlingException",
    ]
    assert (await dispatcher.handle(signed("ListKeys", region="us-west-2"))).status == 200


async def test_a_write_is_audited_once_in_its_transaction(
    dispatcher: Dispatcher, regions: dict[str, Region]
) -> None:
    """The record of a change is there when the answer is, with request and answer."""
    made = await dispatcher.handle(signed("CreateKey", CREATE))
    store = regions["us-east-1"].store
    (written,) = store.audit_events(DEV_ACCOUNT, after=0, limit=10)
    event = json.loads(written[1].body)
    assert event["requestID"] == made.request_id
    assert event["sourceIPAddress"] == "192.0.2.7"
    assert event["userAgent"] == "test-agent/1"
    assert event["readOnly"] is False
    arn = json.loads(made.body)["Key"]["KeyArn"]
    assert event["responseElements"]["key"]["keyArn"] == arn
    assert len(await audit_of(regions["us-east-1"])) == 1


async def test_reads_and_refusals_are_audited_through_the_queue(
    dispatcher: Dispatcher, regions: dict[str, Region]
) -> None:
    """Every understood call of a known caller leaves a record; an unsigned one cannot."""
    await dispatcher.handle(signed("ListKeys"))
    await dispatcher.handle(signed("GetKey", {"KeyIdentifier": "alias/none"}))
    await dispatcher.handle(signed("GetKey", {"KeyIdentifier": "nonsense"}))
    await dispatcher.handle(signed("GetKey", b"not json"))
    await dispatcher.handle(signed("GetMpaTeamAssociation"))
    await dispatcher.handle(signed("NoSuchOperation"))
    await dispatcher.handle(signed("ListKeys", secret="wrong"))
    events = await audit_of(regions["us-east-1"])
    assert [(event["eventName"], event.get("errorCode")) for event in events] == [
        ("ListKeys", None),
        ("GetKey", "ResourceNotFoundException"),
        ("GetKey", "ValidationException"),
        ("GetKey", "SerializationException"),
        ("GetMpaTeamAssociation", "UnknownOperationException"),
    ]
    assert events[1]["requestParameters"] == {"keyIdentifier": "alias/none"}
    assert await audit_of(regions["us-west-2"]) == []


@pytest.fixture
def replaced_operation(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replaces what an operation of the API does."""

    def replace(name: str, function: Any, *, read_only: bool = False) -> None:
        monkeypatch.setitem(CONTROL._operations, name, Operation(name, function, read_only))
        from keyferry.service import routes

        routes._known_route.cache_clear()

    return replace


@pytest.fixture(autouse=True)
def fresh_routes() -> AsyncIterator[None]:
    from keyferry.service import routes

    yield
    routes._known_route.cache_clear()


async def test_unexpected_errors_keep_their_words(
    dispatcher: Dispatcher, replaced_operation: Callable[..., None]
) -> None:
    """A failure nobody raised on purpose is a 500 without its text, in answer and log."""

    async def fail(context: Context, request: t.ListKeysInput) -> t.ListKeysOutput:
        raise ValueError("clear key 0123456789ABCDEF")

    replaced_operation("ListKeys", fail, read_only=True)
    with structlog.testing.capture_logs() as events:
        response = await dispatcher.handle(signed("ListKeys"))
    assert response.status == 500
    assert code(response) == "InternalServerException"
    assert "0123456789ABCDEF" not in repr(events) + repr(response.body)
    failed = next(event for event in events if event["event"] == "request_failed")
    assert failed["error"] == "ValueError"
    assert any("fail" in place for place in failed["where"])


async def test_a_change_that_raises_leaves_a_refusal_in_the_trail(
    dispatcher: Dispatcher,
    regions: dict[str, Region],
    replaced_operation: Callable[..., None],
) -> None:
    """What a change wrote before it failed is gone; the refusal is recorded once."""

    async def refuse(context: Context, request: t.CreateAliasInput) -> t.CreateAliasOutput:
        from keyferry.service.store.records import AliasRecord

        def change(tx: Any) -> t.CreateAliasOutput:
            tx.insert_alias(
                AliasRecord(account=context.account, name=request.alias_name, key_id=None)
            )
            raise ConflictError("taken after all")

        return await context.write(change)

    replaced_operation("CreateAlias", refuse)
    response = await dispatcher.handle(signed("CreateAlias", {"AliasName": "alias/half"}))
    assert code(response) == "ConflictException"
    assert regions["us-east-1"].store.alias(DEV_ACCOUNT, "alias/half") is None
    (event,) = await audit_of(regions["us-east-1"])
    assert event["errorCode"] == "ConflictException"


async def test_steps_of_a_call_are_not_calls(
    dispatcher: Dispatcher,
    regions: dict[str, Region],
    replaced_operation: Callable[..., None],
) -> None:
    """A change without an answer leaves no record of its own; the call leaves one."""

    async def two_steps(context: Context, request: t.ListKeysInput) -> t.ListKeysOutput:
        await context.write(lambda tx: None)
        assert await context.offload(lambda: 6 * 7) == 42
        return t.ListKeysOutput(keys=[])

    replaced_operation("ListKeys", two_steps)
    assert (await dispatcher.handle(signed("ListKeys"))).status == 200
    assert len(await audit_of(regions["us-east-1"])) == 1


async def test_one_log_line_a_request_without_bodies(dispatcher: Dispatcher) -> None:
    """Request id, operation, code, duration, Region, account and key; nothing of the body."""
    with structlog.testing.capture_logs() as events:
        made = await dispatcher.handle(
            signed("CreateKey", CREATE | {"Tags": [{"Key": "note", "Value": "not-for-the-log"}]})
        )
        await dispatcher.handle(signed("CreateKey", {"Exportable": True}))
        await dispatcher.handle(signed("x.y", b"", secret="wrong"))
        await asyncio.sleep(0)
    assert [(e["operation"], e["code"]) for e in events] == [
        ("CreateKey", "OK"),
        ("CreateKey", "ValidationException"),
        ("unknown", "InvalidSignatureException"),
    ]
    assert events[0]["request_id"] == made.request_id
    assert events[0]["key"] == json.loads(made.body)["Key"]["KeyArn"]
    assert "not-for-the-log" not in repr(events)


async def test_health_ready_metrics_and_nothing_else(
    dispatcher: Dispatcher, regions: dict[str, Region], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The three unauthenticated pages; every other path is 404."""

    async def get(path: bytes, method: str = "GET") -> HTTPResponse:
        return await dispatcher.handle(
            HTTPRequest(method=method, path=path, query=b"", headers={}, body=b"")
        )

    health = await get(b"/health")
    assert health.status == 200
    assert json.loads(health.body)["status"] == "ok"
    assert json.loads(health.body)["regions"] == ["us-east-1", "us-west-2"]
    assert json.loads(health.body)["version"]
    assert (await get(b"/ready")).status == 200

    def broken() -> None:
        raise StoreError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(regions["us-west-2"].store, "check", broken)
        not_ready = await get(b"/ready")
    assert not_ready.status == 503
    assert json.loads(not_ready.body)["regions"] == ["us-west-2"]
    assert b"disk" not in not_ready.body

    await dispatcher.handle(signed("ListKeys"))
    await dispatcher.handle(signed("Strange" + "x" * 30))
    await asyncio.sleep(0)
    text = (await get(b"/metrics")).body.decode()
    assert 'keyferry_requests_total{code="OK",operation="ListKeys",region="us-east-1"} 1.0' in text
    assert 'operation="unknown"' in text
    assert "Strange" not in text
    for path in (b"/", b"/healthz", b"/console/", b"/metrics/", b"/keys/alias%2Fa/encrypt"):
        assert (await get(path)).status == 404
    assert (await get(b"/health", method="POST")).status == 404


async def test_data_plane_answers_in_its_own_form(dispatcher: Dispatcher) -> None:
    """Its paths verify the signature first, and tell errors as REST-JSON does: in a header."""
    path = "/keys/alias%2Fa/encrypt"
    unsigned = signed("x", b"not json", path=path, secret="wrong")
    for request_, expected in (
        (unsigned, (403, b"InvalidSignatureException")),
        (signed("x", {}, path=path), (400, b"ValidationException")),
    ):
        response = await dispatcher.handle(request_)
        assert (response.status, response.error_type) == expected
        assert response.content_type == b"application/json"


async def test_admin_operations_see_their_own_account(dispatcher: Dispatcher) -> None:
    """KeyferryAdmin.ListEvents reads the trail, refuses wrong types, and leaves no trace in it."""
    await dispatcher.handle(signed("CreateKey", CREATE))
    for _ in range(2):
        listed = await dispatcher.handle(
            signed("ListEvents", {"After": 0, "Unknown": 1}, target="KeyferryAdmin")
        )
        events = json.loads(listed.body)["Events"]
        assert [event["eventName"] for event in events] == ["CreateKey"]
    wrong = await dispatcher.handle(signed("ListEvents", {"After": "x"}, target="KeyferryAdmin"))
    assert code(wrong) == "SerializationException"
    unknown = await dispatcher.handle(signed("Nothing", target="KeyferryAdmin"))
    assert code(unknown) == "UnknownOperationException"


async def test_sweep_destroys_keys_at_the_end_of_their_waiting_period(
    dispatcher: Dispatcher, regions: dict[str, Region]
) -> None:
    """Before its date a key waits; at its date its material is gone and the trail says so."""
    made = await dispatcher.handle(signed("CreateKey", CREATE))
    arn = json.loads(made.body)["Key"]["KeyArn"]
    deletion = {"KeyIdentifier": arn, "DeleteKeyInDays": 3}
    assert (await dispatcher.handle(signed("DeleteKey", deletion))).status == 200

    region = regions["us-east-1"]
    await region.sweep(NOW + timedelta(days=3, seconds=-1))
    got = await dispatcher.handle(signed("GetKey", {"KeyIdentifier": arn}))
    assert json.loads(got.body)["Key"]["KeyState"] == "DELETE_PENDING"

    await region.sweep(NOW + timedelta(days=3))
    got = await dispatcher.handle(signed("GetKey", {"KeyIdentifier": arn}))
    assert json.loads(got.body)["Key"]["KeyState"] == "DELETE_COMPLETE"
    record = region.store.key(DEV_ACCOUNT, arn.rpartition("/")[2])
    assert record is not None
    assert record.sealed is None
    events = await audit_of(region)
    destroyed = [event for event in events if event["eventType"] == "AwsServiceEvent"]
    assert [event["serviceEventDetails"] for event in destroyed] == [{"keyArn": arn}]


async def test_many_calls_at_once(dispatcher: Dispatcher, regions: dict[str, Region]) -> None:
    """Concurrent writes all come back, each with a key of its own, each in the trail."""
    answers = await asyncio.gather(
        *(dispatcher.handle(signed("CreateKey", CREATE)) for _ in range(50))
    )
    arns = {json.loads(answer.body)["Key"]["KeyArn"] for answer in answers}
    assert len(arns) == 50
    assert len(await audit_of(regions["us-east-1"])) == 50

"""Messages of peers as HTTP requests: whatever a peer says, the answer is a refusal in words."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyferry.service.authz.access_keys import AccessKeys, access_key
from keyferry.service.authz.principal import Role
from keyferry.service.dispatch import Dispatcher
from keyferry.service.region import open_regions
from keyferry.service.replication import messages as m
from keyferry.service.replication.peers.remote import RemotePeers
from keyferry.service.replication.peers.settings import PeerSettings
from keyferry.service.settings import ServiceSettings
from keyferry.service.wire.http import HTTPRequest, HTTPResponse
from keyferry.service.wire.signing import RequestSigner

EAST, WEST = "us-east-1", "us-west-2"
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
PEER = access_key(
    "PEERKEY", "secret", account="111122223333", principal="p", roles=frozenset({Role.PEER})
)
SIGNER = RequestSigner(PEER, region=WEST)
CHANGE = {
    "Account": "111122223333",
    "KeyId": "abcdefghijklmnop",
    "ChangeNumber": 1,
    "Incarnation": 1,
    "Action": "PUT",
    "Key": {
        "KeyBlock": "D0112P0AE00E0000",
        "CheckValue": "08D7B4",
        "CheckValueAlgorithm": "ANSI_X9_24",
        "Origin": "AWS_PAYMENT_CRYPTOGRAPHY",
        "CreatedAt": 1,
        "Enabled": True,
    },
}


@pytest.fixture
async def west(quiet_log: None) -> AsyncIterator[Dispatcher]:
    """A service of us-west-2 that expects us-east-1 on this machine, where nobody listens."""
    keys = AccessKeys([PEER])
    peers = PeerSettings.parse([f"{EAST}=http://127.0.0.1:1"], ca=None, cert=None, key=None)
    regions = open_regions(ServiceSettings(dev=True, regions=(WEST,), peers=peers))
    made = Dispatcher(
        regions,
        keys,
        clock=lambda: NOW,
        peers=RemotePeers(peers, keys, served=1, clock=lambda: NOW),
    )
    yield made
    for region in regions.values():
        await region.close()
    made.close()


async def say(west: Dispatcher, operation: str, body: bytes) -> HTTPResponse:
    """What the service answers to a message of us-east-1."""
    headers = {
        "host": "127.0.0.1:8600",
        "x-amz-target": f"KeyferryReplication.{operation}",
        "x-keyferry-region": EAST,
    }
    signed = SIGNER.sign(headers, body, now=NOW)
    return await west.handle(
        HTTPRequest(
            method="POST",
            path=b"/",
            query=b"",
            headers={name.encode(): value.encode() for name, value in signed.items()},
            body=body,
            client="127.0.0.1",
        )
    )


@pytest.mark.parametrize("operation", [m.GET_ROOT, m.AGREE_KEY, m.APPLY_CHANGES, "Nothing"])
async def test_bodies_that_are_no_messages(west: Dispatcher, operation: str) -> None:
    """Bytes, other JSON and unknown members are a ValidationException."""
    for body in (b"", b"\xff", b"[]", b"7", b'{"A":', b'{"A":1}', b"[" * 50_000, b'{"Changes":0}'):
        refused = await say(west, operation, body)
        assert refused.status == 400
        assert json.loads(refused.body)["__type"].endswith("#ValidationException")


async def test_a_change_under_a_kek_nobody_knows(west: Dispatcher) -> None:
    """It is answered as such, so that a new KEK is agreed; a PUT without KEK or key is refused."""
    known = {"KekId": "0" * 32, "Changes": [CHANGE]}
    answer = await say(west, m.APPLY_CHANGES, json.dumps(known).encode())
    assert json.loads(answer.body) == {"UnknownKek": True}
    for broken in (
        {"Changes": [CHANGE]},
        {"KekId": "0" * 32, "Changes": [{k: v for k, v in CHANGE.items() if k != "Key"}]},
    ):
        refused = await say(west, m.APPLY_CHANGES, json.dumps(broken).encode())
        assert refused.status == 400


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(
    member=st.sampled_from(["Account", "KeyId", "ChangeNumber", "Incarnation", "Action", "Key"]),
    inner=st.sampled_from([None, "KeyBlock", "CheckValue", "Origin", "CreatedAt", "Enabled"]),
    value=json_values,
)
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_any_value_anywhere(
    west: Dispatcher, member: str, inner: str | None, value: Any
) -> None:
    """A change with any JSON value in any member is refused or answered, and fails nowhere."""
    change: dict[str, Any] = json.loads(json.dumps(CHANGE))
    if inner is not None and member == "Key":
        change["Key"][inner] = value
    else:
        change[member] = value
    body = json.dumps({"KekId": "0" * 32, "Changes": [change]}).encode()
    answer = await say(west, m.APPLY_CHANGES, body)
    assert answer.status in (200, 400), answer.body
    json.loads(answer.body)


async def test_the_control_plane_is_not_reached_by_it(west: Dispatcher) -> None:
    """A target that only begins alike is no message of a peer."""
    headers = {"host": "h", "x-amz-target": "KeyferryReplicationX.GetRoot"}
    signed = SIGNER.sign(headers, b"{}", now=NOW)
    answer = await west.handle(
        HTTPRequest(
            method="POST",
            path=b"/",
            query=b"",
            headers={name.encode(): value.encode() for name, value in signed.items()},
            body=b"{}",
        )
    )
    assert json.loads(answer.body)["__type"].endswith("#UnknownOperationException")

"""What an access key of each role opens, asked of the service with signed requests."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from keyferry.service.authz.access_keys import AccessKeys, access_key
from keyferry.service.authz.principal import Role
from keyferry.service.dispatch import Dispatcher
from keyferry.service.operation import ADMIN, CONTROL, DATA
from keyferry.service.region import open_regions
from keyferry.service.replication.peers.remote import RemotePeers
from keyferry.service.replication.peers.settings import PeerSettings
from keyferry.service.settings import ServiceSettings
from keyferry.service.wire.data_types import OPERATIONS as DATA_OPERATIONS
from keyferry.service.wire.http import HTTPRequest, joined_headers

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
CONTROL_TARGET, ADMIN_TARGET = "PaymentCryptographyControlPlane", "KeyferryAdmin"
REPLICATION_TARGET = "KeyferryReplication"
PEER = PeerSettings.parse(["us-west-2=http://127.0.0.1:1"], ca=None, cert=None, key=None)
CREATE = {
    "KeyAttributes": {
        "KeyUsage": "TR31_C0_CARD_VERIFICATION_KEY",
        "KeyClass": "SYMMETRIC_KEY",
        "KeyAlgorithm": "TDES_2KEY",
        "KeyModesOfUse": {"Generate": True, "Verify": True},
    },
    "Exportable": True,
}


@pytest.fixture
async def dispatcher(quiet_log: None) -> AsyncIterator[Dispatcher]:
    """A service with a key of each role; the id of a key is its role."""
    settings = ServiceSettings(dev=True, regions=("us-east-1",), peers=PEER)
    keys = AccessKeys(
        access_key(role, role, account="111122223333", principal=role, roles=frozenset({role}))
        for role in Role
    )
    regions = open_regions(settings)
    made = Dispatcher(
        regions, keys, clock=lambda: NOW, peers=RemotePeers(PEER, keys, served=1, clock=lambda: NOW)
    )
    yield made
    for region in regions.values():
        await region.close()
    made.close()


def signed(role: Role, target: str | None, body: Any = None, *, path: str = "/") -> HTTPRequest:
    headers = {"X-Keyferry-Region": "us-west-2"}
    if target is not None:
        headers["X-Amz-Target"] = target
    content = json.dumps(body or {}).encode()
    request = AWSRequest("POST", f"http://localhost{path}", data=content, headers=headers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda: NOW.replace(tzinfo=None))
        credentials = Credentials(role.value, role.value)
        SigV4Auth(credentials, "payment-cryptography", "us-east-1").add_auth(request)
    sent = [(name.lower().encode(), str(value).encode()) for name, value in request.headers.items()]
    return HTTPRequest(
        method="POST",
        path=path.encode(),
        query=b"",
        headers=joined_headers([(b"host", b"localhost"), *sent]),
        body=content,
        client="127.0.0.1",
    )


async def ask(dispatcher: Dispatcher, *args: Any, **options: Any) -> tuple[str, str]:
    """The exception of the answer, "" if there is none, and its words."""
    response = await dispatcher.handle(signed(*args, **options))
    document = json.loads(response.body)
    if response.status == 200:
        return "", ""
    in_header = dict(response.header_list()).get(b"x-amzn-errortype", b"").decode()
    kind = str(document.get("__type") or in_header)
    return kind.rpartition("#")[2], str(document.get("message") or document.get("Message"))


async def test_a_key_for_peers_alone_opens_no_operation_of_the_api(dispatcher: Dispatcher) -> None:
    """Every operation of both planes and the admin target is refused before it reads anything."""
    targets = [f"{CONTROL_TARGET}.{name}" for name in CONTROL.names()]
    targets += [f"{ADMIN_TARGET}.{name}" for name in ADMIN.names()]
    assert len(targets) > 30
    for target in targets:
        refused, words = await ask(dispatcher, Role.PEER, target)
        assert refused == "AccessDeniedException", target
        assert "user/peer is not authorized to perform" in words
    assert DATA.names() == DATA_OPERATIONS.keys()
    for operation in DATA_OPERATIONS.values():
        path = re.sub("{[A-Za-z]+}", "alias%2Fnone", operation.uri)
        refused, words = await ask(dispatcher, Role.PEER, None, path=path)
        assert refused == "AccessDeniedException", path
        assert "user/peer is not authorized to perform payment-cryptography:" in words


async def test_a_key_of_a_user_or_administrator_does_not_replicate(dispatcher: Dispatcher) -> None:
    """Only the role of a peer brings changes, whatever else its key may do."""
    for role in Role:
        refused, words = await ask(dispatcher, role, f"{REPLICATION_TARGET}.GetRoot")
        if role is Role.PEER:
            assert refused == ""
        else:
            assert refused == "AccessDeniedException"
            assert "is not authorized to replicate keys between Regions" in words


@pytest.mark.parametrize("role", [Role.USER, Role.ADMIN])
async def test_users_and_administrators_have_the_api(dispatcher: Dispatcher, role: Role) -> None:
    """Both make keys and read their own trail; Regions are for administrators."""
    assert await ask(dispatcher, role, f"{CONTROL_TARGET}.CreateKey", CREATE) == ("", "")
    assert await ask(dispatcher, role, f"{ADMIN_TARGET}.ListEvents") == ("", "")
    refused, _ = await ask(dispatcher, role, f"{ADMIN_TARGET}.DescribeReplication")
    assert refused == ("" if role is Role.ADMIN else "AccessDeniedException")

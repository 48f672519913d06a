"""Two services on one machine, over plain HTTP: what arrives, and who is turned away."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta
from typing import Any

import pytest

from keyferry.errors import PeerUnreachableError
from keyferry.service.replication.inspection.verification import DriftKind, Verifier
from keyferry.service.replication.peers.circuit import CircuitState

SYNCHRONIZED = ("SYNCHRONIZED", None)
GET_ROOT = "KeyferryReplication.GetRoot"
APPLY = "KeyferryReplication.ApplyChanges"


async def test_a_key_arrives_and_follows(pair: Any, between: Any) -> None:
    """A key made in one service is in the other, and goes when its primary does."""
    await pair.start_both()
    arn = await pair.east.create(between.west)
    await pair.east.until(lambda: pair.east.status(arn) == {between.west: SYNCHRONIZED})
    assert pair.west.key_state(arn) == "CREATE_COMPLETE"
    deleted = await pair.east.call(
        "PaymentCryptographyControlPlane.DeleteKey", {"KeyIdentifier": arn, "DeleteKeyInDays": 3}
    )
    assert deleted.status == 200
    await pair.east.until(lambda: pair.east.status(arn) == {})
    assert pair.west.key_state(arn) == "DELETE_COMPLETE"


async def test_both_ways_at_once(pair: Any, between: Any) -> None:
    """Both services agree on KEKs with each other at the same time and send their keys."""
    await pair.start_both()
    there = [await pair.east.create(between.west) for _ in range(3)]
    back = [await pair.west.create(between.east) for _ in range(3)]
    for arn in there:
        await pair.east.until(lambda a=arn: pair.east.status(a) == {between.west: SYNCHRONIZED})
    for arn in back:
        await pair.west.until(lambda a=arn: pair.west.status(a) == {between.east: SYNCHRONIZED})
    # The other Region in the ARN is the other service's: neither takes requests for it.
    foreign = await pair.east.call("PaymentCryptographyControlPlane.GetKey", {"KeyIdentifier": arn})
    assert foreign.status == 400


async def test_a_peer_that_comes_later_is_brought_up_to_date(pair: Any, between: Any) -> None:
    """While a peer is down the status says so; when it is there, everything arrives by itself."""
    await pair.start(pair.east)
    pair.west.listening.close()  # connections are refused
    arns = [await pair.east.create(between.west) for _ in range(3)]
    words = ("FAILED", f"Region {between.west} cannot be reached")
    for arn in arns:
        await pair.east.until(lambda a=arn: pair.east.status(a) == {between.west: words})
    replication = pair.east.dispatcher.replication
    assert replication.circuit_state(between.east, between.west) is not CircuitState.CLOSED
    pair.west.reopen()
    await pair.start(pair.west)
    for arn in arns:
        await pair.east.until(lambda a=arn: pair.east.status(a) == {between.west: SYNCHRONIZED})
    assert replication.circuit_state(between.east, between.west) is CircuitState.CLOSED


async def test_a_peer_that_cannot_be_called_back(pair: Any, between: Any, closed_port: int) -> None:
    """A service whose way back is broken says so to the one that wants to agree on a KEK."""
    await pair.start(pair.west, texts=[f"{between.east}=http://127.0.0.1:{closed_port}"])
    await pair.start(pair.east)
    link = pair.east.dispatcher.replication.links[between.east, between.west]
    with pytest.raises(PeerUnreachableError, match="cannot ask us-east-1 for its root in turn"):
        await link.agree(pair.east.now())
    metrics = pair.west.dispatcher.metrics.text().decode()
    counted = [line for line in metrics.splitlines() if 'operation="KeyferryReplication"' in line]
    assert any('code="ServiceUnavailableException"' in line for line in counted)


@pytest.mark.parametrize("minutes", [-10, 10])
async def test_clocks_may_differ_by_ten_minutes(pair: Any, between: Any, minutes: int) -> None:
    """A peer whose clock is ten minutes off is served, agreement on the KEK included."""
    pair.west.skew = timedelta(minutes=minutes)
    await pair.start_both()
    arn = await pair.east.create(between.west)
    await pair.east.until(lambda: pair.east.status(arn) == {between.west: SYNCHRONIZED})
    assert pair.west.key_state(arn) == "CREATE_COMPLETE"


async def test_another_secret_carries_nothing(pair: Any, between: Any) -> None:
    """Services whose access keys for peers differ refuse each other, and no key arrives."""
    await pair.start(pair.east, secrets=between.secrets | {"PEERKEY": "another"})
    await pair.start(pair.west)
    arn = await pair.east.create(between.west)
    words = f"replication to {between.west} is interrupted; the log of the service says why"
    await pair.east.until(lambda: pair.east.status(arn) == {between.west: ("FAILED", words)})
    assert pair.west.key_state(arn) is None


async def test_a_peer_without_us_is_refused(pair: Any, between: Any) -> None:
    """A service that was not told of us takes nothing from us."""
    await pair.start(pair.east)
    await pair.start(pair.west, texts=[f"eu-west-1={pair.east.url}"])
    arn = await pair.east.create(between.west)
    await pair.east.until(lambda: pair.east.status(arn)[between.west][0] == "FAILED")
    assert pair.west.key_state(arn) is None


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"key": "user"}, "AccessDeniedException", "not authorized to replicate"),
        ({"secret": "wrong"}, "InvalidSignatureException", "signature"),
        ({"key": "nobody", "secret": "x"}, "UnrecognizedClientException", "token"),
        ({"headers": {}}, "AccessDeniedException", "no peer"),
        ({"headers": {"x-keyferry-region": "us-west-2"}}, "AccessDeniedException", "no peer"),
        ({"headers": {"x-keyferry-region": "eu-west-1"}}, "AccessDeniedException", "no peer"),
        (
            {"headers": {}, "unsigned": {"x-keyferry-region": "us-east-1"}},
            "IncompleteSignatureException",
            "x-keyferry-region",
        ),
    ],
)
async def test_who_is_no_peer_changes_nothing(
    pair: Any, between: Any, options: dict[str, Any], code: str, words: str
) -> None:
    """A request that is not a peer's is refused in words, and destroys no replica."""
    await pair.start_both()
    arn = await pair.east.create(between.west)
    await pair.east.until(lambda: pair.east.status(arn) == {between.west: SYNCHRONIZED})
    change = {
        "Account": between.account,
        "KeyId": arn.rpartition("/")[2],
        "ChangeNumber": 99,
        "Incarnation": 1,
        "Action": "DESTROY",
    }
    usual = {"key": "PEERKEY", "headers": {"x-keyferry-region": between.east}}
    refused = await pair.west.call(APPLY, {"Changes": [change]}, **(usual | options))
    assert refused.status == 400
    assert refused.code == code
    assert words in refused.words
    assert pair.west.key_state(arn) == "CREATE_COMPLETE"
    done = await pair.west.call(APPLY, {"Changes": [change]}, **usual)
    assert done.status == 200
    assert pair.west.key_state(arn) == "DELETE_COMPLETE"


@pytest.mark.parametrize(
    ("target", "document"),
    [
        (GET_ROOT, {"Surprise": 1}),
        (APPLY, {}),
        (APPLY, {"Changes": []}),
        (APPLY, {"Changes": [7]}),
        ("KeyferryReplication.AgreeKey", {"KekId": "x"}),
        ("KeyferryReplication.Unheard", {}),
        ("KeyferryReplication.", {}),
    ],
)
async def test_what_is_no_message_is_refused(
    pair: Any, between: Any, target: str, document: dict[str, Any]
) -> None:
    """A peer that sends what is not of the protocol gets a ValidationException."""
    await pair.start(pair.west)
    refused = await pair.west.call(
        target, document, key="PEERKEY", headers={"x-keyferry-region": between.east}
    )
    assert (refused.status, refused.code) == (400, "ValidationException")


async def test_the_root_is_shown_to_peers(pair: Any, between: Any) -> None:
    """GetRoot answers with the Region's own root, which stays the same."""
    await pair.start(pair.west)
    options = {"key": "PEERKEY", "headers": {"x-keyferry-region": between.east}}
    shown = await pair.west.call(GET_ROOT, {}, **options)
    again = await pair.west.call(GET_ROOT, {}, **options)
    assert shown.document == again.document
    assert base64.b64decode(shown.document["Certificate"])[:1] == b"\x30"


async def test_a_peer_describes_its_replicas(pair: Any, between: Any) -> None:
    """Keys of two services are compared over the way between them; what is lost there is named."""
    await pair.start_both()
    arns = [await pair.east.create(between.west) for _ in range(3)]
    for arn in arns:
        await pair.east.until(lambda a=arn: pair.east.status(a) == {between.west: SYNCHRONIZED})
    verifier = Verifier(
        region=between.east,
        peer=between.west,
        store=pair.east.region.store,
        vault=pair.east.region.vault,
        transport=pair.east.dispatcher.replication.links[between.east, between.west].transport,
        offload=asyncio.to_thread,
    )
    found = await verifier.page(None)
    assert (found.compared, found.drift, found.pending, found.last) == (3, [], [], None)
    lost = arns[1].rpartition("/")[2]
    account = arns[1].split(":")[4]
    await pair.west.region.store.write(lambda tx: tx.erase_key(account, lost))
    found = await verifier.page(None, limit=1)
    while found.last is not None and not found.drift:
        found = await verifier.page(found.last, limit=1)
    assert [(drift.name.key_id, drift.kind) for drift in found.drift] == [
        (lost, DriftKind.MISSING_REPLICA)
    ]

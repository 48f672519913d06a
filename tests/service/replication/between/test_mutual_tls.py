"""Two services over TLS: a peer is who shows a certificate of its host, issued for peers."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme

from keyferry.errors import PeerRefusedError, PeerUnreachableError

SYNCHRONIZED = ("SYNCHRONIZED", None)
APPLY = "KeyferryReplication.ApplyChanges"


async def test_one_certificate_serves_both_directions(pair: Any, between: Any) -> None:
    """With a certificate each, for its own host, keys go both ways."""
    for service in (pair.east, pair.west):
        await pair.start_tls(service)
    there, back = await pair.east.create(between.west), await pair.west.create(between.east)
    await pair.east.until(lambda: pair.east.status(there) == {between.west: SYNCHRONIZED})
    await pair.west.until(lambda: pair.west.status(back) == {between.east: SYNCHRONIZED})


async def test_an_intermediate_authority_will_do(pair: Any, between: Any) -> None:
    """--peer-ca may hold the issuing authority alone, below a root that is not given."""
    intermediate = pair.files.authority.create_child_ca()
    pair.files.authority = intermediate
    for service in (pair.east, pair.west):
        await pair.start_tls(service)
    arn = await pair.east.create(between.west)
    await pair.east.until(lambda: pair.east.status(arn) == {between.west: SYNCHRONIZED})


async def refused_destruction(pair: Any, between: Any, **options: Any) -> Any:
    """
    Have a replica in the west, ask for its destruction in the name of the east, and return the
    answer after making sure that the replica is still there.
    """
    for service in (pair.east, pair.west):
        await pair.start_tls(service, listener=options.pop(service.name, {}))
    arn = await pair.east.create(between.west)
    await pair.east.until(lambda: pair.east.status(arn) == {between.west: SYNCHRONIZED})
    change = {
        "Account": between.account,
        "KeyId": arn.rpartition("/")[2],
        "ChangeNumber": 99,
        "Incarnation": 1,
        "Action": "DESTROY",
    }
    try:
        return await pair.west.call(
            APPLY,
            {"Changes": [change]},
            key="PEERKEY",
            headers={"x-keyferry-region": between.east},
            **options,
        )
    finally:
        assert pair.west.key_state(arn) == "CREATE_COMPLETE"


async def test_no_certificate(pair: Any, between: Any) -> None:
    """The right access key without a certificate is refused."""
    refused = await refused_destruction(pair, between)
    assert refused.code == "AccessDeniedException"
    assert "must show a client certificate" in refused.words


@pytest.mark.parametrize("names", [("elsewhere.example",), ("*.0.0.1",), ("localhost",)])
async def test_a_certificate_for_another_host(
    pair: Any, between: Any, names: tuple[str, ...]
) -> None:
    """A certificate of the peers' authority speaks only for the host it names."""
    certificate = pair.files.issue(*names)
    refused = await refused_destruction(pair, between, certificate=certificate)
    assert refused.code == "AccessDeniedException"
    assert "does not name 127.0.0.1" in refused.words


async def test_a_certificate_of_an_unknown_authority(pair: Any, between: Any) -> None:
    """A certificate of an authority nobody named does not even end the handshake."""
    certificate = pair.files.issue("127.0.0.1", authority=trustme.CA())
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await refused_destruction(pair, between, certificate=certificate)


async def test_a_certificate_of_api_clients(pair: Any, between: Any) -> None:
    """A certificate that opens the API to a client is none of a peer, whatever host it names."""
    clients = trustme.CA()
    client_ca = pair.files.folder / "clients.pem"
    clients.cert_pem.write_to_path(client_ca)
    certificate = pair.files.issue("127.0.0.1", authority=clients)
    refused = await refused_destruction(
        pair, between, certificate=certificate, **{between.west: {"tls_client_ca": client_ca}}
    )
    assert refused.code == "AccessDeniedException"
    assert "no authority of --peer-ca" in refused.words
    listed = await pair.west.call(
        "PaymentCryptographyControlPlane.ListKeys", {}, certificate=certificate
    )
    assert listed.status == 200
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await pair.west.call("PaymentCryptographyControlPlane.ListKeys", {})


async def test_the_right_certificate_is_taken(pair: Any, between: Any) -> None:
    """The counterpart of the refusals: with the certificate of its host the peer is heard."""
    certificate = pair.files.issue("127.0.0.1")
    with pytest.raises(AssertionError, match="DELETE_COMPLETE"):
        await refused_destruction(pair, between, certificate=certificate)


async def test_other_clients_need_no_certificate(pair: Any) -> None:
    """Peers alone are asked for a certificate; the API stays open to signed requests."""
    await pair.start_tls(pair.west)
    listed = await pair.west.call("PaymentCryptographyControlPlane.ListKeys", {})
    assert listed.status == 200


async def test_a_server_with_another_certificate(pair: Any, between: Any) -> None:
    """Nothing is sent to a server of another authority, of another host, or of a whole domain."""
    await pair.start_tls(pair.east)
    transport = pair.east.dispatcher.replication.links[between.east, between.west].transport
    other = trustme.CA()
    for names, authority, words in (
        (("localhost",), other, "certificate"),
        (("elsewhere.example",), None, "certificate"),
    ):
        cert, key = pair.files.issue(*names, authority=authority)
        await pair.start_tls(pair.west, listener={"tls_cert": cert, "tls_key": key})
        with pytest.raises(PeerUnreachableError, match=words):
            await transport.root()
        await pair.west.stop()
        pair.west.reopen()
    await pair.start_tls(pair.west)
    await transport.root()


async def test_a_key_of_the_service_is_not_enough(pair: Any, between: Any) -> None:
    """A service that shows peers a certificate for another host is refused, in its log's words."""
    cert, key = pair.files.issue("elsewhere.example")
    await pair.start_tls(pair.east, cert=cert, key=key)
    await pair.start_tls(pair.west)
    transport = pair.east.dispatcher.replication.links[between.east, between.west].transport
    with pytest.raises(PeerRefusedError, match=r"does not name 127\.0\.0\.1"):
        await transport.root()


async def test_expired_certificates(pair: Any, between: Any, files: Any) -> None:
    """A server certificate that is out of date is not talked to."""
    ended = datetime.now(UTC) - timedelta(days=1)
    cert, key = files.issue("localhost", not_before=ended - timedelta(days=9), not_after=ended)
    await pair.start_tls(pair.east)
    await pair.start_tls(pair.west, listener={"tls_cert": cert, "tls_key": key})
    transport = pair.east.dispatcher.replication.links[between.east, between.west].transport
    with pytest.raises(PeerUnreachableError, match="expired"):
        await transport.root()

"""Who is admitted as a peer: the role, the Region that is claimed, and what proves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from keyferry.service.authz.principal import Principal, Role
from keyferry.service.errors import AccessDeniedError
from keyferry.service.replication.peers.gate import PeerGate
from keyferry.service.replication.peers.settings import PeerAddress
from keyferry.service.wire.http import HTTPRequest

NOW = datetime.now(UTC)
PLAIN = PeerAddress.parse("us-west-2=http://127.0.0.1:8602")
SECURE = PeerAddress.parse("us-west-2=https://west.example:8600")


def principal(*roles: Role) -> Principal:
    return Principal(
        access_key_id="AKIAPEER",
        account="111122223333",
        arn="arn:aws:iam::111122223333:user/regions",
        name="regions",
        roles=frozenset(roles),
    )


def request(region: bytes | None = b"us-west-2", **members: Any) -> HTTPRequest:
    """A request that claims to be of `region`, from this machine unless told otherwise."""
    headers = {} if region is None else {b"x-keyferry-region": region}
    usual = {"method": "POST", "path": b"/", "query": b"", "body": b"{}", "client": "127.0.0.1"}
    return HTTPRequest(**(usual | {"headers": headers} | members))


def gate(address: PeerAddress, *authorities: trustme.CA) -> PeerGate:
    trusted = [x509.load_pem_x509_certificate(one.cert_pem.bytes()) for one in authorities]
    return PeerGate({address.region: address}, trusted)


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.9.10", "::1"])
def test_plain_http_from_this_machine(client: str) -> None:
    """Any loopback address will do."""
    peer = gate(PLAIN).admit(request(client=client), principal(Role.PEER), now=NOW)
    assert peer == "us-west-2"


@pytest.mark.parametrize(
    "members",
    [
        {"client": "192.0.2.7"},
        {"client": None},
        {"client": "localhost"},
        {"tls_version": "TLSv1.3"},
        {"region": None},
        {"region": b"us-east-1"},
        {"region": b"us-west-2,us-west-2"},
        {"region": b"\xff"},
    ],
)
def test_plain_http_from_anywhere_else(members: dict[str, Any]) -> None:
    """Another address, none, a name, TLS where none is expected, another Region or two."""
    with pytest.raises(AccessDeniedError):
        gate(PLAIN).admit(request(**members), principal(Role.PEER), now=NOW)


def test_the_role_comes_first() -> None:
    """Users and administrators are no peers; what they claim is not looked at."""
    for region in (b"us-west-2", b"nowhere"):
        with pytest.raises(AccessDeniedError, match="not authorized to replicate"):
            gate(PLAIN).admit(request(region), principal(Role.USER, Role.ADMIN), now=NOW)


def test_no_peers_no_one() -> None:
    """A service without peers admits nobody."""
    with pytest.raises(AccessDeniedError):
        PeerGate({}, ()).admit(request(), principal(Role.PEER), now=NOW)


def test_a_certificate_is_known_until_it_ends() -> None:
    """One that was verified is taken again, and no longer once it has expired."""
    authority = trustme.CA()
    leaf = authority.issue_cert(
        "west.example", not_before=NOW - timedelta(hours=1), not_after=NOW + timedelta(seconds=30)
    )
    pem = leaf.cert_chain_pems[0].bytes()
    der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    door = gate(SECURE, authority)
    asked = request(client="192.0.2.7", tls_version="TLSv1.3", client_certificate=der)
    for _ in range(2):
        assert door.admit(asked, principal(Role.PEER), now=NOW) == "us-west-2"
    for later in (31, 120):
        with pytest.raises(AccessDeniedError, match="expired"):
            door.admit(asked, principal(Role.PEER), now=NOW + timedelta(seconds=later))


def test_a_certificate_is_wanted_even_from_this_machine() -> None:
    """Where a peer is expected over TLS, coming from loopback proves nothing."""
    with pytest.raises(AccessDeniedError, match="must show a client certificate"):
        gate(SECURE, trustme.CA()).admit(request(), principal(Role.PEER), now=NOW)

"""Agreements on KEKs: what binds them, and whom a Region believes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from keyferry.crypto.certificates import CertificateUsage, create_root, issue_leaf
from keyferry.errors import (
    CertificateChainError,
    CertificateUsageError,
    CertificateValidityError,
    KeyAgreementError,
    PeerProtocolError,
    UnknownReplicationKEKError,
)
from keyferry.service.region import open_regions
from keyferry.service.replication.identity import verify_peer
from keyferry.service.replication.keks import KEKs
from keyferry.service.settings import ServiceSettings

EAST, WEST = "us-east-1", "us-west-2"
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
async def pair() -> AsyncIterator[tuple[KEKs, KEKs]]:
    """The KEKs of two Regions."""
    regions = open_regions(ServiceSettings(dev=True, regions=(EAST, WEST)))
    yield (
        KEKs(EAST, regions[EAST].store, regions[EAST].vault),
        KEKs(WEST, regions[WEST].store, regions[WEST].vault),
    )
    for region in regions.values():
        await region.close()


@pytest.mark.parametrize("skew", [timedelta(0), timedelta(minutes=10), timedelta(minutes=-10)])
async def test_both_derive_the_same(pair: tuple[KEKs, KEKs], skew: timedelta) -> None:
    """Whatever one wraps the other unwraps, with clocks ten minutes apart."""
    east, west = pair
    there = NOW + skew
    east_root, west_root = await east.identity.root(now=NOW), await west.identity.root(now=there)
    offer = east.offer()
    answer = await west.accept(EAST, await offer.message(now=NOW), root=east_root, now=there)
    await offer.complete(WEST, answer, root=west_root, now=NOW)
    kek_id, sending = east.newest(WEST) or pytest.fail("no KEK was kept")
    from keyferry.crypto.keyblock import KeyBlockHeader

    header = KeyBlockHeader.parse("D0112P0AN00S0000")
    block = sending.wrap(header, bytes(range(16)))
    assert west.received(EAST, kek_id).unwrap(block).key == bytes(range(16))
    with pytest.raises(UnknownReplicationKEKError):
        west.received("eu-west-1", kek_id)
    with pytest.raises(UnknownReplicationKEKError):
        west.received(EAST, "0" * 32)
    assert west.newest(EAST) is None  # one direction alone


async def test_another_check_value_keeps_nothing(pair: tuple[KEKs, KEKs]) -> None:
    """A peer that derived another KEK is noticed before anything goes under it."""
    import msgspec

    east, west = pair
    east_root, west_root = await east.identity.root(now=NOW), await west.identity.root(now=NOW)
    offer = east.offer()
    answer = await west.accept(EAST, await offer.message(now=NOW), root=east_root, now=NOW)
    for spoiled in ({"random": bytes(32)}, {"check_value": "0000000000"}):
        with pytest.raises(PeerProtocolError):
            await offer.complete(
                WEST, msgspec.structs.replace(answer, **spoiled), root=west_root, now=NOW
            )
    assert east.newest(WEST) is None


class Forger:
    """Somebody with a root of their own."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP521R1())
        self.root = create_root(
            self.key,
            common_name=f"keyferry replication {EAST} root",
            not_before=NOW - timedelta(hours=1),
            not_after=NOW + timedelta(days=3000),
        )

    def leaf(self, **changes: Any) -> bytes:
        values = {
            "subject": f"keyferry replication {EAST}",
            "usage": CertificateUsage.KEY_AGREEMENT,
            "not_before": NOW - timedelta(hours=1),
            "not_after": NOW + timedelta(days=1),
            "curve": ec.SECP521R1(),
        } | changes
        public_key = ec.generate_private_key(values.pop("curve")).public_key()
        leaf = issue_leaf(public_key, issuer=self.root, issuer_key=self.key, **values)
        return leaf.public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"subject": f"keyferry replication {WEST}"}, CertificateChainError),
        ({"usage": CertificateUsage.DIGITAL_SIGNATURE}, CertificateUsageError),
        ({"not_after": NOW - timedelta(minutes=1)}, CertificateValidityError),
        ({"not_before": NOW + timedelta(minutes=16)}, CertificateValidityError),
        ({"curve": ec.SECP256R1()}, KeyAgreementError),
    ],
)
def test_leaves_that_are_not_the_peers(changes: dict[str, Any], error: type[Exception]) -> None:
    """Another Region's, of another use, out of date or of another curve: refused."""
    forger = Forger()
    verify_peer(forger.leaf(), root=forger.root, region=EAST, now=NOW)
    with pytest.raises(error):
        verify_peer(forger.leaf(**changes), root=forger.root, region=EAST, now=NOW)


async def test_a_leaf_under_another_root_is_refused(pair: tuple[KEKs, KEKs]) -> None:
    """A root of the same name is another root."""
    east, west = pair
    root = await east.identity.root(now=NOW)
    with pytest.raises(CertificateChainError):
        verify_peer(Forger().leaf(), root=root, region=EAST, now=NOW)
    assert await east.identity.root(now=NOW) == root
    assert await west.identity.root(now=NOW) != root


async def test_the_last_agreed_is_the_newest_whatever_the_clock_says(
    pair: tuple[KEKs, KEKs],
) -> None:
    """A rotation after the clock was set back is one: on both sides the new KEK counts."""
    east, west = pair
    agreed = []
    for now in (NOW, NOW - timedelta(minutes=10)):
        east_root, west_root = await east.identity.root(now=now), await west.identity.root(now=now)
        offer = east.offer()
        answer = await west.accept(EAST, await offer.message(now=now), root=east_root, now=now)
        await offer.complete(WEST, answer, root=west_root, now=now)
        agreed.append(offer.kek_id)
        newest = east.newest(WEST)
        assert newest is not None
        assert newest[0] == offer.kek_id
    # What was replaced goes, and not what replaced it.
    assert await west.sweep(now=NOW + timedelta(hours=2)) == 1
    west.received(EAST, agreed[1])

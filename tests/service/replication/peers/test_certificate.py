"""Which certificates are a peer's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from keyferry.errors import (
    CertificateChainError,
    CertificateValidityError,
    ConfigurationError,
    KeyferryError,
)
from keyferry.service.replication.peers.certificate import check_peer_certificate, read_authorities

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def certificate(pem: trustme.Blob) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.bytes())


def check(leaf: trustme.LeafCert, host: str, *authorities: trustme.CA, now: datetime = NOW) -> None:
    der = certificate(leaf.cert_chain_pems[0]).public_bytes(Encoding.DER)
    trusted = [certificate(authority.cert_pem) for authority in authorities]
    ends = check_peer_certificate(der, authorities=trusted, host=host, now=now)
    assert now < ends


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (("west.example",), "west.example"),
        (("West.Example",), "west.example"),
        (("other.example", "west.example"), "west.example"),
        (("192.0.2.7",), "192.0.2.7"),
        (("2001:db8::7",), "2001:db8:0:0:0:0:0:7"),
    ],
)
def test_the_host_itself(authority: trustme.CA, names: tuple[str, ...], host: str) -> None:
    """A name in any case, or an address in any spelling, among the alternative names."""
    check(authority.issue_cert(*names), host, trustme.CA(), authority)


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (("east.example",), "west.example"),
        (("*.example",), "west.example"),
        (("west.example.org",), "west.example"),
        (("192.0.2.8",), "192.0.2.7"),
        (("someone@west.example",), "west.example"),
    ],
)
def test_another_host(authority: trustme.CA, names: tuple[str, ...], host: str) -> None:
    """Another name, a wildcard that covers it, or an address of mail are not the host."""
    with pytest.raises(CertificateChainError, match="does not name"):
        check(authority.issue_cert(*names), host, authority)


def test_the_common_name_does_not_count(authority: trustme.CA) -> None:
    """Only alternative names name hosts."""
    with pytest.raises(CertificateChainError, match="does not name"):
        check(
            authority.issue_cert("x.example", common_name="west.example"), "west.example", authority
        )


def test_another_authority(authority: trustme.CA) -> None:
    """An authority nobody named, one of the same name with another key, or none at all."""
    leaf = authority.issue_cert("west.example")
    twin = trustme.CA(organization_name="twin")
    for others in ((trustme.CA(),), (twin,), ()):
        with pytest.raises(CertificateChainError):
            check(leaf, "west.example", *others)
    first, second = (trustme.CA(organization_unit_name="same") for _ in range(2))
    assert certificate(first.cert_pem).subject == certificate(second.cert_pem).subject
    named = first.issue_cert("west.example")
    check(named, "west.example", second, first)
    with pytest.raises(CertificateChainError, match="another authority"):
        check(named, "west.example", second)


def test_below_an_intermediate_that_is_not_given(authority: trustme.CA) -> None:
    """The root alone does not vouch for what an authority below it issued; that one does."""
    intermediate = authority.create_child_ca()
    leaf = intermediate.issue_cert("west.example")
    check(leaf, "west.example", intermediate)
    with pytest.raises(CertificateChainError):
        check(leaf, "west.example", authority)


def test_time(authority: trustme.CA) -> None:
    """Expired is expired; a clock that is behind by minutes is tolerated."""
    leaf = authority.issue_cert("west.example", not_before=NOW, not_after=NOW + timedelta(hours=1))
    check(leaf, "west.example", authority, now=NOW - timedelta(minutes=10))
    for now in (NOW - timedelta(minutes=20), NOW + timedelta(hours=2)):
        with pytest.raises(CertificateValidityError):
            check(leaf, "west.example", authority, now=now)


@pytest.mark.parametrize("der", [b"", b"\x30\x00", b"\xff" * 40, b"x" * 40_000])
def test_what_is_no_certificate(authority: trustme.CA, der: bytes) -> None:
    """Bytes that are none are refused with an error of ours."""
    with pytest.raises(KeyferryError):
        check_peer_certificate(
            der, authorities=[certificate(authority.cert_pem)], host="west.example", now=NOW
        )


def test_authorities_from_a_file(authority: trustme.CA, tmp_path: Path) -> None:
    """Several in one file are all read; a file without any is refused, as is none."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    trustme.CA().cert_pem.write_to_path(path, append=True)
    assert len(read_authorities(path)) == 2
    for content in (b"", b"no certificates", b"x" * (2 << 20)):
        path.write_bytes(content)
        with pytest.raises(ConfigurationError, match="--peer-ca"):
            read_authorities(path)
    with pytest.raises(ConfigurationError, match="No such file"):
        read_authorities(tmp_path / "missing.pem")

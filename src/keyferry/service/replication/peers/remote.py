"""The peers of a service that are served elsewhere: the way to each, and the gate for all."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial

from keyferry.errors import ConfigurationError
from keyferry.service.authz.access_keys import AccessKeys
from keyferry.service.authz.principal import Role
from keyferry.service.replication.backoff import Backoff
from keyferry.service.replication.peers.certificate import check_peer_certificate, read_authorities
from keyferry.service.replication.peers.circuit import Circuit
from keyferry.service.replication.peers.gate import PeerGate
from keyferry.service.replication.peers.http_connection import PeerConnections
from keyferry.service.replication.peers.http_transport import HTTPPeer, HTTPTransport
from keyferry.service.replication.peers.settings import PeerSettings
from keyferry.service.replication.transport import TransportFactory
from keyferry.service.wire.signing import RequestSigner

# Beside one message of each Region of this process, so many more can be under way to a peer.
_SPARE_THREADS = 4


class RemotePeers:
    """
    The peers a service was given by `--peer`. Belongs to one process and event loop.

    Args:
        served: how many Regions the process serves itself.
        clock: the time of day in UTC.

    Raises:
        ConfigurationError: a file cannot be used, or there is no access key to sign with.
    """

    def __init__(
        self,
        settings: PeerSettings,
        keys: AccessKeys,
        *,
        served: int,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.peers: dict[str, HTTPPeer] = {}
        addresses = {address.region: address for address in settings.addresses}
        authorities = () if settings.ca is None else read_authorities(settings.ca)
        self.gate = PeerGate(addresses, authorities)
        if not addresses:
            return
        key = keys.first(Role.PEER)
        if key is None:
            raise ConfigurationError(
                "--peer: no access key to sign with",
                hint='add an [[access_key]] with role = "peer" to the credentials files of both'
                " services, the same in each",
            )
        tls = client_tls(settings)

        def check(host: str, certificate: bytes) -> None:
            check_peer_certificate(certificate, authorities=authorities, host=host, now=clock())

        for region, address in addresses.items():
            connections = PeerConnections(
                address, tls=tls if address.tls else None, check=partial(check, address.host)
            )
            self.peers[region] = HTTPPeer(
                address,
                connections,
                RequestSigner(key, region=region),
                Circuit(region, backoff=Backoff(most_s=5.0)),
                threads=served + _SPARE_THREADS,
                clock=clock,
            )

    @property
    def transports(self) -> Mapping[str, TransportFactory]:
        """For each peer, what makes the way there from a Region."""
        return {region: partial(HTTPTransport, peer) for region, peer in self.peers.items()}

    @property
    def circuits(self) -> Mapping[str, Circuit]:
        """Whether each peer is asked at all."""
        return {region: peer.circuit for region, peer in self.peers.items()}

    def close(self) -> None:
        """End all that is under way."""
        for peer in self.peers.values():
            peer.close()


def client_tls(settings: PeerSettings) -> ssl.SSLContext | None:
    """
    TLS towards peers: our certificate, and nobody's word but that of `--peer-ca`.

    Raises:
        ConfigurationError: certificate and key cannot be used.
    """
    if settings.ca is None or settings.cert is None or settings.key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    trust_peers(context, settings)
    try:
        # The password callback answers nothing, so that an encrypted key is an error, not a prompt.
        context.load_cert_chain(settings.cert, settings.key, password=lambda: b"")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or "unusable"
        raise ConfigurationError(
            f"--peer-cert {settings.cert} with --peer-key {settings.key}: {reason}",
            hint="both in PEM, the key without a password and made for the certificate",
        ) from None
    return context


def trust_peers(context: ssl.SSLContext, settings: PeerSettings) -> None:
    """Have TLS accept what the authorities of `--peer-ca` issued, be they roots or not."""
    if settings.ca is None:
        return
    read_authorities(settings.ca)  # says what is wrong with the file, if anything
    try:
        context.load_verify_locations(settings.ca)
    except (OSError, ValueError):
        raise ConfigurationError(f"--peer-ca {settings.ca}: unusable certificates") from None
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    if context.verify_mode is ssl.CERT_NONE:
        context.verify_mode = ssl.CERT_OPTIONAL  # of a listener: other clients need none

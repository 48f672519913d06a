"""
Who may bring messages from another Region: the other end of `http_transport.py`.

A request is signed with an access key for peers, which every service of the group has; which of
their Regions it speaks for it says in a signed header. That is believed if the client's certificate
is of the host where `--peer` says that Region is, or, over plain http, if it comes from this very
machine. A certificate that opens the API to clients is not enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from cryptography import x509

from keyferry.errors import KeyferryError
from keyferry.service.authz.principal import Principal
from keyferry.service.errors import AccessDeniedError
from keyferry.service.loopback import is_loopback_address
from keyferry.service.replication.peers.certificate import check_peer_certificate
from keyferry.service.replication.peers.http_transport import SENDER_HEADER
from keyferry.service.replication.peers.settings import PeerAddress
from keyferry.service.wire.http import HTTPRequest

_HEADER = SENDER_HEADER.encode()
# How long a certificate that was verified is known again by its bytes.
_KNOWN = timedelta(minutes=1)
_MOST_KNOWN = 64


class PeerGate:
    """
    Admits requests of peers.

    Args:
        peers: where each Region is that another service serves.
        authorities: of `--peer-ca`.
    """

    def __init__(
        self, peers: Mapping[str, PeerAddress], authorities: Sequence[x509.Certificate]
    ) -> None:
        self._peers = peers
        self._authorities = authorities
        # (certificate, host) → when it is to be verified again.
        self._known: dict[tuple[bytes, str], datetime] = {}

    def admit(self, request: HTTPRequest, principal: Principal, *, now: datetime) -> str:
        """
        Return the Region that speaks.

        Raises:
            AccessDeniedError: the access key is not for peers, the Region is none of theirs, or
                nothing proves that the request comes from there.
        """
        if not principal.may_replicate:
            raise AccessDeniedError(
                f"{principal.arn} is not authorized to replicate keys between Regions",
                hint='use an access key with role = "peer" in the credentials file',
            )
        region = request.text(_HEADER) or ""
        address = self._peers.get(region)
        if address is None:
            raise AccessDeniedError("the Region that sends is no peer of this service")
        if address.tls:
            self._check_certificate(request, address, now)
        elif request.tls_version is not None or not is_loopback_address(request.client):
            raise AccessDeniedError(f"Region {region} is expected from this machine, without TLS")
        return region

    def _check_certificate(self, request: HTTPRequest, address: PeerAddress, now: datetime) -> None:
        certificate = request.client_certificate
        if certificate is None:
            raise AccessDeniedError(f"Region {address.region} must show a client certificate")
        known = self._known.get((certificate, address.host))
        if known is not None and now < known:
            return
        try:
            ends = check_peer_certificate(
                certificate, authorities=self._authorities, host=address.host, now=now
            )
        except KeyferryError as error:
            raise AccessDeniedError(
                f"the client certificate is not that of Region {address.region}: {error}"
            ) from None
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[certificate, address.host] = min(ends, now + _KNOWN)

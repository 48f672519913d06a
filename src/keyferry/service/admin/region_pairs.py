"""The pair of Regions an administrator means: the one the call was signed for, and a peer."""

from __future__ import annotations

from keyferry.service.admin.context import AdminContext
from keyferry.service.errors import InvalidRequestError
from keyferry.service.replication.inspection.verification import Verifier
from keyferry.service.replication.link import Link
from keyferry.service.replication.state import Sender


def peers_of(context: AdminContext) -> list[str]:
    """The Regions keys can be replicated to from here, by name."""
    return sorted(peer for region, peer in context.replication.links if region == context.region)


def find_link(context: AdminContext, peer: str) -> Link:
    """
    The link to a peer.

    Raises:
        InvalidRequestError: there is none; the words say which there are.
    """
    link = context.replication.links.get((context.region, peer))
    if link is None:
        known = ", ".join(peers_of(context)) or "none"
        raise InvalidRequestError(
            f"{peer} is no peer of {context.region} in this service (peers: {known})"
        )
    return link


def find_verifier(context: AdminContext, peer: str) -> Verifier:
    """What compares this Region's keys with their replicas in a peer; raises as `find_link`."""
    return Verifier(
        region=context.region,
        peer=peer,
        store=context.store,
        vault=context.vault,
        transport=find_link(context, peer).transport,
        offload=context.offload,
        tags=peer in context.peers.tags,
    )


def sender_of(context: AdminContext) -> Sender:
    """This process, as the one that will deliver what an administrator has sent."""
    peers = context.peers
    return Sender(peers.owner, context.now, peers.regions, aliases=peers.aliases, tags=peers.tags)

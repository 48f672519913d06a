"""How a Region's messages reach a peer: bytes in and bytes out, or PeerUnreachableError."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from cryptography import x509

if TYPE_CHECKING:
    from keyferry.service.replication.receiver import Receiver


class Transport(Protocol):
    """The way from one Region to one peer, both named by whoever made it."""

    async def call(self, operation: str, body: bytes) -> bytes:
        """
        Send a message and return the answer.

        Raises:
            PeerUnreachableError: no answer; whether the message arrived is not known.
            PeerProtocolError: the answer is none of the protocol.
            PeerRefusedError: the peer refused the message, in words.
        """
        ...

    async def root(self) -> x509.Certificate:
        """The peer's root, as it is trusted over this way."""
        ...


# Makes the way from a Region of this process to a peer.
TransportFactory = Callable[[str], Transport]


class LocalTransport:
    """The way to a Region of the same process, which is trusted by construction."""

    def __init__(self, sender: str, receiver: Receiver) -> None:
        self._sender = sender
        self._receiver = receiver

    async def call(self, operation: str, body: bytes) -> bytes:
        return await self._receiver.handle(self._sender, operation, body)

    async def root(self) -> x509.Certificate:
        return await self._receiver.root()

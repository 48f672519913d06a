"""What a flow hands back: the key on both sides, and what travelled between them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from keyferry.crypto.keyblock import KeyBlockHeader
from keyferry.exchange.parties.interface import KEK, KeyRequest, ReceivedKey, TransportKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Travelled:
    """The outcome of a flow, before anything about it is compared."""

    key: TransportKey
    header: KeyBlockHeader  # as it travelled
    wrapped: str = field(repr=False)  # a key block, or a token in hex
    received: ReceivedKey
    kek: KEK | None = None  # the receiver's, TR-31 only
    # Brings another new key the same way, under what both sides agreed on for this one.
    bring: Callable[[KeyRequest], Awaitable[tuple[TransportKey, ReceivedKey]]] = field(
        repr=False, compare=False
    )

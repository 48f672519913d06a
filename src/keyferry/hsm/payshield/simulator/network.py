"""Connections and traffic of the simulated host port, as NI reports them."""

from __future__ import annotations

import ipaddress
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Connection:
    """One TCP connection."""

    local_port: int
    address: str
    remote_port: int
    opened: float = field(default_factory=time.monotonic)

    @property
    def address_hex(self) -> str:
        """The peer's address in 8 hex characters; an IPv6 peer shows its last 32 bits."""
        try:
            number = int(ipaddress.ip_address(self.address.partition("%")[0]))
        except ValueError:
            number = 0
        return f"{number & 0xFFFFFFFF:08X}"


class NetworkStatistics:
    """What the device counts about its network."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._connections: dict[int, Connection] = {}
        self._numbers = itertools.count()
        self.clock = clock
        self.bytes_sent = 0
        self.bytes_received = 0
        self.messages_sent = 0
        self.messages_received = 0
        self.errors_received = 0

    def opened(self, connection: Connection) -> int:
        """Note a new connection; return the number by which it is closed again."""
        number = next(self._numbers)
        self._connections[number] = connection
        return number

    def closed(self, number: int) -> None:
        """Note that a connection is gone."""
        self._connections.pop(number, None)

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._connections.values()))

"""Whether an address is of this machine alone."""

from __future__ import annotations

import ipaddress
import socket

from keyferry.errors import ConfigurationError


def is_loopback(host: str, *, option: str = "--host") -> bool:
    """
    Whether every address a host name stands for is of this machine alone.

    Raises:
        ConfigurationError: the name, given by `option`, does not resolve.
    """
    if is_loopback_address(host):
        return True
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ConfigurationError(f"{option} {host}: the name does not resolve") from None
    return all(is_loopback_address(str(address[4][0])) for address in found)


def is_loopback_address(address: str | None) -> bool:
    """Whether an IP address is of this machine alone; a name or nothing at all is not."""
    try:
        return address is not None and ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False

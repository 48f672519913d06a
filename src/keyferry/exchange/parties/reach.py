"""How the HSM that a configuration describes is reached."""

from __future__ import annotations

from keyferry.exchange.config import Atalla, Futurex, PayShield
from keyferry.hsm.host_client import Reach
from keyferry.hsm.host_pool import client_tls


def reach_of(config: PayShield | Futurex | Atalla) -> Reach:
    """
    Return what a driver needs beside host and port.

    Raises:
        ConfigurationError: a file of `tls` cannot be read or does not hold what it should.
    """
    reach = Reach(timeout_s=config.timeout_seconds)
    tls = config.tls
    if tls is not None:
        reach["tls"] = client_tls(tls.ca_file or None, tls.cert_file or None, tls.key_file or None)
        reach["server_name"] = tls.server_name or None
    return reach

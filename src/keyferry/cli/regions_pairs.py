"""The ordered pairs of Regions a command of `keyferry regions` is about, each with its client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from keyferry.cli.admin_client import AdminClient
from keyferry.errors import ConfigurationError

# Any will do: to ask which Regions there are, nothing is signed.
_ANY_REGION = "us-east-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Keys go from `region` to the peer; `client` asks the former."""

    region: str
    status: dict[str, Any]  # of DescribeReplication
    client: AdminClient

    @property
    def peer(self) -> str:
        return str(self.status["Peer"])

    @property
    def name(self) -> str:
        return f"{self.region} -> {self.peer}"


@contextmanager
def open_pairs(
    *, endpoint_url: str | None, region: str | None, peer: str | None, linked: bool = True
) -> Iterator[list[Pair]]:
    """
    The pairs of a running service.

    Args:
        region, peer: None is all of them.
        linked: leave out peers the service has no way to, which have rows from before.

    Raises:
        ConfigurationError: there is no such pair, or nothing to ask.
        RemoteRefusedError, ExchangeError: the service refuses, or does not answer.
    """
    with ExitStack() as stack:

        def client_of(name: str) -> AdminClient:
            client = AdminClient(endpoint_url=endpoint_url, region=name)
            stack.callback(client.close)
            return client

        regions = [region] if region else client_of(_ANY_REGION).served_regions()
        pairs = []
        for name in regions:
            client = client_of(name)
            answer = client.call("DescribeReplication", {})
            pairs += [
                Pair(region=name, status=status, client=client)
                for status in answer["Pairs"]
                if (peer is None or status["Peer"] == peer) and (status["Linked"] or not linked)
            ]
        if not pairs:
            if peer is not None:
                raise ConfigurationError(
                    f"--peer {peer}: no peer of {' or '.join(regions)} in this service"
                )
            raise ConfigurationError(
                f"{' and '.join(regions)}: the service has nowhere to replicate keys to",
                hint="serve several Regions, or name other services with --peer REGION=URL",
            )
        yield pairs

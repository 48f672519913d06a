"""The received key in further Regions: replicated, compared, and proven by use there too."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from keyferry.errors import CheckValueMismatchError, ConfigurationError
from keyferry.exchange.parties.interface import ReceivedKey
from keyferry.exchange.proof import Proven, prove_again
from keyferry.exchange.result import Replica, received_attributes, same_check_value
from keyferry.exchange.steps import Steps


@runtime_checkable
class Replicates(Protocol):
    """A receiver whose keys can have replicas in other Regions."""

    label: str
    region: str

    async def replicate(self, received: ReceivedKey, region: str) -> ReceivedKey:
        """Have a key replicated, wait until it is there, and return the replica."""
        ...

    def party_in(self, region: str) -> object:
        """Return the same account in another Region as a party."""
        ...


def check_regions(regions: tuple[str, ...], krd: object) -> None:
    """
    Refuse Regions that no key can be replicated to, before anything is called.

    Raises:
        ConfigurationError: the receiver has no Regions, or one is named twice or is its own.
    """
    if not regions:
        return
    if not isinstance(krd, Replicates):
        raise ConfigurationError(
            "--replicate-to: only keys in the service have replicas", hint="use --krd apc"
        )
    for region in regions:
        if region == krd.region:
            raise ConfigurationError(f"--replicate-to {region}: the key itself arrives there")
        if regions.count(region) > 1:
            raise ConfigurationError(f"--replicate-to {region}: named twice")


async def replicate_to(
    regions: tuple[str, ...],
    received: ReceivedKey,
    proven: Proven | None,
    *,
    krd: object,
    steps: Steps,
) -> tuple[Replica, ...]:
    """
    Replicate a key, and hold each replica against it.

    Args:
        regions: to replicate to.
        received: the key, as its receiver holds it.
        proven: what it was proven by; None: not asked for.
        krd: the receiver.
        steps: told what is done.

    Raises:
        ExchangeError: it did not arrive, or another key did; or it does not prove by use there.
    """
    if not isinstance(krd, Replicates):
        return ()  # `check_regions` refused before
    return tuple(
        [await _replicate(region, received, proven, krd=krd, steps=steps) for region in regions]
    )


async def _replicate(
    region: str, received: ReceivedKey, proven: Proven | None, *, krd: Replicates, steps: Steps
) -> Replica:
    steps.begin(krd.label, f"replicate the key to {region}")
    replica = await krd.replicate(received, region)
    steps.detail(f"{replica.identifier} with check value {replica.check_value}")
    _check_same(received, replica, region)
    text = ""
    if proven is not None:
        companion = None
        if proven.companion is not None:
            companion = await krd.replicate(proven.companion[1], region)
        text = await prove_again(
            proven, replica, krd=krd.party_in(region), companion=companion, steps=steps
        )
    return Replica(
        region=region,
        key_arn=replica.identifier,
        key_check_value=replica.check_value,
        proof_by_use=text,
    )


def _check_same(received: ReceivedKey, replica: ReceivedKey, region: str) -> None:
    same = received_attributes(received) == received_attributes(replica)
    if not same or not same_check_value(received.check_value, replica.check_value):
        raise CheckValueMismatchError(
            f"the replica in {region} shows check value {replica.check_value} and attributes"
            f" {received_attributes(replica)}, the key itself {received.check_value} and"
            f" {received_attributes(received)}",
            hint="do not use the replica; key and replica are being deleted",
        )

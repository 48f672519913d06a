"""Keys in one Region of one account, by the calls that a party is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keyferry.errors import ExchangeError
from keyferry.exchange.aws import AWSClient
from keyferry.exchange.parties.apc_keys import read_attributes, write_attributes
from keyferry.exchange.parties.interface import ReceivedKey
from keyferry.keys import KeyAttributes

SETTLE_TIMEOUT_S = 60.0
SETTLE_POLL_S = 0.5
# Seconds in the service of this project; the real one promises no time.
REPLICATION_TIMEOUT_S = 300.0
REPLICATION_POLL_S = (0.02, 1.0)  # at first, and at most

_SYNCHRONIZED = "SYNCHRONIZED"


@dataclass(frozen=True, slots=True)
class Record:
    """Notes the key of an answer in a list of what this run made."""

    made: list[tuple[str, str]]
    what: str

    def __call__(self, answer: dict[str, Any]) -> None:
        self.made.append((answer["Key"]["KeyArn"], self.what))


class KeyCalls:
    """Finds, makes and replicates keys."""

    def __init__(self, client: AWSClient) -> None:
        self._client = client

    async def get(self, identifier: str) -> dict[str, Any]:
        """Return a key as the service shows it."""
        answer = await self._client.read("get_key", KeyIdentifier=identifier)
        key: dict[str, Any] = answer["Key"]
        return key

    async def create(
        self, attributes: KeyAttributes, *, record: Record, **members: Any
    ) -> dict[str, Any]:
        """Create a key and wait until it exists."""
        answer = await self._client.write(
            "create_key", made=record, KeyAttributes=write_attributes(attributes), **members
        )
        return await self.settled(answer["Key"])

    async def export(self, arn: str, **material: Mapping[str, Any]) -> dict[str, Any]:
        """Export a key and return the wrapped key of the answer."""
        answer = await self._client.write(
            "export_key", ExportKeyIdentifier=arn, KeyMaterial=material
        )
        wrapped: dict[str, Any] = answer["WrappedKey"]
        return wrapped

    async def import_(self, record: Record, **material: Mapping[str, Any]) -> dict[str, Any]:
        """Import a key and return it as the service keeps it."""
        answer = await self._client.write("import_key", made=record, KeyMaterial=material)
        # Asked for again: what counts is what the service keeps, not what it answered.
        return await self.settled(await self.get(answer["Key"]["KeyArn"]))

    async def settled(self, key: dict[str, Any]) -> dict[str, Any]:
        """
        Wait until a key that is being created exists.

        Raises:
            ExchangeError: it did not come to exist, or not in time.
        """
        arn = key["KeyArn"]
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT_S):
                while key.get("KeyState") == "CREATE_IN_PROGRESS":
                    await asyncio.sleep(SETTLE_POLL_S)
                    key = await self.get(arn)
        except TimeoutError:
            raise ExchangeError(f"{arn} is still being created") from None
        if key.get("KeyState") != "CREATE_COMPLETE":
            raise ExchangeError(f"{arn} is {key.get('KeyState')}")
        return key

    async def replicate(self, arn: str, region: str) -> None:
        """
        Have a key replicated to a Region, and wait until it is there.

        Raises:
            ExchangeError: it did not arrive, with what the service says of it, or not in time.
        """
        await self._client.write(
            "add_key_replication_regions", KeyIdentifier=arn, ReplicationRegions=[region]
        )
        wait_s, longest_s = REPLICATION_POLL_S
        shown: dict[str, Any] = {}
        try:
            async with asyncio.timeout(REPLICATION_TIMEOUT_S):
                while shown.get("Status") != _SYNCHRONIZED:
                    await asyncio.sleep(wait_s)
                    wait_s = min(2 * wait_s, longest_s)
                    shown = (await self.get(arn)).get("ReplicationStatus", {}).get(region, {})
                    if shown.get("Status") == "FAILED":
                        raise ExchangeError(
                            f"{arn} was not replicated to {region}:"
                            f" {shown.get('StatusMessage') or 'no reason given'}"
                        )
        except TimeoutError:
            raise ExchangeError(
                f"{arn} is still {shown.get('Status') or 'not shown'} in {region}",
                hint="ask get-key for its ReplicationStatus",
            ) from None


def received_key(key: dict[str, Any]) -> ReceivedKey:
    """Read a key as its receiver reports it."""
    return ReceivedKey(
        identifier=key["KeyArn"],
        check_value=str(key.get("KeyCheckValue", "")),
        check_value_method=str(key.get("KeyCheckValueAlgorithm", "")),
        attributes=read_attributes(key),
        exportable=bool(key.get("Exportable")),
    )

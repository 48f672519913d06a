"""
Where proofs run: the operations of the data plane themselves, as the service, on a Region's store.

A request is read and checked as one that came over HTTP, and goes to the same registered function.
Keys are opened anew for each workbench, from what the store says now.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from keyferry.service.authz.principal import Principal
from keyferry.service.context import Offload
from keyferry.service.data.context import DataContext
from keyferry.service.opened_keys import KeyReads, OpenedKey, OpenedKeys
from keyferry.service.operation import DATA
from keyferry.service.replication.proof.companions import (
    Companion,
    WithCompanions,
    seal_companions,
)
from keyferry.service.store.records import KeyRecord
from keyferry.service.throttle import RequestThrottle
from keyferry.service.vault.interface import Vault
from keyferry.service.wire import data_types, json10
from keyferry.service.wire.constraints import RequestValidator

_VALIDATOR = RequestValidator(data_types.SHAPES)


class Workbench:
    """The keys of one account in one Region, ready to be used."""

    def __init__(
        self,
        account: str,
        *,
        region: str,
        store: KeyReads,
        vault: Vault,
        offload: Offload,
        now: datetime,
    ) -> None:
        self.account = account
        self.region = region
        self._now = now
        self._offload = offload
        companions = seal_companions(account, region=region, vault=vault)
        self._keys = OpenedKeys(region, WithCompanions(store, companions), vault)
        # No call of a user: it counts against no rate.
        self._throttle = RequestThrottle(None)
        self._principal = Principal(
            access_key_id="",
            account=account,
            arn=f"arn:aws:iam::{account}:root",
            name="keyferry",
        )

    def arn(self, key_id: str) -> str:
        return f"arn:aws:payment-cryptography:{self.region}:{self.account}:key/{key_id}"

    def opened(self, key_id: str) -> OpenedKey:
        """A key as it is in the store; ResourceNotFoundError if there is none."""
        return self._context("proof").find(self.arn(key_id))

    async def call(self, operation: str, request: dict[str, Any]) -> msgspec.Struct:
        """
        Run an operation of the data plane.

        Args:
            request: members by their API names, what travels in a path included.

        Raises:
            KeyferryError: whatever a caller would be refused with.
        """
        registered = DATA.get(operation)
        if registered is None:
            raise ValueError(f"{operation} is no operation of the data plane")
        shape = data_types.OPERATIONS[operation]
        typed = json10.typed_request(request, shape.input, _VALIDATOR)
        return await registered.function(self._context(operation), typed)

    def _context(self, action: str) -> DataContext:
        return DataContext(
            region=self.region,
            principal=self._principal,
            action=action,
            now=self._now,
            keys=self._keys,
            offload=self._offload,
            asymmetric_throttle=self._throttle,
        )


class Subject:
    """A key on the workbench."""

    def __init__(self, bench: Workbench, record: KeyRecord) -> None:
        self.bench = bench
        self.record = record
        self.arn = bench.arn(record.key_id)

    def companion(self, name: Companion) -> str:
        """The ARN of a throw-away key beside it."""
        return self.bench.arn(name.value)

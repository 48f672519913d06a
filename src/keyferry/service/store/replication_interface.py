"""The part of the store that multi-Region keys need, as operations and replicators see it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from keyferry.service.store.replication_records import (
    ArrivedAliasRecord,
    FollowedAliasRecord,
    KEKDirection,
    MultiRegionRecord,
    OutboxRecord,
    ReplicaRecord,
    ReplicationKEKRecord,
)


class ReplicationView(Protocol):
    """Reading. Absence is None or an empty list; a broken row raises StoreIntegrityError."""

    def multi_region(self, account: str, key_id: str) -> MultiRegionRecord | None:
        """The part of a key; None if it was always of one Region."""
        ...

    def multi_regions(self, account: str, key_ids: Sequence[str]) -> dict[str, MultiRegionRecord]:
        """The parts of many keys, by key id; those without one are left out."""
        ...

    def replica(self, account: str, key_id: str, region: str) -> ReplicaRecord | None: ...

    def replicas(self, account: str, key_id: str) -> list[ReplicaRecord]:
        """The Regions a primary is replicated to, by name."""
        ...

    def outbox(self, account: str, key_id: str, region: str) -> OutboxRecord | None: ...

    def outbox_due(
        self, region: str, *, owner: str, now: datetime, lease: timedelta, limit: int
    ) -> list[OutboxRecord]:
        """What `owner` has to tell `region`, and what others should have told a lease ago."""
        ...

    def outbox_next(self, region: str, *, owner: str, lease: timedelta) -> datetime | None:
        """When the next row for `region` is due for `owner`; None if nothing waits."""
        ...

    def outbox_untried(self, region: str, *, limit: int) -> list[OutboxRecord]:
        """Rows nothing came of yet, not even a failure."""
        ...

    def outbox_held(self, region: str, *, limit: int) -> list[OutboxRecord]:
        """Rows that were given up."""
        ...

    def outbox_regions(self) -> list[str]:
        """Every Region there is something to tell, held rows included."""
        ...

    def outbox_waiting(self, region: str, *, limit: int) -> int:
        """How many rows for `region` are not held, counted up to `limit`."""
        ...

    def followed_alias(
        self, account: str, name: str, region: str
    ) -> FollowedAliasRecord | None: ...

    def followed_names(
        self, region: str, *, after: tuple[str, str], limit: int
    ) -> list[tuple[str, str]]:
        """Account and name of each alias a Region was ever told of, in order, behind `after`."""
        ...

    def arrived_aliases(self, account: str, name: str) -> list[ArrivedAliasRecord]:
        """What other Regions said of an alias of that name, by Region."""
        ...

    def default_regions(self, account: str) -> list[str]:
        """Where new keys of the account are replicated to, by name."""
        ...

    def replication_kek(
        self, direction: KEKDirection, peer: str, kek_id: str | None = None
    ) -> ReplicationKEKRecord | None:
        """The KEK of that id, or the newest."""
        ...


class ReplicationTransaction(ReplicationView, Protocol):
    """Reading and changing within one change; `put` adds or replaces."""

    @property
    def outbox_written(self) -> bool:
        """Whether a change of this batch, this or another, wrote to the outbox."""
        ...

    def put_multi_region(self, record: MultiRegionRecord) -> None: ...

    def put_replica(self, record: ReplicaRecord) -> None: ...

    def delete_replica(self, account: str, key_id: str, region: str) -> None: ...

    def put_outbox(self, record: OutboxRecord) -> None: ...

    def delete_outbox(self, account: str, key_id: str, region: str) -> None: ...

    def put_followed_alias(self, record: FollowedAliasRecord) -> None: ...

    def put_arrived_alias(self, record: ArrivedAliasRecord) -> None: ...

    def add_default_region(self, account: str, region: str) -> None:
        """Nothing changes if it is there already."""
        ...

    def remove_default_region(self, account: str, region: str) -> None: ...

    def insert_replication_kek(self, record: ReplicationKEKRecord) -> None:
        """ConflictError if there is one of that id: nothing is agreed twice."""
        ...

    def delete_replication_kek(self, direction: KEKDirection, peer: str, kek_id: str) -> None: ...

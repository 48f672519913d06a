"""The part of the store that looking after replication needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from keyferry.service.store.inspection_records import (
    AliasName,
    Backlog,
    KeyName,
    VerificationRecord,
)
from keyferry.service.store.records import KeyRecord
from keyferry.service.store.replication_records import OutboxRecord, ReplicationKEKRecord


class InspectionView(Protocol):
    """Reading. What only counts and names rows does not verify them."""

    def outbox_backlog(self, region: str) -> Backlog:
        """How much there is to tell a Region."""
        ...

    def outbox_held_messages(self, region: str) -> list[tuple[str | None, int]]:
        """Why rows for a Region were given up, and how many for each reason, most first."""
        ...

    def outbox_held_page(
        self, region: str, *, after: KeyName | None, limit: int
    ) -> list[OutboxRecord]:
        """Rows that were given up, in the order of their names."""
        ...

    def outbox_held_of_key(self, region: str, key_id: str) -> list[OutboxRecord]:
        """Rows that were given up, of a key or alias, whatever its account."""
        ...

    def replicated_names(self, region: str, *, after: KeyName | None, limit: int) -> list[KeyName]:
        """Primaries of this store that have an entry for a Region, in order."""
        ...

    def replica_names(
        self, primary_region: str, *, after: KeyName | None, until: KeyName | None, limit: int
    ) -> list[KeyName]:
        """Replicas in this store of keys of a Region, in order, up to the key `until`."""
        ...

    def aliases_to_follow(
        self, region: str, *, after: AliasName | None, limit: int
    ) -> list[AliasName]:
        """Aliases of this store whose keys are replicated to a Region, in order."""
        ...

    def copied_aliases(
        self, region: str, *, after: AliasName | None, until: AliasName | None, limit: int
    ) -> list[AliasName]:
        """Aliases in this store that were brought from a Region, in order, up to `until`."""
        ...

    def replication_keks(self) -> list[ReplicationKEKRecord]:
        """Every KEK with every peer, oldest first for each direction and peer."""
        ...

    def replication_verification(self, peer: str) -> VerificationRecord | None: ...


class InspectionTransaction(InspectionView, Protocol):
    """Changing."""

    def put_replication_verification(self, record: VerificationRecord) -> None: ...

    def replace_key(self, key: KeyRecord) -> None:
        """
        Write a key over whatever row has its id, whole or broken; tags and aliases stay.

        Only for a key that is a copy of one elsewhere: nothing of the row is looked at.
        """
        ...

    def erase_tags(self, account: str, key_id: str) -> None:
        """Erase all tags of a key, whole or broken; only for a copy of a key elsewhere."""
        ...

    def erase_replication_keks(self, keks: Sequence[ReplicationKEKRecord]) -> None:
        """Erase KEKs, and what copies of them the engine has."""
        ...

    def erase_key(self, account: str, key_id: str) -> None:
        """Erase a key's row, data key, tags and certificate; only for one that cannot be read."""
        ...

"""
The store as operations see it. Its one SQL implementation runs on SQLite, in a file or in memory,
and on PostgreSQL, with the same statements.

Reads see the last committed state. A change is one function over a `Transaction`; the store runs
many waiting changes in one durable database transaction (group commit), each within its own
savepoint, so that a change that raises leaves nothing behind. When `write` returns, the change is
on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from keyferry.service.store.inspection_interface import InspectionTransaction, InspectionView
from keyferry.service.store.records import (
    AliasRecord,
    AuditRecord,
    AuthorityRecord,
    CertificateFamily,
    IssuedCertificateRecord,
    KeyRecord,
    KeyState,
    TokenPurpose,
    TokenRecord,
)
from keyferry.service.store.rehearsal_interface import RehearsalTransaction, RehearsalView
from keyferry.service.store.replication_interface import ReplicationTransaction, ReplicationView

T = TypeVar("T")


class StoreView(ReplicationView, InspectionView, RehearsalView, Protocol):
    """Reading. Absence is None or an empty list; a broken row raises StoreIntegrityError."""

    def key_epoch(self) -> bytes:
        """
        A value that differs after every change of a key or of what an alias points to.

        It is written in the transaction of the change: whoever reads the same value again, in
        whatever process, may rely on what was read of keys and aliases since. (On PostgreSQL a
        change of another process may show a second later, see `key_epoch.py`.) New keys and new
        aliases change nothing that was read before, so they leave it alone.
        """
        ...

    def key(self, account: str, key_id: str) -> KeyRecord | None: ...

    def keys(
        self, account: str, *, state: KeyState | None = None, after: int = 0, limit: int
    ) -> list[tuple[int, KeyRecord]]:
        """Up to `limit` keys in creation order, each with its position; `after` is a position."""
        ...

    def account_after(self, account: str) -> str | None:
        """The next account that has or had keys, by number; None behind the last."""
        ...

    def count_keys(self, account: str) -> int:
        """Keys that count against the quota: all but DELETE_COMPLETE."""
        ...

    def keys_due_for_destruction(self, now: datetime, *, limit: int) -> list[KeyRecord]: ...

    def alias(self, account: str, name: str) -> AliasRecord | None: ...

    def aliases(
        self, account: str, *, key_id: str | None = None, after: str = "", limit: int
    ) -> list[AliasRecord]:
        """Up to `limit` aliases by name, after the name `after`; those of one key if asked."""
        ...

    def count_aliases(self, account: str) -> int: ...

    def tags(
        self, account: str, key_id: str, *, after: str = "", limit: int = 1000
    ) -> list[tuple[str, str]]:
        """Tags of a key, sorted by tag key, after the tag key `after`."""
        ...

    def token(self, account: str, token: str) -> TokenRecord | None: ...

    def latest_token(
        self, account: str, purpose: TokenPurpose, material_type: str, algorithm: str
    ) -> TokenRecord | None: ...

    def authority(self, account: str, family: CertificateFamily) -> AuthorityRecord | None: ...

    def issued_certificate(self, account: str, key_id: str) -> IssuedCertificateRecord | None: ...

    def audit_events(
        self, account: str, *, after: int = 0, limit: int
    ) -> list[tuple[int, AuditRecord]]:
        """Audit records in order of writing, each with its position."""
        ...

    def newest_audit_events(self, account: str, *, limit: int) -> list[tuple[int, AuditRecord]]:
        """The last `limit` audit records, oldest first."""
        ...


class Transaction(
    StoreView, ReplicationTransaction, InspectionTransaction, RehearsalTransaction, Protocol
):
    """Reading and changing within one change; reads see what the change has done so far."""

    def insert_key(self, key: KeyRecord, tags: Sequence[tuple[str, str]] = ()) -> None: ...

    def update_key(self, key: KeyRecord, *, replacing: int) -> None:
        """Write a changed key over revision `replacing`; ConflictError if that is gone."""
        ...

    def destroy_key(self, key: KeyRecord, *, replacing: int) -> None:
        """Write the tombstone, erase data key, tags and issued certificate, detach aliases."""
        ...

    def insert_alias(self, alias: AliasRecord) -> None: ...

    def update_alias(self, alias: AliasRecord, *, replacing: int) -> None: ...

    def delete_alias(self, account: str, name: str) -> None: ...

    def put_tags(self, account: str, key_id: str, tags: Sequence[tuple[str, str]]) -> None: ...

    def remove_tags(self, account: str, key_id: str, tag_keys: Sequence[str]) -> None: ...

    def insert_token(self, token: TokenRecord) -> None: ...

    def delete_expired_tokens(self, now: datetime) -> int: ...

    def insert_authority(self, authority: AuthorityRecord) -> None: ...

    def put_issued_certificate(self, issued: IssuedCertificateRecord) -> None: ...

    def append_audit(self, record: AuditRecord) -> None: ...


class KeyStore(StoreView, Protocol):
    """A Region's store."""

    def known(self, about: Collection[tuple[str, str]]) -> StoreView:
        """A view that has looked up the rows of these (account, key id), if that saves time."""
        ...

    async def write(
        self, change: Callable[[Transaction], T], *, about: Collection[tuple[str, str]] = ()
    ) -> T:
        """
        Run `change` durably; what it raises is raised here, and nothing of it stays.

        It may be run more than once, so it does nothing but through its transaction. `about` are
        the (account, key id) it will read, as far as they are known.
        """
        ...

    def write_blocking(self, change: Callable[[Transaction], T]) -> T:
        """The same for callers outside an event loop."""
        ...

    def check(self) -> None:
        """Raise StoreError or MasterKeyError unless the store can be read and written now."""
        ...

    def close(self) -> None: ...

"""Reading, over whatever runs a SELECT: the store's own reads and those within a change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from keyferry.service.store import rows, sql
from keyferry.service.store.engine import Row, Value
from keyferry.service.store.inspection import InspectionReads
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
from keyferry.service.store.rehearsal import RehearsalReads
from keyferry.service.store.replication_store import ReplicationReads
from keyferry.service.store.row_mac import RowMAC


class SQLView(ReplicationReads, InspectionReads, RehearsalReads):
    """The reads of StoreView. Every sealed row is verified before it is decoded."""

    def __init__(self, row_mac: RowMAC) -> None:
        self._row_mac = row_mac

    def _fetch(self, statement: str, parameters: Sequence[Value] = ()) -> list[Row]:
        raise NotImplementedError

    def _sealed(self, table: sql.Table, found: list[Row], *, name: str) -> Row | None:
        """Return the one row found, verified, or None."""
        if not found:
            return None
        self._row_mac.verify(table.name, found[0], name=name)
        return found[0]

    def _count(self, statement: str, account: str) -> int:
        return int(self._fetch(statement, (account,))[0][0])

    def key_epoch(self) -> bytes:
        found = self._fetch(sql.SELECT_KEY_EPOCH)
        return found[0][0] if found else b""

    def key(self, account: str, key_id: str) -> KeyRecord | None:
        row = self._sealed(sql.KEYS, self._fetch(sql.SELECT_KEY, (account, key_id)), name=key_id)
        return None if row is None else rows.key_from_row(row)

    def keys(
        self, account: str, *, state: KeyState | None = None, after: int = 0, limit: int
    ) -> list[tuple[int, KeyRecord]]:
        if state is None:
            found = self._fetch(sql.SELECT_KEYS, (account, after, limit))
        else:
            found = self._fetch(sql.SELECT_KEYS_IN_STATE, (account, state.value, after, limit))
        return [(position, self._key(row)) for position, *row in found]

    def _key(self, row: Sequence[Value]) -> KeyRecord:
        sealed = tuple(row)
        self._row_mac.verify(sql.KEYS.name, sealed, name=str(sealed[1]))
        return rows.key_from_row(sealed)

    def account_after(self, account: str) -> str | None:
        found = self._fetch(sql.SELECT_NEXT_ACCOUNT, (account,))
        return str(found[0][0]) if found else None

    def count_keys(self, account: str) -> int:
        return self._count(sql.COUNT_KEYS, account)

    def keys_due_for_destruction(self, now: datetime, *, limit: int) -> list[KeyRecord]:
        found = self._fetch(sql.SELECT_KEYS_DUE, (rows.to_microseconds(now), limit))
        return [self._key(row) for row in found]

    def alias(self, account: str, name: str) -> AliasRecord | None:
        row = self._sealed(sql.ALIASES, self._fetch(sql.SELECT_ALIAS, (account, name)), name=name)
        return None if row is None else rows.alias_from_row(row)

    def aliases(
        self, account: str, *, key_id: str | None = None, after: str = "", limit: int
    ) -> list[AliasRecord]:
        if key_id is None:
            found = self._fetch(sql.SELECT_ALIASES, (account, after, limit))
        else:
            found = self._fetch(sql.SELECT_ALIASES_OF_KEY, (account, key_id, after, limit))
        for row in found:
            self._row_mac.verify(sql.ALIASES.name, row, name=str(row[1]))
        return [rows.alias_from_row(row) for row in found]

    def count_aliases(self, account: str) -> int:
        return self._count(sql.COUNT_ALIASES, account)

    def tags(
        self, account: str, key_id: str, *, after: str = "", limit: int = 1000
    ) -> list[tuple[str, str]]:
        found = self._fetch(sql.SELECT_TAGS, (account, key_id, after, limit))
        for row in found:
            self._row_mac.verify(sql.TAGS.name, row, name=f"{key_id} {row[2]}")
        return [(row[2], row[3]) for row in found]

    def token(self, account: str, token: str) -> TokenRecord | None:
        row = self._sealed(sql.TOKENS, self._fetch(sql.SELECT_TOKEN, (account, token)), name=token)
        return None if row is None else rows.token_from_row(row)

    def latest_token(
        self, account: str, purpose: TokenPurpose, material_type: str, algorithm: str
    ) -> TokenRecord | None:
        found = self._fetch(
            sql.SELECT_LATEST_TOKEN, (account, purpose.value, material_type, algorithm)
        )
        row = self._sealed(sql.TOKENS, found, name=f"latest {purpose.value} token")
        return None if row is None else rows.token_from_row(row)

    def authority(self, account: str, family: CertificateFamily) -> AuthorityRecord | None:
        found = self._fetch(sql.SELECT_AUTHORITY, (account, family.value))
        row = self._sealed(sql.AUTHORITIES, found, name=f"{account} {family.value}")
        return None if row is None else rows.authority_from_row(row)

    def issued_certificate(self, account: str, key_id: str) -> IssuedCertificateRecord | None:
        found = self._fetch(sql.SELECT_ISSUED_CERTIFICATE, (account, key_id))
        row = self._sealed(sql.ISSUED_CERTIFICATES, found, name=key_id)
        return None if row is None else rows.issued_certificate_from_row(row)

    def audit_events(
        self, account: str, *, after: int = 0, limit: int
    ) -> list[tuple[int, AuditRecord]]:
        found = self._fetch(sql.SELECT_AUDIT_EVENTS, (account, after, limit))
        return [(row[0], rows.audit_from_row(row[1:])) for row in found]

    def newest_audit_events(self, account: str, *, limit: int) -> list[tuple[int, AuditRecord]]:
        found = self._fetch(sql.SELECT_NEWEST_AUDIT_EVENTS, (account, limit))
        return [(row[0], rows.audit_from_row(row[1:])) for row in reversed(found)]

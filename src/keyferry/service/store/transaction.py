"""Changing, within one change of the group commit."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from datetime import datetime

from keyferry.service.errors import ConflictError
from keyferry.service.store import rows, sql
from keyferry.service.store.engine import Engine, Row, Value
from keyferry.service.store.inspection import InspectionWrites
from keyferry.service.store.known_rows import KnownRows, Subject
from keyferry.service.store.records import (
    AliasRecord,
    AuditRecord,
    AuthorityRecord,
    IssuedCertificateRecord,
    KeyRecord,
    KeyState,
    TokenRecord,
)
from keyferry.service.store.rehearsal import RehearsalWrites
from keyferry.service.store.replication_store import ReplicationWrites
from keyferry.service.store.row_mac import RowMAC
from keyferry.service.store.view import SQLView


class SQLTransaction(SQLView, ReplicationWrites, InspectionWrites, RehearsalWrites):
    """
    The changes of Transaction. `erased` tells the store that something was destroyed, and that
    the engine's own copies of it must go once the transaction is on disk.
    """

    def __init__(self, engine: Engine, row_mac: RowMAC) -> None:
        super().__init__(row_mac)
        self._engine = engine
        self._known = KnownRows()
        self.erased = self._erased_before = False

    def begin(self, subjects: Collection[Subject]) -> None:
        """
        Begin, waiting for other processes. What is to be read about `subjects` is fetched in the
        same round trip, if there is one to make.
        """
        asked = subjects if self._engine.is_remote else ()
        answers = self._engine.begin_asking(KnownRows.queries(asked) if asked else ())
        if asked:
            self._known.learn(asked, answers)

    def begin_change(self) -> None:
        """One of the batch begins; `undo_change` is called if it fails."""
        self._known.begin_change()
        self._erased_before = self.erased

    def undo_change(self) -> None:
        self._known.undo_change()
        self.erased = self._erased_before

    def _fetch(self, statement: str, parameters: Sequence[Value] = ()) -> list[Row]:
        found = self._known.find(statement, parameters)
        if found is None:
            return self._engine.fetch_in_transaction(statement, parameters)
        return found

    def _write(self, statement: str, table: sql.Table, values: tuple[Value, ...]) -> int:
        return self._engine.execute(statement, self._row(table, values))

    def _put(
        self,
        statement: str,
        table: sql.Table,
        values: tuple[Value, ...],
        *,
        otherwise: str | None = None,
    ) -> None:
        row = self._row(table, values)
        self._known.put(table, row)
        self._engine.send(statement, row, otherwise=otherwise)

    def _delete(self, statement: str, table: sql.Table, key: tuple[Value, ...]) -> None:
        self._known.delete(table, key)
        self._engine.send(statement, key)

    def _row(self, table: sql.Table, values: tuple[Value, ...]) -> tuple[Value, ...]:
        return (*values, self._row_mac.mac(table.name, values))

    def insert_key(self, key: KeyRecord, tags: Sequence[tuple[str, str]] = ()) -> None:
        values = rows.immutable_key_values(key) + rows.mutable_key_values(key)
        taken = f"key {key.key_id} exists already"
        self._put(_INSERT_KEY, sql.KEYS, values, otherwise=taken)
        if tags:
            self.put_tags(key.account, key.key_id, tags)

    def update_key(self, key: KeyRecord, *, replacing: int) -> None:
        current = self.key(key.account, key.key_id)
        if current is None or current.revision != replacing:
            raise ConflictError(f"key {key.key_id} was changed by another request")
        immutable = rows.immutable_key_values(key)
        if key.revision != replacing + 1 or immutable != rows.immutable_key_values(current):
            # The caller built a record no operation may write; the row must not take it.
            raise ValueError(f"key {key.key_id}: not the next revision of what is stored")
        mutable = rows.mutable_key_values(key)
        row = self._row(sql.KEYS, immutable + mutable)
        self._known.put(sql.KEYS, row)
        self._engine.send(
            sql.UPDATE_KEY,
            (*row[len(immutable) :], key.account, key.key_id, replacing),
            otherwise=f"key {key.key_id} was changed by another request",
        )
        self._begin_key_epoch()

    def destroy_key(self, key: KeyRecord, *, replacing: int) -> None:
        if key.state is not KeyState.DELETE_COMPLETE or key.sealed is not None:
            raise ValueError(f"key {key.key_id}: a tombstone is DELETE_COMPLETE and holds no seal")
        self.update_key(key, replacing=replacing)
        self._engine.send(sql.DELETE_TAGS_OF_KEY, (key.account, key.key_id))
        self._engine.send(sql.DELETE_ISSUED_CERTIFICATE, (key.account, key.key_id))
        while attached := self.aliases(key.account, key_id=key.key_id, limit=1000):
            for alias in attached:
                detached = AliasRecord(
                    account=alias.account,
                    name=alias.name,
                    key_id=None,
                    revision=alias.revision + 1,
                )
                self.update_alias(detached, replacing=alias.revision)
        self.erased = True

    def insert_alias(self, alias: AliasRecord) -> None:
        if not self._write(_INSERT_ALIAS, sql.ALIASES, rows.alias_values(alias)):
            raise ConflictError(f"{alias.name} exists already")

    def update_alias(self, alias: AliasRecord, *, replacing: int) -> None:
        if alias.revision != replacing + 1:
            raise ValueError(f"{alias.name}: not the next revision of what is stored")
        row_mac = self._row_mac.mac(sql.ALIASES.name, rows.alias_values(alias))
        changed = self._engine.execute(
            sql.UPDATE_ALIAS,
            (alias.key_id, alias.revision, row_mac, alias.account, alias.name, replacing),
        )
        if not changed:
            raise ConflictError(f"{alias.name} was changed by another request")
        self._begin_key_epoch()

    def delete_alias(self, account: str, name: str) -> None:
        self._engine.send(sql.DELETE_ALIAS, (account, name))
        self._begin_key_epoch()

    def put_tags(self, account: str, key_id: str, tags: Sequence[tuple[str, str]]) -> None:
        for tag_key, tag_value in tags:
            self._put(_UPSERT_TAG, sql.TAGS, (account, key_id, tag_key, tag_value))

    def remove_tags(self, account: str, key_id: str, tag_keys: Sequence[str]) -> None:
        for tag_key in tag_keys:
            self._engine.send(sql.DELETE_TAG, (account, key_id, tag_key))

    def insert_token(self, token: TokenRecord) -> None:
        if not self._write(_INSERT_TOKEN, sql.TOKENS, rows.token_values(token)):
            raise ConflictError(f"token {token.token} exists already")

    def delete_expired_tokens(self, now: datetime) -> int:
        deleted = self._engine.execute(sql.DELETE_EXPIRED_TOKENS, (rows.to_microseconds(now),))
        self.erased = self.erased or deleted > 0
        return deleted

    def insert_authority(self, authority: AuthorityRecord) -> None:
        values = rows.authority_values(authority)
        if not self._write(_INSERT_AUTHORITY, sql.AUTHORITIES, values):
            raise ConflictError(f"the {authority.family.value} authority exists already")

    def put_issued_certificate(self, issued: IssuedCertificateRecord) -> None:
        values = rows.issued_certificate_values(issued)
        self._put(_UPSERT_ISSUED_CERTIFICATE, sql.ISSUED_CERTIFICATES, values)

    def _begin_key_epoch(self) -> None:
        # Random, not counted: a store taken back to an earlier copy must not meet a value again
        # that some process has seen.
        self._engine.send(sql.UPSERT_KEY_EPOCH, (os.urandom(16),))
        self._engine.announce_key_epoch()

    def append_audit(self, record: AuditRecord) -> None:
        self._engine.send(sql.INSERT_AUDIT_EVENT, rows.audit_values(record))


# Built once: the engine keeps prepared statements by their text.
_INSERT_KEY = sql.KEYS.insert
_INSERT_ALIAS = sql.ALIASES.insert
_UPSERT_TAG = sql.TAGS.upsert
_INSERT_TOKEN = sql.TOKENS.insert
_INSERT_AUTHORITY = sql.AUTHORITIES.insert
_UPSERT_ISSUED_CERTIFICATE = sql.ISSUED_CERTIFICATES.upsert

"""Aliases, tags, tokens, authorities, certificates and the trail, on every engine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from keyferry.service.errors import ConflictError
from keyferry.service.store.records import (
    AliasRecord,
    AuditRecord,
    AuthorityRecord,
    CertificateFamily,
    IssuedCertificateRecord,
    TokenPurpose,
    TokenRecord,
)
from keyferry.service.store.store import SQLStore

ACCOUNT = "111122223333"
OTHER = "444455556666"
MakeAlias = Callable[..., AliasRecord]
MakeToken = Callable[..., TokenRecord]
MakeAudit = Callable[..., AuditRecord]


class TestAliases:
    def test_life_of_an_alias(self, store: SQLStore, alias_record: MakeAlias) -> None:
        """Made without a key, given one, deleted."""
        store.write_blocking(lambda tx: tx.insert_alias(alias_record("pin")))
        assert store.alias(ACCOUNT, "alias/pin") == alias_record("pin")
        moved = alias_record("pin", "key0000000000001", revision=2)
        store.write_blocking(lambda tx: tx.update_alias(moved, replacing=1))
        assert store.alias(ACCOUNT, "alias/pin") == moved
        assert store.count_aliases(ACCOUNT) == 1
        store.write_blocking(lambda tx: tx.delete_alias(ACCOUNT, "alias/pin"))
        assert store.alias(ACCOUNT, "alias/pin") is None
        assert store.count_aliases(ACCOUNT) == 0

    def test_name_is_taken_once(self, store: SQLStore, alias_record: MakeAlias) -> None:
        """A second alias of the name is a conflict; another account may have its own."""
        store.write_blocking(lambda tx: tx.insert_alias(alias_record("pin")))
        with pytest.raises(ConflictError):
            store.write_blocking(lambda tx: tx.insert_alias(alias_record("pin", "key1")))
        assert store.alias(OTHER, "alias/pin") is None

    def test_lost_race_is_a_conflict(self, store: SQLStore, alias_record: MakeAlias) -> None:
        """An alias changed meanwhile, or deleted, is not overwritten."""
        store.write_blocking(lambda tx: tx.insert_alias(alias_record("pin")))
        moved = alias_record("pin", "key1", revision=2)
        store.write_blocking(lambda tx: tx.update_alias(moved, replacing=1))
        with pytest.raises(ConflictError):
            store.write_blocking(lambda tx: tx.update_alias(moved, replacing=1))
        with pytest.raises(ConflictError):
            store.write_blocking(
                lambda tx: tx.update_alias(alias_record("none", revision=2), replacing=1)
            )

    def test_lists_by_name(self, store: SQLStore, alias_record: MakeAlias) -> None:
        """By code point, after a name, and those of one key if asked."""
        names = ["B", "_", "a", "a1", "b"]
        for name in reversed(names):
            key_id = "key1" if name in "ab" else None
            store.write_blocking(
                lambda tx, name=name, key_id=key_id: tx.insert_alias(alias_record(name, key_id))
            )
        everything = store.aliases(ACCOUNT, limit=10)
        assert [alias.name for alias in everything] == [f"alias/{name}" for name in names]
        assert store.aliases(ACCOUNT, after="alias/_", limit=2) == everything[2:4]
        assert [a.name for a in store.aliases(ACCOUNT, key_id="key1", limit=10)] == [
            "alias/a",
            "alias/b",
        ]
        assert store.aliases(ACCOUNT, key_id="key1", after="alias/a", limit=1) == everything[4:]


class TestTags:
    def test_put_replace_remove(self, store: SQLStore) -> None:
        """A tag key holds one value; removing what is not there is no error."""
        put = [("b", "1"), ("a", "2"), ("ä", "")]
        store.write_blocking(lambda tx: tx.put_tags(ACCOUNT, "key1", put))
        store.write_blocking(lambda tx: tx.put_tags(ACCOUNT, "key1", [("b", "9")]))
        assert store.tags(ACCOUNT, "key1") == [("a", "2"), ("b", "9"), ("ä", "")]
        assert store.tags(ACCOUNT, "key1", after="a", limit=1) == [("b", "9")]
        store.write_blocking(lambda tx: tx.remove_tags(ACCOUNT, "key1", ["b", "none"]))
        assert store.tags(ACCOUNT, "key1") == [("a", "2"), ("ä", "")]
        assert store.tags(OTHER, "key1") == []


class TestTokens:
    def test_comes_back_as_it_was(self, store: SQLStore, token_record: MakeToken) -> None:
        """A token is found by its text, within its account."""
        token = token_record(1)
        store.write_blocking(lambda tx: tx.insert_token(token))
        assert store.token(ACCOUNT, token.token) == token
        assert store.token(OTHER, token.token) is None
        with pytest.raises(ConflictError):
            store.write_blocking(lambda tx: tx.insert_token(token))

    def test_latest_of_its_kind(self, store: SQLStore, token_record: MakeToken) -> None:
        """The newest token of the same purpose, material and algorithm."""
        tokens = [
            token_record(1),
            token_record(2),
            token_record(3, algorithm="RSA_4096"),
            token_record(4, purpose=TokenPurpose.EXPORT),
        ]
        store.write_blocking(lambda tx: [tx.insert_token(token) for token in tokens])
        assert (
            store.latest_token(ACCOUNT, TokenPurpose.IMPORT, "TR34_KEY_BLOCK", "RSA_2048")
            == tokens[1]
        )
        assert (
            store.latest_token(ACCOUNT, TokenPurpose.IMPORT, "KEY_CRYPTOGRAM", "RSA_2048") is None
        )

    def test_expired_ones_are_deleted(self, store: SQLStore, token_record: MakeToken) -> None:
        """At its last instant a token is gone, a microsecond before it is not."""
        token = token_record(1)
        store.write_blocking(lambda tx: tx.insert_token(token))
        before = token.valid_until - timedelta(microseconds=1)
        assert store.write_blocking(lambda tx: tx.delete_expired_tokens(before)) == 0
        assert store.write_blocking(lambda tx: tx.delete_expired_tokens(token.valid_until)) == 1
        assert store.token(ACCOUNT, token.token) is None


class TestAuthoritiesAndCertificates:
    def test_one_authority_a_family(
        self, store: SQLStore, authority_record: AuthorityRecord
    ) -> None:
        """Whoever comes second learns that the authority exists."""
        store.write_blocking(lambda tx: tx.insert_authority(authority_record))
        with pytest.raises(ConflictError):
            store.write_blocking(lambda tx: tx.insert_authority(authority_record))
        assert store.authority(ACCOUNT, CertificateFamily.RSA) == authority_record
        assert store.authority(ACCOUNT, CertificateFamily.ECC) is None

    def test_newest_certificate_is_kept(
        self, store: SQLStore, issued_certificate: IssuedCertificateRecord
    ) -> None:
        """A newer certificate takes the place of the older one."""
        store.write_blocking(lambda tx: tx.put_issued_certificate(issued_certificate))
        newer = IssuedCertificateRecord(
            account=ACCOUNT,
            key_id=issued_certificate.key_id,
            certificate=b"newer",
            valid_until=issued_certificate.valid_until + timedelta(days=1),
        )
        store.write_blocking(lambda tx: tx.put_issued_certificate(newer))
        assert store.issued_certificate(ACCOUNT, newer.key_id) == newer
        assert store.issued_certificate(ACCOUNT, "other") is None


class TestTrail:
    def test_in_order_of_writing(self, store: SQLStore, audit_record: MakeAudit) -> None:
        """Behind a position, of one account, and the newest."""
        for number in range(5):
            record = audit_record(number, OTHER if number == 2 else ACCOUNT)
            store.write_blocking(lambda tx, record=record: tx.append_audit(record))
        events = store.audit_events(ACCOUNT, limit=10)
        assert [record for _, record in events] == [audit_record(n) for n in (0, 1, 3, 4)]
        assert store.audit_events(ACCOUNT, after=events[1][0], limit=1) == events[2:3]
        assert store.audit_events(ACCOUNT, after=events[-1][0], limit=1) == []
        assert store.newest_audit_events(ACCOUNT, limit=2) == events[2:]
        assert store.newest_audit_events("999999999999", limit=2) == []

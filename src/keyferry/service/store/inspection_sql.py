"""
What whoever looks after replication asks a store, as statements.

They count and name rows without verifying them: what is named here is read again, verified, by who
works with it. The account of the service's own keys is left out where keys are named.
"""

from __future__ import annotations

from keyferry.service.authz.reserved import CANARY_ACCOUNT
from keyferry.service.store import sql
from keyferry.service.store.engine import Row, Value
from keyferry.service.store.inspection_records import VerificationRecord
from keyferry.service.store.replication_sql import OUTBOX, REPLICATION_KEKS
from keyferry.service.store.rows import from_microseconds, to_microseconds

VERIFICATIONS = sql.Table(
    "replication_verifications", ("peer",), ("peer", "verified_at", "compared", "drift")
)

_NOT_OURS = f"account <> '{CANARY_ACCOUNT}'"
_WAITING = f"FROM replication_outbox WHERE region = ? AND held = 0 AND {_NOT_OURS}"
_HELD = f"FROM replication_outbox WHERE region = ? AND held = 1 AND {_NOT_OURS}"
COUNT_WAITING = f"SELECT count(*) {_WAITING}"
COUNT_HELD = f"SELECT count(*) {_HELD}"
SELECT_OLDEST_WAITING = f"SELECT written_at {_WAITING} ORDER BY written_at LIMIT 1"
COUNT_HELD_KEYS_BY_MESSAGE = (
    "SELECT r.message, count(*) FROM replication_outbox o JOIN replicas r "  # noqa: S608 -- constants
    "ON r.account = o.account AND r.key_id = o.key_id AND r.region = o.region "
    f"WHERE o.region = ? AND o.held = 1 AND o.{_NOT_OURS} GROUP BY r.message"
)
COUNT_HELD_ALIASES_BY_MESSAGE = (
    "SELECT f.message, count(*) FROM replication_outbox o JOIN followed_aliases f "
    "ON f.account = o.account AND f.name = o.key_id AND f.region = o.region "
    "WHERE o.region = ? AND o.held = 1 GROUP BY f.message"
)
SELECT_HELD_PAGE = (
    f"{OUTBOX.select} WHERE region = ? AND held = 1 AND {_NOT_OURS} AND (account, key_id) > (?, ?) "
    "ORDER BY account, key_id LIMIT ?"
)
SELECT_HELD_OF_KEY = (
    f"{OUTBOX.select} WHERE region = ? AND held = 1 AND key_id = ? ORDER BY account, key_id"
)
_IN_ORDER = f"AND {_NOT_OURS} AND (account, key_id) > (?, ?) ORDER BY account, key_id LIMIT ?"
SELECT_REPLICATED_NAMES = f"SELECT account, key_id FROM replicas WHERE region = ? {_IN_ORDER}"  # noqa: S608 -- constants
# What is left of a replica that was destroyed is its number, and that is for nobody to compare.
SELECT_REPLICA_NAMES = (
    "SELECT account, key_id FROM multi_region_keys m WHERE part = 'REPLICA' "  # noqa: S608 -- constants
    "AND primary_region = ? AND (account, key_id) <= (?, ?) AND EXISTS ("
    "SELECT 1 FROM keys k WHERE k.account = m.account AND k.key_id = m.key_id "
    f"AND k.state <> 'DELETE_COMPLETE') {_IN_ORDER}"
)
# Copies are of keys that are replicas here, and have no replicas of their own.
SELECT_ALIASES_TO_FOLLOW = (
    "SELECT account, name FROM aliases a WHERE EXISTS (SELECT 1 FROM replicas r "
    "WHERE r.account = a.account AND r.key_id = a.key_id AND r.region = ?) "
    "AND (account, name) > (?, ?) ORDER BY account, name LIMIT ?"
)
SELECT_COPIED_ALIASES = (
    "SELECT account, name FROM arrived_aliases WHERE region = ? AND is_copy = 1 "
    "AND (account, name) <= (?, ?) AND (account, name) > (?, ?) ORDER BY account, name LIMIT ?"
)
SELECT_KEKS = f"{REPLICATION_KEKS.select} ORDER BY direction, peer, created_at, kek_id"
SELECT_VERIFICATION = f"{VERIFICATIONS.select} WHERE peer = ?"
UPSERT_VERIFICATION = VERIFICATIONS.upsert
# Over whatever row there is, whole or broken.
UPSERT_KEY = sql.KEYS.upsert
ERASE_WHAT_KEYS_HAVE = (sql.DELETE_TAGS_OF_KEY, sql.DELETE_ISSUED_CERTIFICATE)
DELETE_KEY = "DELETE FROM keys WHERE account = ? AND key_id = ?"


def verification_values(record: VerificationRecord) -> tuple[Value, ...]:
    return (record.peer, to_microseconds(record.verified_at), record.compared, record.drift)


def verification_from_row(row: Row) -> VerificationRecord:
    return VerificationRecord(
        peer=row[0], verified_at=from_microseconds(row[1]), compared=row[2], drift=row[3]
    )

"""
Every statement the store runs, for every engine; the tables are in `migrations/`.

Portable SQL only: `?` for a parameter (an engine rewrites it), ON CONFLICT for what may exist
already (a failed statement would cost PostgreSQL its whole transaction), no function but count.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose rows are sealed: its columns in the order of the row MAC, without the MAC."""

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def select(self) -> str:
        return f"SELECT {', '.join(self.columns)}, row_mac FROM {self.name}"  # noqa: S608 -- constants

    @property
    def insert(self) -> str:
        """Add a row; changes no row if the key of the table is taken."""
        marks = ", ".join("?" * (len(self.columns) + 1))
        return (
            f"INSERT INTO {self.name} ({', '.join(self.columns)}, row_mac) "  # noqa: S608 -- constants
            f"VALUES ({marks}) ON CONFLICT ({', '.join(self.key)}) DO NOTHING"
        )

    @property
    def upsert(self) -> str:
        """Add a row or replace the one with the same key."""
        sets = ", ".join(f"{c} = excluded.{c}" for c in self.columns if c not in self.key)
        return (
            self.insert.removesuffix("DO NOTHING")
            + f"DO UPDATE SET {sets}, row_mac = excluded.row_mac"
        )


IMMUTABLE_KEY_COLUMNS = (
    "account",
    "key_id",
    "key_usage",
    "key_class",
    "key_algorithm",
    "modes_of_use",
    "exportability",
    "origin",
    "check_value",
    "check_value_algorithm",
    "derive_key_usage",
    "optional_blocks",
    "key_version",
    "public_key",
    "certificate",
    "issuer_key_id",
    "created_at",
)
MUTABLE_KEY_COLUMNS = (
    "state",
    "enabled",
    "usage_started_at",
    "usage_stopped_at",
    "delete_pending_at",
    "deleted_at",
    "wrapped_data_key",
    "ciphertext",
    "revision",
)
KEYS = Table("keys", ("account", "key_id"), IMMUTABLE_KEY_COLUMNS + MUTABLE_KEY_COLUMNS)
ALIASES = Table("aliases", ("account", "name"), ("account", "name", "key_id", "revision"))
TAGS = Table(
    "tags", ("account", "key_id", "tag_key"), ("account", "key_id", "tag_key", "tag_value")
)
TOKENS = Table(
    "tokens",
    ("account", "token"),
    (
        "account",
        "token",
        "purpose",
        "material_type",
        "algorithm",
        "certificate",
        "wrapped_data_key",
        "ciphertext",
        "created_at",
        "valid_until",
    ),
)
AUTHORITIES = Table(
    "authorities",
    ("account", "family"),
    ("account", "family", "certificate", "wrapped_data_key", "ciphertext", "created_at"),
)
ISSUED_CERTIFICATES = Table(
    "issued_certificates",
    ("account", "key_id"),
    ("account", "key_id", "certificate", "valid_until"),
)

# --- meta --------------------------------------------------------------------------------------
SELECT_META = "SELECT name, value FROM meta"
INSERT_META = "INSERT INTO meta (name, value) VALUES (?, ?)"
SELECT_KEY_EPOCH = "SELECT value FROM meta WHERE name = 'key_epoch'"
UPSERT_KEY_EPOCH = (
    "INSERT INTO meta (name, value) VALUES ('key_epoch', ?) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)

# --- keys --------------------------------------------------------------------------------------
_KEYS_IN_ORDER = KEYS.select.replace("SELECT ", "SELECT position, ", 1)
SELECT_KEY = f"{KEYS.select} WHERE account = ? AND key_id = ?"
SELECT_KEYS = f"{_KEYS_IN_ORDER} WHERE account = ? AND position > ? ORDER BY position LIMIT ?"
SELECT_KEYS_IN_STATE = (
    f"{_KEYS_IN_ORDER} WHERE account = ? AND state = ? AND position > ? ORDER BY position LIMIT ?"
)
SELECT_KEYS_DUE = (
    f"{KEYS.select} WHERE state = 'DELETE_PENDING' AND delete_pending_at <= ? "
    "ORDER BY delete_pending_at LIMIT ?"
)
# One step at a time along the index: a list of all accounts would read every key.
SELECT_NEXT_ACCOUNT = "SELECT account FROM keys WHERE account > ? ORDER BY account LIMIT 1"
COUNT_KEYS = (
    "SELECT count(*) FROM keys WHERE account = ? AND state IN "
    "('CREATE_IN_PROGRESS', 'CREATE_COMPLETE', 'CREATE_FAILED', 'DELETE_PENDING')"
)
UPDATE_KEY = (
    f"UPDATE keys SET {', '.join(f'{c} = ?' for c in MUTABLE_KEY_COLUMNS)}, row_mac = ? "  # noqa: S608
    "WHERE account = ? AND key_id = ? AND revision = ?"
)

# --- aliases -----------------------------------------------------------------------------------
SELECT_ALIAS = f"{ALIASES.select} WHERE account = ? AND name = ?"
SELECT_ALIASES = f"{ALIASES.select} WHERE account = ? AND name > ? ORDER BY name LIMIT ?"
SELECT_ALIASES_OF_KEY = (
    f"{ALIASES.select} WHERE account = ? AND key_id = ? AND name > ? ORDER BY name LIMIT ?"
)
COUNT_ALIASES = "SELECT count(*) FROM aliases WHERE account = ?"
UPDATE_ALIAS = (
    "UPDATE aliases SET key_id = ?, revision = ?, row_mac = ? "
    "WHERE account = ? AND name = ? AND revision = ?"
)
DELETE_ALIAS = "DELETE FROM aliases WHERE account = ? AND name = ?"

# --- tags --------------------------------------------------------------------------------------
SELECT_TAGS = (
    f"{TAGS.select} WHERE account = ? AND key_id = ? AND tag_key > ? ORDER BY tag_key LIMIT ?"
)
DELETE_TAG = "DELETE FROM tags WHERE account = ? AND key_id = ? AND tag_key = ?"
DELETE_TAGS_OF_KEY = "DELETE FROM tags WHERE account = ? AND key_id = ?"

# --- tokens, authorities, issued certificates ---------------------------------------------------
SELECT_TOKEN = f"{TOKENS.select} WHERE account = ? AND token = ?"
SELECT_LATEST_TOKEN = (
    f"{TOKENS.select} WHERE account = ? AND purpose = ? AND material_type = ? AND algorithm = ? "
    "ORDER BY created_at DESC LIMIT 1"
)
DELETE_EXPIRED_TOKENS = "DELETE FROM tokens WHERE valid_until <= ?"
SELECT_AUTHORITY = f"{AUTHORITIES.select} WHERE account = ? AND family = ?"
SELECT_ISSUED_CERTIFICATE = f"{ISSUED_CERTIFICATES.select} WHERE account = ? AND key_id = ?"
DELETE_ISSUED_CERTIFICATE = "DELETE FROM issued_certificates WHERE account = ? AND key_id = ?"

# --- the trail ---------------------------------------------------------------------------------
_SELECT_AUDIT = (
    "SELECT position, event_id, account, event_time, event_name, body FROM audit_events "
    "WHERE account = ?"
)
SELECT_AUDIT_EVENTS = f"{_SELECT_AUDIT} AND position > ? ORDER BY position LIMIT ?"
SELECT_NEWEST_AUDIT_EVENTS = f"{_SELECT_AUDIT} ORDER BY position DESC LIMIT ?"
INSERT_AUDIT_EVENT = (
    "INSERT INTO audit_events (event_id, account, event_time, event_name, body) "
    "VALUES (?, ?, ?, ?, ?)"
)

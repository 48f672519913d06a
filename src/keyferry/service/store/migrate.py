"""
The tables of a store, brought up to date step by step.

Steps are the numbered files of `migrations/`. A store remembers which it has, with a checksum of
each: a store with a step we do not know was written by a newer keyferry and is refused, and so is
one whose step was another text.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

from keyferry.errors import StoreError, StoreVersionError
from keyferry.service.store.engine import Engine

_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_CREATE_VERSIONS = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    INTEGER PRIMARY KEY,
    name       {{text}} NOT NULL,
    checksum   {{text}} NOT NULL,
    applied_at {{text}} NOT NULL DEFAULT (CAST(CURRENT_TIMESTAMP AS TEXT))
)"""
_SELECT_VERSIONS = "SELECT version, name, checksum FROM schema_migrations ORDER BY version"
_INSERT_VERSION = "INSERT INTO schema_migrations (version, name, checksum) VALUES (?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: its number, its name and the SQL with our placeholders for column types."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file's text, hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def statements(self) -> list[str]:
        """The statements, without comments. A semicolon at the end of a line ends one."""
        lines = [line for line in self.text.splitlines() if not line.lstrip().startswith("--")]
        return [part.strip() for part in "\n".join(lines).split(";\n") if part.strip(" \n;")]


@cache
def migrations() -> tuple[Migration, ...]:
    """All steps this build knows, in order."""
    found = []
    for entry in resources.files("keyferry.service.store.migrations").iterdir():
        match = _FILE_NAME.fullmatch(entry.name)
        if match is not None:
            text = entry.read_text(encoding="utf-8")
            found.append(Migration(int(match[1]), match[2], text))
    return tuple(sorted(found, key=lambda migration: migration.version))


def migrate(engine: Engine, *, steps: tuple[Migration, ...] | None = None) -> list[Migration]:
    """
    Apply the steps the store does not have yet, all in one transaction, and return them.

    Raises:
        StoreVersionError: the store has a step this build does not know.
        StoreError: a step was applied with another text, or the database failed.
    """
    known = migrations() if steps is None else steps
    engine.begin()
    try:
        engine.execute(_spell(engine, _CREATE_VERSIONS))
        applied = engine.fetch_in_transaction(_SELECT_VERSIONS)
        to_apply = _missing(known, applied)
        for migration in to_apply:
            for statement in migration.statements():
                engine.execute(_spell(engine, statement))
            engine.execute(_INSERT_VERSION, (migration.version, migration.name, migration.checksum))
    except BaseException:
        engine.rollback()
        raise
    engine.commit()
    return to_apply


def missing(engine: Engine) -> list[Migration]:
    """
    The steps a store does not have yet; nothing is changed.

    Raises:
        StoreVersionError, StoreError: as `migrate`.
    """
    present = "schema_migrations" in engine.tables()
    return _missing(migrations(), engine.fetch(_SELECT_VERSIONS) if present else [])


def _missing(known: tuple[Migration, ...], applied: list[tuple[int, str, str]]) -> list[Migration]:
    by_version = {migration.version: migration for migration in known}
    for version, name, checksum in applied:
        migration = by_version.get(version)
        if migration is None:
            raise StoreVersionError(
                f"the store has schema version {version} ({name}), this build knows "
                f"{max(by_version, default=0)}",
                hint="run the keyferry that wrote this store, or a newer one",
            )
        if migration.checksum != checksum:
            raise StoreError(
                f"schema version {version} ({name}) of the store was made from another text"
            )
    present = {version for version, _, _ in applied}
    return [migration for migration in known if migration.version not in present]


def _spell(engine: Engine, statement: str) -> str:
    for placeholder, column_type in engine.column_types.items():
        statement = statement.replace("{{" + placeholder + "}}", column_type)
    return statement

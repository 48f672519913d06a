"""
From a URL and a master key to a usable store.

A new store gets its tables, its Region's name and a store key, wrapped by the master key. An
existing one is refused if it belongs to another Region, was written by a newer keyferry, or does
not open with the master key.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from keyferry.errors import ConfigurationError, StoreError
from keyferry.service.store import sql
from keyferry.service.store.engine import Engine
from keyferry.service.store.migrate import migrate
from keyferry.service.store.row_mac import RowMAC
from keyferry.service.store.sqlite import SQLiteEngine
from keyferry.service.store.store import SQLStore
from keyferry.service.vault.envelope import EnvelopeVault
from keyferry.service.vault.master_key import MasterKey, load_master_key
from keyferry.service.vault.store_key import StoreKey, WrappedStoreKey

_SQLITE = "sqlite:///"
_POSTGRESQL = "postgresql://"


def open_store(
    url: str,
    *,
    region: str,
    master_key: MasterKey | str,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> SQLStore:
    """
    Open the store of one Region, making it if it is new.

    Args:
        url: `memory:`; `sqlite:///FILE` with FILE absolute (`sqlite:////var/…`) or relative to
            the working directory; or `postgresql://USER@HOST:PORT/DATABASE`.
        region: the Region it belongs to.
        master_key: the key, or its URI; then `file:PATH` is made if the store has no key yet.

    Raises:
        ConfigurationError: the URL or the URI is not one we know, or another Region's store.
        StoreError: the database does not open. StoreVersionError: a newer keyferry wrote it.
        MasterKeyError: the master key is missing, unreadable or another one.
        StoreIntegrityError: the store's own record of its key was changed.
    """
    engine = open_engine(url)
    try:
        migrate(engine)
        store_key = _open_store_key(
            engine, region=region, master_key=master_key, random_bytes=random_bytes
        )
        return SQLStore(
            engine,
            region=region,
            row_mac=RowMAC(store_key.derive("row MAC"), region=region),
            vault=EnvelopeVault(store_key, random_bytes=random_bytes),
        )
    except BaseException:
        engine.close()
        raise


def open_engine(url: str, *, create: bool = True) -> Engine:
    """
    Open the database a URL names, as it is.

    Args:
        create: make it if it does not exist; otherwise that is a StoreError.
    """
    if url == "memory:":
        return SQLiteEngine(None)
    if url.startswith(_SQLITE) and len(url) > len(_SQLITE):
        path = Path(url.removeprefix(_SQLITE))
        if not create and not path.exists():
            raise StoreError(f"{path}: no such file")
        return SQLiteEngine(path)
    if url.startswith(_POSTGRESQL):
        # Imported here: most stores are files, and this takes longer than all the rest.
        from keyferry.service.store.postgresql import PostgreSQLEngine

        return PostgreSQLEngine(url, create=create)
    raise ConfigurationError(
        f"store {url.partition(':')[0]}: not a store of this build",
        hint="use memory:, sqlite:///FILE or postgresql://USER@HOST:PORT/DATABASE",
    )


def kept_store_key(
    meta: Mapping[str, bytes], *, region: str, master_key: MasterKey | str
) -> StoreKey:
    """
    Open the store key of a store that has one, for maintenance.

    Args:
        meta: what the store's `meta` table holds, by name.

    Raises:
        ConfigurationError, MasterKeyError, StoreIntegrityError: as `open_store`.
        StoreError: the store has none: no service ever opened it.
    """
    if not meta:
        raise StoreError("the store is empty: no service has used it yet")
    if isinstance(master_key, str):
        master_key = load_master_key(master_key, create=False)
    return WrappedStoreKey.from_meta(meta).unwrap(master_key, region=region)


def _open_store_key(
    engine: Engine,
    *,
    region: str,
    master_key: MasterKey | str,
    random_bytes: Callable[[int], bytes],
) -> StoreKey:
    """Unwrap the store key, or make one; several processes may open a new store at once."""
    engine.begin()
    try:
        meta = {name: bytes(value) for name, value in engine.fetch_in_transaction(sql.SELECT_META)}
        if isinstance(master_key, str):
            master_key = load_master_key(master_key, create=not meta, random_bytes=random_bytes)
        if not meta:
            store_key = StoreKey(random_bytes(StoreKey.SIZE))
            wrapped = store_key.wrap(master_key, region=region, random_bytes=random_bytes)
            for name, value in wrapped.to_meta().items():
                engine.execute(sql.INSERT_META, (name, value))
        else:
            store_key = WrappedStoreKey.from_meta(meta).unwrap(master_key, region=region)
    except BaseException:
        engine.rollback()
        raise
    engine.commit()
    return store_key

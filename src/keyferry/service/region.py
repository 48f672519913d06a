"""One Region of the service: its store, seal, audit queue and opened keys. It is a boundary."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from datetime import datetime

from keyferry.service.audit import AuditQueue
from keyferry.service.control.destruction import destroy_due_keys
from keyferry.service.opened_keys import OpenedKeys
from keyferry.service.settings import ServiceSettings
from keyferry.service.store.interface import KeyStore
from keyferry.service.store.opening import open_store
from keyferry.service.vault.interface import Vault
from keyferry.service.vault.master_key import KEY_BYTES, LocalMasterKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """The parts of one Region. Nothing here is shared with another."""

    name: str
    store: KeyStore
    vault: Vault
    audit: AuditQueue
    keys: OpenedKeys

    async def sweep(self, now: datetime) -> None:
        """Do what is due at `now`: destroy keys whose waiting period is over, forget old tokens."""
        await destroy_due_keys(self.store, region=self.name, now=now)
        await self.store.write(lambda tx: tx.delete_expired_tokens(now))

    async def close(self) -> None:
        """Write what waits and close the store."""
        await self.audit.close()
        # Closing waits for the writer thread, which the loop need not.
        await asyncio.to_thread(self.store.close)


def open_region(name: str, settings: ServiceSettings) -> Region:
    """
    Open the store of one Region.

    Raises:
        ConfigurationError, StoreError, MasterKeyError: as `open_store`.
    """
    uri = settings.master_key_uri(name)
    # A store in memory is gone with the process, so its master key need not outlive it either.
    master_key = LocalMasterKey(secrets.token_bytes(KEY_BYTES)) if uri is None else uri
    store = open_store(settings.store_url(name), region=name, master_key=master_key)
    return Region(
        name=name,
        store=store,
        vault=store.vault,
        audit=AuditQueue(store),
        keys=OpenedKeys(name, store, store.vault),
    )


def open_regions(settings: ServiceSettings) -> dict[str, Region]:
    """Open every Region, or none: what was opened is closed again if a later one refuses."""
    regions: dict[str, Region] = {}
    try:
        for name in settings.regions:
            regions[name] = open_region(name, settings)
    except BaseException:
        for region in regions.values():
            region.store.close()
        raise
    return regions

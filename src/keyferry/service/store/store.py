"""The store of a Region: reads on the caller's thread, writes through the group commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from keyferry.service.store import sql
from keyferry.service.store.engine import Engine, Row, Value
from keyferry.service.store.group_commit import GroupCommit
from keyferry.service.store.interface import Transaction
from keyferry.service.store.row_mac import RowMAC
from keyferry.service.store.transaction import SQLTransaction
from keyferry.service.store.view import SQLView
from keyferry.service.vault.envelope import EnvelopeVault

T = TypeVar("T")

# How long `check` waits for a write to get through before it calls the store unusable.
_CHECK_TIMEOUT_S = 5.0


class SQLStore(SQLView):
    """
    The KeyStore over an engine. `opening.open_store` makes one; `vault` seals with its store key.
    """

    def __init__(
        self, engine: Engine, *, region: str, row_mac: RowMAC, vault: EnvelopeVault
    ) -> None:
        super().__init__(row_mac)
        self.region = region
        self.vault = vault
        self._engine = engine
        self._committer = GroupCommit(engine, lambda: SQLTransaction(engine, row_mac))

    def _fetch(self, statement: str, parameters: Sequence[Value] = ()) -> list[Row]:
        return self._engine.fetch(statement, parameters)

    def key_epoch(self) -> bytes:
        return self._engine.key_epoch(super().key_epoch)

    async def write(self, change: Callable[[Transaction], T]) -> T:
        """
        Run `change` durably and return its result.

        A caller who is cancelled while waiting does not know whether the change was made.

        Raises:
            StoreError: the database failed; nothing of the change is there.
            Exception: whatever `change` raises.
        """
        return await self._committer.write(change)

    def write_blocking(self, change: Callable[[Transaction], T]) -> T:
        return self._committer.write_blocking(change)

    def check(self) -> None:
        """Read something, and let an empty transaction through; costs no disk flush."""
        self._engine.fetch(sql.SELECT_META)
        self._committer.write_blocking(lambda _: None, timeout_s=_CHECK_TIMEOUT_S)

    def close(self) -> None:
        """Write what was submitted and close; a second call does nothing."""
        self._committer.close()
        self._engine.close()

    def __enter__(self) -> SQLStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

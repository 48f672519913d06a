"""The store of a Region: reads on the caller's thread, writes through the group commit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from keyferry.service.store import sql
from keyferry.service.store.engine import Engine, Row, Value
from keyferry.service.store.group_commit import GroupCommit
from keyferry.service.store.interface import StoreView, Transaction
from keyferry.service.store.known_rows import KnownRows, Subject
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

    def known(self, about: Collection[Subject]) -> StoreView:
        """
        A view in which the rows of these keys are there already, as they are now.

        For who reads many keys at once; on an engine that is near it is the store itself.
        """
        if not self._engine.is_remote or not about:
            return self
        return _KnownView(self, self._engine, self._row_mac, about)

    async def write(
        self, change: Callable[[Transaction], T], *, about: Collection[Subject] = ()
    ) -> T:
        """
        Run `change` durably and return its result.

        Args:
            change: does nothing but through its transaction, since it may be run again.
            about: keys it will read, where the caller knows them: an engine that is far away is
                asked for all of them at once.

        A caller who is cancelled while waiting does not know whether the change was made.

        Raises:
            StoreError: the database failed; nothing of the change is there.
            Exception: whatever `change` raises.
        """
        return await self._committer.write(change, about=about)

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


class _KnownView(SQLView):
    """Reads of a store, some of them answered before they are asked."""

    def __init__(
        self, store: SQLStore, engine: Engine, row_mac: RowMAC, about: Collection[Subject]
    ) -> None:
        super().__init__(row_mac)
        self._store = store
        self._engine = engine
        self._known = KnownRows()
        self._known.learn(about, engine.fetch_many(KnownRows.queries(about)))

    def _fetch(self, statement: str, parameters: Sequence[Value] = ()) -> list[Row]:
        found = self._known.find(statement, parameters)
        return self._engine.fetch(statement, parameters) if found is None else found

    def key_epoch(self) -> bytes:
        return self._store.key_epoch()

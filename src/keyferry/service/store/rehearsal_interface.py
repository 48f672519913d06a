"""The part of the store that canaries and drills need."""

from __future__ import annotations

from typing import Protocol

from keyferry.service.store.rehearsal_records import CanaryRecord, CutRecord


class RehearsalView(Protocol):
    """Reading."""

    def canary(self, peer: str) -> CanaryRecord | None: ...

    def cut(self, peer: str) -> CutRecord | None:
        """The last cut from a peer, whether it still holds or not."""
        ...


class RehearsalTransaction(RehearsalView, Protocol):
    """Changing; `put` adds or replaces."""

    def put_canary(self, record: CanaryRecord) -> None: ...

    def put_cut(self, record: CutRecord) -> None: ...

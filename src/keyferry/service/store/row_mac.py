"""
The seal over a row: what the database returns is what this store wrote.

A row MAC is HMAC-SHA-256 over the MessagePack array [table, Region, column 1, ...] of all columns
of the row in the order of `sql.py`; MessagePack's shortest forms make the encoding unambiguous.
It covers immutable and mutable columns and the sealed blobs. A row that was edited, or moved from
another row, table, Region or store, does not verify. A whole row put back to an older version of
itself does: only the trail tells.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

import msgspec

from keyferry.errors import StoreIntegrityError
from keyferry.service.store.engine import Row, Value

_encode = msgspec.msgpack.Encoder().encode


class RowMAC:
    """Makes and verifies the row MACs of one Region's store."""

    __slots__ = ("_key", "_region")

    def __init__(self, key: bytes, *, region: str) -> None:
        self._key = key
        self._region = region

    def mac(self, table: str, row: Sequence[Value]) -> bytes:
        """Return the 32 bytes that seal `row` (all columns but the MAC itself)."""
        return hmac.digest(self._key, _encode((table, self._region, *row)), "sha256")

    def verify(self, table: str, row: Row, *, name: str) -> None:
        """
        Check a row as it was read, with its MAC as the last column.

        Raises:
            StoreIntegrityError: the row is not what the store wrote; `name` says which one.
        """
        found = row[-1]
        if not isinstance(found, bytes) or not hmac.compare_digest(
            found, self.mac(table, row[:-1])
        ):
            raise StoreIntegrityError(f"{table} row {name}: its row MAC does not verify")

"""
The audit log of the simulated device: records of 40 bytes, as Q2 hands them out.

Counter 4 bytes, time 6 (hhmmssDDMMYY as digits), action 2, mask 2, error 2 (characters), MAC 8,
and the key that made the MAC, enciphered. How a device computes MAC and key is not public.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import Final

from keyferry.crypto.ciphers import Cipher, CipherKey

RECORDS: Final = 4096
_MAC_BYTES: Final = 8
_HOST_COMMAND: Final = b"\x00\x01"  # the mask of records that a host command made


class AuditLog:
    """Records in order; the oldest leave when there are too many."""

    __slots__ = ("_counter", "_next", "_records")

    def __init__(self) -> None:
        self._records: deque[bytes] = deque()
        self._counter = 0
        self._next = 0  # how many of them have been retrieved

    def __len__(self) -> int:
        return len(self._records)

    @property
    def retrieved(self) -> int:
        """How many records have been handed out."""
        return self._next

    def add(self, command: str, code: str, *, now: datetime, key: bytes) -> None:
        """
        Add a record of a host command.

        Args:
            command: its code.
            code: how it ended.
            now: when.
            key: 16 or 24 bytes of the LMK that protect the record.
        """
        self._counter += 1
        body = (
            self._counter.to_bytes(4, "big")
            + bytes.fromhex(f"{now:%H%M%S%d%m%y}")
            + command.encode("latin-1")
            + _HOST_COMMAND
            + code.encode("ascii")
        )
        cipher = CipherKey(Cipher.TDES, key)
        mac_key = cipher.encrypt_ecb(self._counter.to_bytes(16, "big"))
        mac = CipherKey(Cipher.TDES, mac_key).cmac(body)[:_MAC_BYTES]
        if len(self._records) == RECORDS:
            self._records.popleft()
            self._next = max(0, self._next - 1)
        self._records.append(body + mac + cipher.encrypt_ecb(mac_key))

    def retrieve(self) -> bytes | None:
        """Return the next record, or None where all have been handed out."""
        if self._next == len(self._records):
            return None
        self._next += 1
        return self._records[self._next - 1]

    def delete(self, count: int) -> None:
        """Delete the oldest records."""
        for _ in range(count):
            self._records.popleft()
        self._next -= min(count, self._next)

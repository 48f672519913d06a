"""A TDES key opened for the algorithms that also use its first part alone, as single DES."""

from __future__ import annotations

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.errors import KeySizeError

__all__ = ["TDESKey"]


class TDESKey(CipherKey):
    """
    A 2-key or 3-key TDES key (16 or 24 bytes), opened.

    It is a `CipherKey`, and serves wherever one is taken. CVV, retail MAC and what is built on
    them take nothing less: they encipher with K1 alone before they use the whole key.
    """

    __slots__ = ("_first", "_key")

    def __init__(self, key: bytes) -> None:
        if len(key) not in (16, 24):
            raise KeySizeError(f"TDES key of {len(key)} bytes: expected 16 or 24")
        super().__init__(Cipher.TDES, key)
        self._key = key[:8]
        self._first: CipherKey | None = None

    @property
    def first(self) -> CipherKey:
        """Single DES with K1, opened at the first use and kept."""
        if self._first is None:
            self._first = CipherKey(Cipher.TDES, self._key)
        return self._first
